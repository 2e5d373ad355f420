"""What each competitor was allowed before it was measured."""

from __future__ import annotations

from suite.budgets import Budget

LOOKED = ("cldyb-joint dev",)
NOTE = "Rates, epochs and strengths of small: by validation pictures of two random sequences, one seed."
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
        (
            "slca",
            "l2p",
            "dualprompt",
            "coda-prompt",
            "hide-prompt",
            "pgp",
            "lae",
            "ease",
            "mos",
            "inflora",
            "seqlora",
        ),
        profiles=("small",),
        trials=0,
        tuned_on=(),
        note="Sizes of small were chosen by what they cost; no setting was compared with another.",
        source=SOURCE,
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
