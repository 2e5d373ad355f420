"""What each competitor was allowed before it was measured."""

from __future__ import annotations

from suite.budgets import Budget

LOOKED = ("cldyb-joint dev",)
NOTE = "Rates, epochs and strengths of small: by validation pictures of two random sequences, one seed."
COSTS = "Sizes of small were chosen by what they cost."
RATE = (
    "Another rate was tried after test scores of cl-static had been seen to be low; it was judged by "
    "validation pictures of the first three tasks of two random sequences."
)
SOURCE = "methods/cldyb/__init__.py"


def _tried(trials: int, *methods: str) -> Budget:
    return Budget(methods, profiles=("small",), trials=trials, tuned_on=LOOKED, note=NOTE, source=SOURCE)


BUDGETS = [
    Budget(
        ("simplecil", "slda", "fecam", "chance", "majority", "nearest-example"),
        trials=0,
        tuned_on=(),
        note="Nothing to choose, or the paper's values.",
        source=SOURCE,
    ),
    Budget(
        ("slca", "hide-prompt", "pgp"),
        profiles=("small",),
        trials=0,
        tuned_on=(),
        note=COSTS,
        source=SOURCE,
    ),
    Budget(
        ("ease",),
        profiles=("small",),
        trials=2,
        tuned_on=LOOKED,
        note=f"{COSTS} Ten and forty times the published rate were tried, after rows of three seeds were "
        "seen to be alike, on validation pictures of the first three tasks of two random sequences: no "
        "better.",
        source=SOURCE,
    ),
    Budget(
        ("mos",),
        profiles=("small",),
        trials=1,
        tuned_on=LOOKED,
        note=f"{COSTS} Three times the published rate was tried on the same pictures as for EASE: no better.",
        source=SOURCE,
    ),
    *(
        Budget(
            (name,),
            profiles=("small",),
            trials=trials,
            tuned_on=LOOKED,
            note=f"{COSTS} {RATE}",
            source=SOURCE,
        )
        for name, trials in (
            ("l2p", 2),
            ("dualprompt", 1),
            ("coda-prompt", 1),
            ("lae", 2),
            ("inflora", 1),
            ("seqlora", 2),
        )
    ),
    Budget(
        (
            "mcts*",
            "random-*",
            "greedy",
            "flat-monte-carlo",
            "ncm-hard",
            "gradient-proxy",
            "beam",
            "annealing",
            "brute-force",
        ),
        trials=0,
        tuned_on=(),
        note="Defaults; nothing was chosen on the oracles.",
        source="tasks/cldyb/search_settings.py",
    ),
    _tried(3, "ranpac"),
    _tried(11, "finetune"),
    _tried(13, "joint"),
    _tried(7, "er", "derpp"),
    _tried(6, "clser"),
    _tried(15, "ewc"),
    _tried(10, "mas", "lwf"),
    _tried(5, "afec"),
]
