"""Language models under low-bit weights and activations: the task half of the family card."""

from __future__ import annotations

from typing import Any

from suite.api import Paper, TaskSpec
from tasks.quantization.metrics import LAYER_ERROR, PERPLEXITY, ZERO_SHOT

DUQUANT = Paper(
    "DuQuant: Distributing Outliers via Dual Transformation Makes Stronger Quantized LLMs",
    2024,
    "https://arxiv.org/abs/2406.01721",
)
ALWAYS = (
    "A quantizer gets the float model and calibration windows, drawn at random by the cell's seed from text "
    "that is not measured on, and returns a model that simulates its few-bit arithmetic in float32 (the 7B "
    "models of paper in float16). Slices are precisions, and all is the first. Embeddings, norms and the "
    "map to the vocabulary stay float."
)
NO_HEADLINE = (
    "A method that makes no sense at the first precision, as one for weights alone, is skipped; at another "
    "one that slice is left out."
)
SIZES = (
    "At small the first 32 windows of 128 tokens are measured and {} more calibrate, at {}; at "
    "paper windows have 2,048 tokens, 128 calibrate, and all that the text fills are measured. A window's "
    "first token is only looked at; nats a token are averaged by window, then over windows."
)
WINDOWS = SIZES.format(8, "two precisions")
REST = SIZES.format(32, "the three precisions that ppl-wikitext2 leaves out there, weights by row")
WIKITEXT = (
    "Test split of WikiText-2, tokenized once, cut into windows that do not overlap. At small in its "
    "tokenised form with <unk>, calibrated on its validation split, since no training split of it is at "
    "hand; perplexities of the raw text, which paper has with calibration on its training split, are others."
)
C4 = (
    "At small no C4 is at hand: a stand-in of 1,241 documents (news, reviews, dialogue, biography), every "
    "second of which is measured on and the others calibrate, but for those that share twelve words in a "
    "row with one of the first. At paper the first validation shard of C4, calibrated on WikiText-2 as in "
    "DuQuant's code."
)
OLD = "The older recipe: a random window of each of random documents that are long enough, seed 20."
NEW = "The newer recipe: the first 1,100 documents joined by blanks, cut into windows."
RECIPES = "Numbers of the two recipes must not be compared."
OWN = (
    "There is no text of stories at hand: the float model, stories260k, writes it, at temperature 1 behind "
    "BOS under a fixed seed, and with another seed what calibrates. So the float perplexity is that of the "
    "model's own samples, and the logarithm of the ratio estimates the divergence of the quantized model "
    "from the float one. At small 64 windows of 256 tokens, and 16 calibrate; at paper 1,024 and "
    "128."
)
SMOKE_TEXT = "At smoke the packaged model lm-icl writes its own text, whatever the text's name."
STORED = (
    "smollm2-135m-instruct and gemma-3-270m were stored in 4-bit blocks, so weight-only 4-bit says little "
    "about them."
)

WHOLE = {"calibration_windows": 128, "calibration_length": 2048, "batch": 1, "dtype": "float16"}
LLAMA = {"base_model": "llama-2-7b-hf", **WHOLE}
CUT = {"length": 128, "windows": 32, "calibration_windows": 8, "calibration_length": 128}
BOTH = {"precisions": "W4A4KV4,W6A6KV6"}
"""Of a model of 135 million parameters at small: the two precisions of the paper's tables."""
OTHERS = "W4A16,W3A16,W8A8"
"""The three that BOTH leaves out. Weights alone come first, so that methods for them are not skipped. GPTQ on
fewer tokens than a map has inputs, 1,536, is worse than rounding, hence more windows to calibrate."""
SMOKE = {
    "base_model": "lm-icl",
    "text": "own",
    "calibration_text": "own",
    "precisions": "W4A4KV4,W4A16",
    "length": 48,
    "windows": 4,
    "calibration_windows": 4,
    "calibration_length": 48,
}
STORIES = {
    "base_model": "stories260k",
    "text": "own",
    "calibration_text": "own",
    "length": 256,
    "windows": 64,
    "calibration_windows": 16,
    "calibration_length": 256,
    "batch": 16,
}
LMTEXT = ("lmtext/wikitext2_test.txt.gz", "lmtext/wikitext2_valid.txt.gz")
MIXED = ("lmtext/mixed_web_docs.jsonl.gz",)


def _perplexity(name: str, summary: str, protocol: str, **more: Any) -> TaskSpec:
    fields: dict[str, Any] = {"where": "tasks.quantization.task:PerplexityTask"} | more
    return TaskSpec(
        name=f"ppl-{name}",
        family="quantization",
        summary=summary,
        paper=DUQUANT,
        metrics=PERPLEXITY,
        primary="perplexity",
        protocol=f"{protocol} {ALWAYS} {NO_HEADLINE} {SMOKE_TEXT}",
        ceiling="fp",
        **fields,
    )


def _c4(recipe: str, summary: str, how: str) -> TaskSpec:
    wikitext = {"calibration_text": "wikitext2-raw"}
    return _perplexity(
        f"c4-{recipe}",
        summary,
        f"{how} {RECIPES} {C4} {WINDOWS}",
        params={"recipe": f"c4-{recipe}"},
        presets={
            "smoke": SMOKE,
            "small": {"text": "mixed", "calibration_text": "mixed", **CUT, **BOTH},
            "paper": {"text": "c4", **LLAMA, **wikitext},
        },
        data=MIXED,
    )


def _stories(name: str, summary: str, protocol: str, **params: Any) -> TaskSpec:
    """The same model and text at every profile that is no smoke test: paper has more of it."""
    paper = {**STORIES, "windows": 1024, "calibration_windows": 128}
    return _perplexity(
        name,
        summary,
        f"{protocol} {OWN}",
        params=params,
        presets={"smoke": SMOKE, "small": STORIES, "paper": paper},
    )


WEIGHTS = "W4A16,W3A16,W2A16"
"""By row alone: 172, which stories260k has for a width, is no multiple of a usual group."""

TASKS: list[TaskSpec] = [
    _perplexity(
        "wikitext2",
        "perplexity on WikiText-2",
        f"{WIKITEXT} {WINDOWS} {STORED}",
        presets={
            "smoke": SMOKE,
            "small": {**CUT, **BOTH},
            "paper": {"text": "wikitext2-raw", "calibration_text": "wikitext2-raw", **LLAMA},
        },
        data=LMTEXT,
    ),
    _perplexity(
        "wikitext2-weights",
        "perplexity on WikiText-2 with weights alone rounded, and with 8 bits for all",
        f"{WIKITEXT} {REST} The model was stored in 4-bit blocks, which a row's grid does not meet.",
        params={"precisions": OTHERS},
        presets={
            "smoke": SMOKE,
            "small": {**CUT, "calibration_windows": 32},
            "paper": {"text": "wikitext2-raw", "calibration_text": "wikitext2-raw", **LLAMA},
        },
        data=LMTEXT,
    ),
    _perplexity(
        "wikitext2-gemma",
        "perplexity on WikiText-2 of Gemma 3 270M",
        f"{WIKITEXT} {WINDOWS} Every window begins with BOS, which Gemma needs. At paper in float32, since "
        f"Gemma's stream (1e5 on first tokens, measured) passes what float16 holds. {STORED}",
        params={"base_model": "gemma-3-270m", "bos": True},
        presets={
            "smoke": SMOKE,
            "small": {**CUT, **BOTH},
            "paper": {
                "text": "wikitext2-raw",
                "calibration_text": "wikitext2-raw",
                **WHOLE,
                "dtype": "float32",
            },
        },
        data=LMTEXT,
    ),
    _c4("old", "perplexity on C4 by the older recipe (at small on a stand-in)", OLD),
    _c4("new", "perplexity on C4 by the newer recipe (at small on a stand-in)", NEW),
    _stories("stories", "perplexity on stories that the model itself wrote", ""),
    _stories(
        "stories-normal",
        "perplexity on its own stories of a model with outliers in a few channels",
        "The model's stream is written in another basis, whose axes follow its principal directions; what it "
        "computes in float stays the same.",
        outliers="normal",
    ),
    _stories(
        "stories-massive",
        "perplexity on its own stories of a model with massive outliers on first tokens",
        "The FFN of layer 1 has two more neurons, 1,400 and 518 large on first tokens, whose columns "
        "cancel, so that what the model computes in float stays the same.",
        outliers="massive",
    ),
    _stories(
        "stories-weights",
        "perplexity on its own stories of a model with weights alone rounded",
        "Precisions for methods that round weights alone, 4, 3 and 2 bits by row. No such table is in the "
        "paper.",
        precisions=WEIGHTS,
    ),
    TaskSpec(
        name="zeroshot",
        family="quantization",
        summary="multiple choice through lm-eval",
        where="tasks.quantization.zeroshot:ZeroShot",
        version=2,
        paper=DUQUANT,
        metrics=ZERO_SHOT,
        primary="accuracy",
        protocol=(
            "The quantized model on tasks of lm-eval, which builds prompts and counts; 0-shot. accuracy is "
            "by acc and weights each task by its documents; acc and acc_norm over all are means over tasks, "
            "with those of each task as slices. At paper arc_easy, arc_challenge, hellaswag, winogrande, "
            "boolq, piqa from the hub's files with lm-eval's own prompts (boolq from its own set, the same "
            "questions), and MMLU 0- and 5-shot where task.names asks for it. At small none of them is at "
            "hand: commonsense_qa, social_i_qa, sciq_closed (SciQ without its paragraph) and qasc (training "
            "splits, out of T0's prompts, qa_t0), 40 of each, asked as lm-eval asks ARC's questions, without "
            "the list of choices; qasc's questions tell a fact first, which mostly holds the answer word for "
            "word. A row whose question or choices cannot be read exactly, or do not hold the answer once, "
            "is dropped and counted. "
            f"{ALWAYS} {SMOKE_TEXT} Its documents are those of the task lm-eval."
        ),
        presets={
            "smoke": {
                **{k: v for k, v in SMOKE.items() if k not in ("text", "length", "windows")},
                "precisions": "W4A4KV4",
                "suite": "mini",
                "limit": 16,
            },
            "small": {"calibration_windows": 8, "calibration_length": 128, "limit": 40},
            "paper": {**LLAMA, "calibration_text": "wikitext2-raw", "suite": "paper", "limit": None},
        },
        data=("qa_t0/t0_tasks.jsonl.gz", LMTEXT[1]),
        ceiling="fp",
    ),
    TaskSpec(
        name="layer-error",
        family="quantization",
        summary="what each layer loses, and how outliers look before and after each transform",
        where="tasks.quantization.layer_error:LayerError",
        paper=DUQUANT,
        metrics=LAYER_ERROR,
        primary="error",
        protocol=(
            "error: every attention and every FFN of the quantized model is given the float model's stream, "
            "and what it adds is compared with what the float one adds, |Q - F| / |F| over all tokens; the "
            "mean over layers and both halves. Where a method has rotated the stream, it is compared in "
            "that basis. stream_error lets errors add up. Slices attention, ffn, and each layer's. "
            "max_median, kurtosis and block_variance are of what the linear maps of a site (qkv, out, ffn, "
            "down) read: in the float model (before), in the quantized one (smoothed), behind each "
            "transform of a map (1, 2, ...) and at the last (after); means over layers. No lower value is a "
            "goal by itself. "
            f"{ALWAYS} {SMOKE_TEXT}"
        ),
        presets={
            "smoke": {**SMOKE, "precisions": "W4A4KV4"},
            "small": {**CUT, "windows": 8},
            "paper": {
                "text": "wikitext2-raw",
                "calibration_text": "wikitext2-raw",
                **LLAMA,
                "windows": 8,
            },
        },
        data=LMTEXT,
        ceiling="fp",
    ),
]
