"""What each competitor was allowed before it was measured."""

from __future__ import annotations

from suite.budgets import Budget

SOURCE = "methods/vit_editing/__init__.py"
DEV = ("vit-edit-natural dev",)
ROTATED = (
    "By the GR at an LR of 80 % of 36 edits of rotated pictures (task.subset=rotation), which no task has, "
    "of the same held-out pictures and classifier."
)

BUDGETS = [
    Budget(
        ("identity", "relabel", "head-only"), trials=0, tuned_on=(), note="Nothing chosen.", source=SOURCE
    ),
    Budget(
        (
            *("ft", "ft-l1", "ft-l2", "ft-block-early", "ft-block-late"),
            *("random-mask", "gradient-mask", "spt"),
        ),
        profiles=("small",),
        trials=11,
        tuned_on=DEV,
        note=f"One rate of four and one stop of three for all that descend alike. {ROTATED} A first choice "
        "of three rates, by six natural failures, was given up.",
        source=SOURCE,
    ),
    Budget(
        ("ft-all",),
        profiles=("small",),
        trials=2,
        tuned_on=DEV,
        note=f"The rate of the others: a lower one was no better. {ROTATED}",
        source=SOURCE,
    ),
    Budget(
        ("where-to-edit", "oracle-mask"),
        profiles=("small",),
        trials=12,
        tuned_on=DEV,
        note="Rate and stop of the others; one change of the search's rate and price, by one batch of pairs.",
        source=SOURCE,
    ),
    *(
        Budget(
            (name,),
            profiles=("small",),
            trials=trials,
            tuned_on=DEV,
            note=f"{ROTATED} Before that a few settings by hand on digits, not counted.",
            source=SOURCE,
        )
        for name, trials in (
            ("lora", 2),
            ("kn", 5),
            ("rome", 5),
            ("mend", 2),
            ("ke", 2),
            ("t-patcher", 3),
            ("grace", 2),
        )
    ),
]
