"""Continual learning on task sequences that an adversary finds: the task half of the family card."""

from __future__ import annotations

from typing import Any

from suite.api import Paper, TaskSpec
from tasks.cldyb.scores import COST, GAPS, MATRIX, OF_A_SEQUENCE, SEARCH
from tasks.cldyb.search_task import SEARCHED

CLDYB = Paper(
    "CLDyB: Towards Dynamic Benchmarking for Continual Learning with Pre-trained Models",
    2025,
    "https://arxiv.org/abs/2503.04655",
)
UNKNOWN = (
    "The paper's constants, pool and sequences could not be obtained: the procedure is the paper's as far as "
    "its abstract, a caption and its reviews tell it, every size and constant is this suite's own."
)
DEVICES = ("cpu",)
"""Learners keep their features, heads and pictures there."""
RULES = (
    "Class-incremental: every task brings new classes, no task is told at test, the answer is one of all "
    "classes seen so far. Each class has train, val and test pictures; adversaries see val, scores are of "
    "test. Learners that read features have a frozen backbone; others train a copy of it."
)
POOL = (
    "At small 38 classes that vit-32-clean, a small ViT, was not trained on, at 32 x 32 pixels: of "
    "CIFAR-10, PACS, flowers, Fashion-MNIST, signed digits, MNIST and notMNIST; up to 40 training pictures a "
    "class, and 20 to 40 for adversaries, which rules out traffic signs and Omniglot. At smoke the digits of "
    "scikit-learn. At paper all classes at 224 pixels under ViT-B/16, whose training may have had some of "
    "them; the paper's pool of public sets is not rebuilt."
)
RANDOM = "Compared with five random sequences of the same pool, the same for every learner."
AGAINST = (
    "The adversary searches by Monte-Carlo tree search over tasks that greedy sampling proposes and "
    "clustering thins out; its return is 1 less the final accuracy on val, mean over learners."
)

SMALL: dict[str, Any] = {
    "base_model": "vit-32-clean",
    "px": 32,
    "most": 12,
    "least": 20,
    "unseen_by": "vit-32-clean",
    "train": 40,
    "val": 40,
    "test": 60,
    "size": 5,
    "horizon": 5,
}
SMOKE: dict[str, Any] = {
    "base_model": "vit-32-clean",
    "pool": "digits",
    "sources": "digits",
    "px": 32,
    "train": 12,
    "val": 8,
    "test": 12,
    "size": 2,
    "horizon": 3,
}
IMAGES = tuple(
    f"images/{name}.parquet"
    for name in (
        *("cifar10", "pacs", "flowers5", "fashion_mnist_sprite", "gtsrb", "signdigits", "mnist", "notmnist"),
        "omniglot_small",
    )
)
JOINT = "joint-real-0@b1ad4299f4dd,joint-real-1@21b623cf8a47,joint-real-2@1c31d01f4b08"
JOINT_SMOKE = "joint-digits-0@f918dc40c4e9"
"""Found by `python -m tasks.cldyb.emit`, see docs/cldyb.md."""


def _task(name: str, where: str, summary: str, protocol: str, metrics: Any, **more: Any) -> TaskSpec:
    presets = more.pop("presets", {"smoke": SMOKE, "small": SMALL})
    fields: dict[str, Any] = {"data": IMAGES} | more
    return TaskSpec(
        name=name,
        family="cldyb",
        summary=summary,
        where=f"tasks.cldyb.{where}",
        paper=CLDYB,
        metrics=metrics,
        primary="final_accuracy",
        protocol=f"{protocol} {RULES} {POOL} {UNKNOWN}",
        presets=presets,
        nulls=("majority", "chance"),
        **fields,
    )


def _published(name: str, part: str, summary: str, protocol: str) -> TaskSpec:
    return _task(
        name,
        "task:PublishedTask",
        summary,
        f"{protocol} {AGAINST} {RANDOM}",
        (*OF_A_SEQUENCE, *GAPS, *COST, MATRIX),
        params={"part": part},
        presets={"smoke": {**SMOKE, "found": JOINT_SMOKE}, "small": {**SMALL, "found": JOINT}},
    )


TASKS: list[TaskSpec] = [
    _published(
        "cldyb-joint",
        "joint",
        "sequences found against several learners at once, for these learners",
        "Three sequences, each found under another seed against the same set of learners.",
    ),
    _published(
        "cldyb-transfer",
        "transfer",
        "the same sequences for learners that the search never saw",
        "The sequences of cldyb-joint, for held-out learners.",
    ),
    _task(
        "cldyb-separate",
        "task:SeparateTask",
        "a sequence found against the learner itself",
        f"A search against this learner alone, then this learner anew on what was found. {AGAINST} {RANDOM}",
        (*OF_A_SEQUENCE, *GAPS, *SEARCH, *COST, MATRIX),
        presets={
            "smoke": {**SMOKE, "simulations": 12},
            "small": {**SMALL, "simulations": 1200, "training_seeds": 3},
        },
    ),
    _task(
        "cl-static",
        "task:StaticTask",
        "fixed sequences, as static benchmarks have them",
        "Three fixed sequences in which every task is of one domain.",
        (*OF_A_SEQUENCE, *COST, MATRIX),
    ),
    _task(
        "cl-static-contaminated",
        "task:StaticTask",
        "the sequences of cl-static under a backbone that was trained on their classes",
        "The sequences and pictures of cl-static; at small the base model is vit-32-contaminated, the same "
        "small ViT trained on training pictures of every class, those of the pool among them. It had as many "
        "steps for twice as many pictures, so that the difference to cl-static is of both. Test pictures "
        "were in no training.",
        (*OF_A_SEQUENCE, *COST, MATRIX),
        presets={
            "smoke": {**SMOKE, "base_model": "vit-32-contaminated"},
            "small": {**SMALL, "base_model": "vit-32-contaminated"},
        },
    ),
    _published(
        "cldyb-seq",
        "any",
        "published sequences, or one of a file, for any learner",
        "The published sequences, or those that are given: suite run --sequence FILE.",
    ),
    TaskSpec(
        name="cldyb-search",
        family="cldyb",
        summary="adversaries on frozen oracles: the return found for a budget",
        where="tasks.cldyb.search_task:SearchTask",
        paper=CLDYB,
        metrics=SEARCHED,
        primary="closeness",
        protocol=(
            "Decision problems of which every sequence is known. The headline is a recorded one: what real "
            "learners did on every sequence of a few tasks of the pool. Others are drawn anew for each "
            "search: a trap that a greedy choice walks into, accuracies that are independent of each other, "
            "tasks that share classes. closeness is 0 for the mean of all sequences and 1 for the best one; "
            "slices give oracles and budgets. A budget is a number of simulated sequences; what it costs in "
            f"trainings is edges. {UNKNOWN}"
        ),
        presets={
            "smoke": {"recorded": "digits", "drawn": "trap", "repeats": 5, "budgets": "12,24", "headline": 24}
        },
        nulls=("random-tasks",),
        ceiling="brute-force",
    ),
]
