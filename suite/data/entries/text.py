"""Plain text for language models, grade-school mathematics, and prompted question answering."""

from __future__ import annotations

from suite.data.registry import Entry, File

GSM8K_REVISION = "3101c7d5072418e28b9008a6636bde82a006892c"
GSM8K_RAW = f"https://raw.githubusercontent.com/openai/grade-school-math/{GSM8K_REVISION}"
WIKITEXT_REVISION = "77f55b912142e11fcfdf5b530231fb9c52f181e8"
WIKITEXT_RAW = (
    f"https://raw.githubusercontent.com/pytorch/examples/{WIKITEXT_REVISION}"
    "/word_language_model/data/wikitext-2"
)
SELF_INSTRUCT_REVISION = "0b26ccaa415992100fa32df62d41b994cf928e23"

GSM8K_FILES: tuple[tuple[str, str, int, int], ...] = (
    ("train", "17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465", 4166206, 7473),
    ("test", "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14", 749738, 1319),
)

GSM8K = Entry(
    name="gsm8k",
    summary="Grade-school word problems with worked answers, and preference pairs on test questions.",
    files=(
        *(
            File(
                f"{name}.jsonl.gz",
                sha256,
                size,
                f"{GSM8K_RAW}/grade_school_math/data/{name}.jsonl",
                rows=rows,
            )
            for name, sha256, size, rows in GSM8K_FILES
        ),
        File(
            "preference_pairs.jsonl.gz",
            "2e1c4df3460f943cb5c4b2225ce2dff97585f43f968a8fc3fdbd4da2329f0eb8",
            1124358,
            rows=1163,
        ),
    ),
    licence="MIT",
    citation="Cobbe et al., Training Verifiers to Solve Math Word Problems, arXiv 2110.14168, 2021",
    source="https://github.com/openai/grade-school-math",
    revision=GSM8K_REVISION,
    reading=(
        "JSON lines: question, answer (the result after '####'). preference_pairs: prompt, chosen, rejected, "
        "chosen_from, rejected_from; its questions are TEST questions: never train on them and then score on "
        "test."
    ),
    hub="openai/gsm8k",
    derived=(
        "preference_pairs: from example_model_solutions.jsonl of the same folder; chosen is a sampled "
        "solution marked correct (else the ground truth), rejected one marked wrong."
    ),
    papers=("cream", "copra"),
)

WIKITEXT: tuple[tuple[str, str, int, int], ...] = (
    ("test", "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0", 1256449, 4358),
    ("valid", "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8", 1121681, 3760),
)

LMTEXT = Entry(
    name="lmtext",
    summary="WikiText-2 validation and test (tokenised form) and a stand-in for C4 of mixed documents.",
    files=(
        *(
            File(f"wikitext2_{name}.txt.gz", sha256, size, f"{WIKITEXT_RAW}/{name}.txt", rows=rows)
            for name, sha256, size, rows in WIKITEXT
        ),
        File(
            "mixed_web_docs.jsonl.gz",
            "1a6d79d80cd5aff21cf141c15ac89717c711c47be554a35a8962e5b016332342",
            2048808,
            rows=1241,
            origin=f"https://github.com/yizhongw/self-instruct at {SELF_INSTRUCT_REVISION}, T0 samples",
            licence="Apache-2.0 (repository); the underlying sets keep their own terms",
        ),
    ),
    licence="CC BY-SA 3.0 (WikiText); mixed_web_docs says its own",
    citation=(
        "Merity et al., Pointer Sentinel Mixture Models, ICLR 2017; mixed_web_docs: Sanh et al., Multitask "
        "Prompted Training Enables Zero-Shot Task Generalization, ICLR 2022, as kept by Wang et al., "
        "Self-Instruct, ACL 2023"
    ),
    source="https://github.com/pytorch/examples",
    revision=WIKITEXT_REVISION,
    reading=(
        "wikitext2_*: lines of tokens with <unk>; no training file. mixed_web_docs: JSON lines with text "
        "and source; not C4: each text keeps a short prompt line."
    ),
    derived=(
        "mixed_web_docs: 1,241 documents (news, reviews, dialogue, biography) of the T0 training samples, "
        "their first 4,000 characters."
    ),
    papers=("duquant",),
)

QA_T0 = Entry(
    name="qa_t0",
    summary="38 prompted tasks (question answering, classification, summaries) and instruction seeds.",
    files=(
        File(
            "t0_tasks.jsonl.gz",
            "c57423e0c54b44954f4ffbfb55e93f50068abc6c4ab4989795d7bf0db920551f",
            4812264,
            rows=7491,
        ),
        File(
            "self_instruct_seed_tasks.jsonl.gz",
            "7779004fa198fdf27cf70a159363879d8a26c53329e11b436af17b3941875f48",
            110934,
            rows=175,
        ),
        File(
            "user_oriented_instructions.jsonl.gz",
            "81d60a117db495cecedecd9193504fd07c5b5a42f6699ef6b0f9da10fc22f42e",
            170193,
            rows=252,
        ),
    ),
    licence="Apache-2.0 (repository); the underlying sets keep their own terms",
    citation=(
        "Sanh et al., Multitask Prompted Training Enables Zero-Shot Task Generalization, ICLR 2022; Wang et "
        "al., Self-Instruct: Aligning Language Models with Self-Generated Instructions, ACL 2023"
    ),
    source="https://github.com/yizhongw/self-instruct",
    revision=SELF_INSTRUCT_REVISION,
    reading=(
        "JSON lines. t0_tasks: task, prompt, completion, all of TRAINING splits. The other two: id, "
        "instruction, instances (a list of input and output); seed tasks also name, is_classification."
    ),
    hub="bigscience/P3",
    derived=(
        "t0_tasks: about 200 rows each of 38 files of data/finetuning/t0_train_50k/data_per_template/, "
        "prompts cut at 4,000 characters, '<|endoftext|>' dropped. The other two are the repository's seed "
        "tasks and user-oriented instructions; their path there was not noted."
    ),
    papers=("cream", "iv"),
)
