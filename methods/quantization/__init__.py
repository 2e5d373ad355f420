"""The competitors on quantization tasks: how weights, activations and cache are rounded.

Defaults of the classes are the papers' values; the `small` profile keeps them but for sizes of a search.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suite.api import MethodSpec, Needs, Paper

DUQUANT = Paper(
    "DuQuant: Distributing Outliers via Dual Transformation Makes Stronger Quantized LLMs",
    2024,
    "https://arxiv.org/abs/2406.01721",
)
GPTQ = Paper(
    "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers",
    2022,
    "https://arxiv.org/abs/2210.17323",
)
SMOOTHQUANT = Paper(
    "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models",
    2022,
    "https://arxiv.org/abs/2211.10438",
)
PERMUTED = Paper(
    "MixQuant: Pushing the Limits of Block Rotations in Post-Training Quantization",
    2026,
    "https://arxiv.org/abs/2601.22347",
)
QUAROT = Paper(
    "QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs", 2024, "https://arxiv.org/abs/2404.00456"
)
SPINQUANT = Paper(
    "SpinQuant: LLM Quantization with Learned Rotations", 2024, "https://arxiv.org/abs/2405.16406"
)
FLATQUANT = Paper(
    "FlatQuant: Flatness Matters for LLM Quantization", 2024, "https://arxiv.org/abs/2410.09426"
)
ATOM = Paper(
    "Atom: Low-bit Quantization for Efficient and Accurate LLM Serving",
    2023,
    "https://arxiv.org/abs/2310.19102",
)
QUIK = Paper(
    "QUIK: Towards End-to-End 4-Bit Inference on Generative Large Language Models",
    2023,
    "https://arxiv.org/abs/2310.09259",
)
AWQ = Paper(
    "AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration",
    2023,
    "https://arxiv.org/abs/2306.00978",
)
PREFIXQUANT = Paper(
    "PrefixQuant: Static Quantization Beats Dynamic through Prefixed Outliers in LLMs",
    2024,
    "https://arxiv.org/abs/2410.05265",
)
QLLM = Paper(
    "QLLM: Accurate and Efficient Low-Bitwidth Quantization for Large Language Models",
    2023,
    "https://arxiv.org/abs/2310.08041",
)
OMNIQUANT = Paper(
    "OmniQuant: Omnidirectionally Calibrated Quantization for Large Language Models",
    2023,
    "https://arxiv.org/abs/2308.13137",
)
AFFINEQUANT = Paper(
    "AffineQuant: Affine Transformation Quantization for Large Language Models",
    2024,
    "https://arxiv.org/abs/2403.12544",
)
NOTHING: Mapping[str, Any] = {}
CODE = "the setting of the paper's released code"


def _method(
    name: str, where: str, paper: Paper, role: Any, summary: str, *, minutes: float = 4, **more: Any
) -> MethodSpec:
    """A competitor; minutes and memory of small are those of the largest model there, partly estimated."""
    needs = {"smoke": Needs(0.2, 900), "small": Needs(minutes, 3000), "paper": Needs(60, 60_000)}
    return MethodSpec(
        name=name,
        family="quantization",
        summary=summary,
        where=f"methods.quantization.{where}",
        paper=paper,
        role=role,
        needs=needs,
        **more,
    )


def _duquant(name: str, role: Any, summary: str, **params: Any) -> MethodSpec:
    """DuQuant or a setting of it."""
    paper, where = params.pop("paper", DUQUANT), "duquant:DuQuant"
    minutes = params.pop("minutes", 10)
    presets = params.pop("presets", {"smoke": {"steps": 16}})
    rule = "" if "quirk" in params else COLUMN
    note = " ".join(filter(None, (DUQUANT_NOTE, rule, params.pop("more", ""))))
    fields: dict[str, Any] = {"presets": presets, "deviations": note}
    return _method(name, where, paper, role, summary, params=params, minutes=minutes, **fields)


DUQUANT_NOTE = (
    "Follows the released code, since no text of the paper could be had. The mean of the calibration windows "
    "is the residual stream's behind the embedding, as in the code. At 6 bits and more nothing is clipped: "
    "the ratios for these are in no script."
)
COLUMN = "The channel of the largest entry is its column, where the code takes its row (duquant-row)."

SYLVESTER = (
    "Sylvester's Hadamard matrices only: an odd rest of the width is turned by a random orthogonal matrix, "
    "online blocks are the largest power of two that divides. Models with norms behind their maps are "
    "skipped. Nothing is clipped from 6 bits on. Hessians of all maps of a block are taken before any of "
    "them is rounded."
)
AT_ONCE = "Hessians of all maps of a block are taken before any of them is rounded."
PREFIX = (
    "A grid for each token, none fixed beforehand; no training. How many and which tokens is a rule of ours "
    "after the paper's. A text's own BOS is the prefix's. The prefix is context that other methods and the "
    "float model do not have, which lowers perplexity and its ratio to the float model's."
)
EPOCHS = (
    "At small 10 epochs of 8 windows (16 of stories) are 80 (160) steps a block, where the paper's 20 of 128 "
    "windows are 2,560; so rates are ten times the paper's."
)
KEPT = "A block whose training raised its loss keeps its start."

METHODS: list[MethodSpec] = [
    _method("fp", "plain:Float", GPTQ, "ceiling", "the float model, nothing rounded", minutes=3),
    _method("rtn", "plain:Rtn", GPTQ, "baseline", "rounding to the nearest"),
    _method("smoothquant", "plain:SmoothQuant", SMOOTHQUANT, "baseline", "smoothing, then to the nearest"),
    _method(
        *("gptq", "plain:Gptq", GPTQ, "baseline", "weights by GPTQ, the rest to the nearest"),
        minutes=6,
        deviations=AT_ONCE,
    ),
    _duquant("duquant", "paper", "smoothing, rotation, permutation, rotation, in blocks"),
    _duquant("duquant-gptq", "paper", "the same with weights by GPTQ", rounding="gptq"),
    _duquant(
        *("duquant-row", "control", "the same, swapping with the peak's row as the released code does"),
        quirk="row",
    ),
    _duquant(
        *("duquant-released", "control", f"the same in {CODE}"),
        quirk="row",
        peak="range",
        smooth_by="one",
        round_query=True,
        more="Beside the row rule the search looks at ranges, smoothing at the first map of a site, and "
        "queries are rounded.",
    ),
    _duquant("duquant-smooth", "control", "DuQuant's smoothing and clipping alone", chain=""),
    _duquant("duquant-r1", "control", "DuQuant with its first rotation alone", chain="R"),
    _duquant("duquant-r1p", "control", "DuQuant without its second rotation", chain="RP"),
    _duquant(
        *("hadamard-block", "baseline", "DuQuant with one Hadamard rotation in blocks, nothing searched"),
        rotation="hadamard",
        chain="R",
    ),
    _duquant(
        *("massdiff", "baseline", "blocks of equal mass, then a Hadamard rotation in each"),
        rotation="hadamard",
        chain="PR",
        order="massdiff",
        paper=PERMUTED,
        more="Smoothing, clips and the mean over windows are DuQuant's.",
    ),
    _duquant(
        *("duquant-lwc", "paper", "the same with learned clips of the weights"),
        alpha=0.5,
        weight_clip=1.0,
        lwc_epochs=20,
        minutes=30,
        presets={
            "small": {"lwc_epochs": 10, "lwc_lr": 0.1},
            "smoke": {"steps": 8, "lwc_epochs": 1},
        },
        more="At small 10 epochs (20), of 8 or 16 steps each and not of 128, at a rate of 0.1 (0.01): 80 "
        "steps at the published one hardly move a clip from 0.982 to below 0.96.",
    ),
    _method(
        *("quarot", "quarot:QuaRot", QUAROT, "baseline"),
        "Hadamard rotations, most of them folded into the weights, then GPTQ",
        deviations=SYLVESTER,
    ),
    _method(
        *("quarot-rtn", "quarot:QuaRot", QUAROT, "baseline", "QuaRot, rounded to the nearest"),
        params={"rounding": "rtn"},
        deviations=SYLVESTER,
    ),
    _method(
        *("spinquant", "spinquant:SpinQuant", SPINQUANT, "baseline"),
        "QuaRot's rotations, learned where they cost nothing, then GPTQ",
        minutes=30,
        presets={"small": {"iterations": 50, "batch": 4}, "smoke": {"iterations": 2, "batch": 4}},
        deviations=f"{SYLVESTER} At small 50 iterations of 4 windows (100 of 8).",
    ),
    _method(
        *("flatquant", "flatquant:FlatQuant", FLATQUANT, "baseline"),
        "a learned Kronecker product before every map, learned clips, to the nearest",
        minutes=30,
        presets={"small": {"batch": 1, "lr": 0.015}, "smoke": {"epochs": 1}},
        deviations="The factor within a head runs online and is not folded; queries and keys pass a Hadamard "
        "matrix in the place of a learned one. Grids are asymmetric. At small a step has 1 window (4), "
        "so that the 15 epochs have 120 steps (240 of stories; 480 with 128 windows), at 3 times the rate.",
    ),
    _method(
        *("omniquant", "omniquant:OmniQuant", OMNIQUANT, "baseline"),
        "learned scales and learned clips, block by block",
        minutes=30,
        presets={
            "small": {"epochs": 10, "let_lr": 0.05, "lwc_lr": 0.1},
            "smoke": {"epochs": 1, "batch": 4},
        },
        deviations=f"Models like Llama have no shifts. {EPOCHS} {KEPT}",
    ),
    _method(
        *("affinequant", "affinequant:AffineQuant", AFFINEQUANT, "baseline"),
        "learned matrices between values and o, learned scales and clips elsewhere",
        minutes=30,
        presets={
            "small": {"epochs": 10, "let_lr": 0.05, "lwc_lr": 0.1},
            "smoke": {"epochs": 1, "batch": 4},
        },
        deviations="Full matrices behind norms, which run online, only where activations are not rounded, as "
        f"in the released scripts; a projection keeps matrices strictly diagonally dominant. {EPOCHS} {KEPT}",
    ),
    _method(
        *("atom", "mixed:Atom", ATOM, "baseline"),
        "outlier channels in 8 bits, the others in groups, GPTQ",
        minutes=8,
        deviations="At most an eighth of the width are outliers, a power of two; groups are the largest "
        "divisor up to 128 of what is left. Grids are fixed before GPTQ. Outliers are not clipped.",
    ),
    _method(
        *("quik", "mixed:Quik", QUIK, "baseline"),
        "outlier channels in 16 bits, down projections in 8, GPTQ",
        minutes=8,
        deviations="At most an eighth of the width are outliers, a power of two. Keys and values are rounded "
        "to the nearest where the precision asks for it.",
    ),
    _method(
        *("awq", "awq:Awq", AWQ, "baseline"),
        "weights alone: salient channels scaled up, grids clipped",
        deviations="Errors are of the maps that read an activation, over all calibration tokens by their "
        "Hessian; the paper's are of attention and FFN as a whole, over samples.",
    ),
    _method(
        *("prefixquant", "prefix:PrefixQuant", PREFIXQUANT, "baseline"),
        "outlier tokens as a float prefix, QuaRot's rotations, to the nearest",
        deviations=f"{PREFIX} {SYLVESTER}",
    ),
    _method(
        *("prefixquant-plain", "prefix:PrefixQuant", PREFIXQUANT, "control"),
        "outlier tokens as a float prefix, no rotations, to the nearest",
        params={"rotate": False},
        deviations=PREFIX,
    ),
    _method(
        *("qllm", "qllm:Qllm", QLLM, "baseline"),
        "outlier channels split, similar ones merged, to the nearest",
        deviations="Without the paper's low-rank correction of the error. Pairs are taken greedily, each "
        "channel once; theta from eight values by the error of the rounded maps over all calibration tokens, "
        "4,096 of them where there are more.",
    ),
]
