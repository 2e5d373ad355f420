"""Sequences of instruction tasks, and word-level tasks for function vectors."""

from __future__ import annotations

from suite.data.registry import Entry, File

SAPT = "52a52b920324c656bdb6dac08e43dc600ba22f21"
FUNCTION_VECTORS_REVISION = "fb9eac7b6dc707ea1475a717379916007fe448d5"

FUNCTION_VECTORS = Entry(
    name="function_vectors",
    summary="56 word-level tasks (antonym, capital, translation, choose one of five, ...).",
    files=(
        File(
            "tasks.jsonl.gz",
            "65cf3bd8d01a618fcaa4c5be3ef6b6766cd23c45e05174dc719417c28548f601",
            3573295,
            rows=30743,
        ),
    ),
    licence="MIT",
    citation="Todd et al., Function Vectors in Large Language Models, ICLR 2024",
    source="https://github.com/ericwtodd/function_vectors",
    revision=FUNCTION_VECTORS_REVISION,
    reading="JSON lines: task, kind (abstractive or extractive), input, output.",
    derived=(
        "dataset_files/abstractive and /extractive there, each task sampled to at most 600 rows (seed 0), "
        "written as JSON lines; squad_val.json is left out."
    ),
    papers=("iv", "mt-editing"),
)

SUPERNI = Entry(
    name="superni",
    summary="15 Super-NaturalInstructions tasks, and the long sequence of classification tasks.",
    files=(
        File(
            "superni.jsonl.gz",
            "b7d09ca313fc9dc5061602e555603332bfb7ef7f94ba6ad3d816d6b8a44498cf",
            14629007,
            rows=14135,
        ),
        File(
            "long_sequence.jsonl.gz",
            "a57b68d0e2c3fe552c1816c6b0bc4d9599da4a8c53afecaeba753cc6239bafeb",
            5194394,
            rows=8106,
        ),
    ),
    licence=(
        "none found (SAPT); Super-NaturalInstructions is Apache-2.0; the sets of the long sequence keep "
        "their own terms"
    ),
    citation=(
        "Wang et al., Super-NaturalInstructions, EMNLP 2022; long sequence: Wang et al., Orthogonal Subspace "
        "Learning for Language Model Continual Learning, Findings of EMNLP 2023"
    ),
    source="https://github.com/circle-hit/SAPT",
    revision=SAPT,
    reading=(
        "JSON lines: task, split (train, dev, test), definition, input, output; in superni output is a list "
        "of accepted answers, and dev holds the very rows of test: never choose anything by it."
    ),
    hub="Muennighoff/natural-instructions",
    derived=(
        "CL_Benchmark there. superni: up to 1,000 train and 100 dev or test rows a task; long_sequence: 500 "
        "train and 200 test rows a task, seed 0; inputs cut at 3,000 characters. Absent in it: train of "
        "dbpedia, all of yahoo, test of imdb, multirc and yelp."
    ),
    papers=("iv",),
)

TRACE = Entry(
    name="trace",
    summary="The tasks of TRACE, 500 training rows each, and LIMA for replay.",
    files=(
        File(
            "trace500.jsonl.gz",
            "62fd0973593a24736a11cc257f2ee552bb7af9bb14015d949f255f428d860655",
            7254015,
            rows=5842,
        ),
    ),
    licence="Apache-2.0 (repository); LIMA is CC BY-NC-SA; the eight sets keep their own terms",
    citation=(
        "Wang et al., TRACE: A Comprehensive Benchmark for Continual Learning in Large Language Models, "
        "arXiv 2310.06762, 2023"
    ),
    source="https://github.com/BeyonderXX/TRACE",
    revision="",
    reading=(
        "JSON lines: task, split (train, eval, test), prompt, answer. Splits share prompts: eval and test "
        "are the same in Lima and share 16 in FOMC; train and test share 6 in NumGLUE-ds, 3 in Py150, 1 in "
        "FOMC."
    ),
    derived=(
        "The archive that the repository's README links (a file-sharing site): 500 train and 100 eval and "
        "test rows a task (fewer where it has fewer: NumGLUE-cm 41 and 81, MeetingBank 40 each; Lima 300 "
        "each). Which state of it was taken was not noted."
    ),
    papers=("iv",),
)

TRACE_ARCHIVE = Entry(
    name="trace-benchmark",
    summary="The eight tasks of TRACE whole, 5,000 training rows each.",
    files=tuple(
        File(f"{task}/{split}.json", None, None)
        for task in (
            *("C-STANCE", "FOMC", "MeetingBank", "Py150"),
            *("ScienceQA", "NumGLUE-cm", "NumGLUE-ds", "20Minuten"),
        )
        for split in ("train", "eval", "test")
    ),
    licence="not looked up",
    citation=TRACE.citation,
    source="https://github.com/BeyonderXX/TRACE",
    revision="",
    reading="JSON: a list of objects with prompt and answer.",
    derived="The archive that the repository's README links (a file-sharing site), unpacked.",
    papers=("iv",),
    checked=False,
)
