"""Claims on dynamic continual-learning benchmarks, in words of this project.

The paper's tables could not be obtained: these are the statements of its abstract and of its reviews.
"""

from __future__ import annotations

from suite.api import Paper
from suite.claims import AnyClaim, Audit, Bound, Claim, Published, Ranking

CLDYB = Paper(
    "CLDyB: Towards Dynamic Benchmarking for Continual Learning with Pre-trained Models",
    2025,
    "https://arxiv.org/abs/2503.04655",
)
JOINT = ("ranpac", "slda", "er", "derpp")
HELD_OUT = ("simplecil", "fecam", "clser", "lwf", "ewc")
BOTH = (*JOINT, *HELD_OUT)
RANKED = (*BOTH, "afec", "finetune", "mas")
"""Learners of frozen features; neither controls nor floors."""
OURS = "not in the paper: asked here"


def harder(name: str, task: str, method: str, statement: str, where: str = "abstract") -> Bound:
    """The learner's final accuracy is lower on found sequences than on random ones."""
    return Bound(
        id=name,
        paper=CLDYB,
        where=where,
        statement=statement,
        tasks=(task,),
        metric="gap",
        method=method,
        relation="at least",
        value=0.0,
        note="Mean of five random sequences less the mean of those found. The verdict is over seeds of "
        "training on the same sequences; how far sequences vary is in gap_lo and gap_hi.",
    )


CLAIMS: list[AnyClaim] = [
    *(
        harder(
            f"joint-harder-{method}",
            "cldyb-joint",
            method,
            f"Sequences found against learners that {method} is one of are harder for it than random ones.",
        )
        for method in JOINT
    ),
    *(
        harder(
            f"transfer-harder-{method}",
            "cldyb-transfer",
            method,
            f"Sequences found against others are harder than random ones for {method}, which was held out.",
        )
        for method in HELD_OUT
    ),
    *(
        harder(
            f"separate-harder-{method}",
            "cldyb-separate",
            method,
            f"A search against {method} alone exposes sequences that are harder for it than random ones.",
        )
        for method in BOTH
    ),
    Ranking(
        id="ranking-changes",
        paper=CLDYB,
        where="abstract, as asked here",
        statement="Rankings change: found sequences agree less with static ones than random sequences do.",
        reference="cl-static",
        tasks=("cldyb-joint", "cldyb-transfer"),
        metric="final_accuracy",
        methods=RANKED,
        slice="found",
        control="random",
        note="Random sequences are the control, since a ranking also changes with the draw of the tasks. "
        "Seeds are of training; sequences are the same.",
    ),
    Claim(
        id="tree-search-beats-restarts",
        paper=CLDYB,
        where=OURS,
        statement="For as many simulations, tree search finds harder sequences than random restarts.",
        tasks=("cldyb-search",),
        metric="closeness",
        better="mcts",
        worse=("random-restarts",),
    ),
    Claim(
        id="tree-search-beats-greedy",
        paper=CLDYB,
        where=OURS,
        statement="Looking ahead finds harder sequences than taking the hardest next task.",
        tasks=("cldyb-search",),
        metric="closeness",
        better="mcts",
        worse=("greedy",),
    ),
]

PUBLISHED: list[Published] = []

AUDITS: list[Audit] = [
    Audit(
        paper=CLDYB,
        text="The repository holds a README; neither code nor sequences nor the constants of the search were "
        "public, so that the procedure is rebuilt from the abstract, a caption and the reviews.",
        source="github.com/szc12153/CLDyB, as of April 2025",
        by="this project, which looked",
    ),
    Audit(
        paper=CLDYB,
        text="Sequences are found on validation pictures and scored on test pictures here. With one split "
        "for both, a search would also be rewarded for the noise of the pictures that it is scored on.",
        source="tasks/cldyb/stage.py",
        by="this project: a choice, the paper's handling is unknown",
    ),
]
