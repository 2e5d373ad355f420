"""What each competitor was allowed before it was measured."""

from __future__ import annotations

from suite.budgets import Budget

SOURCE = "methods/vit_editing/__init__.py"
DEV = ("vit-edit-natural dev",)
ROTATED = (
    "By the GR at an LR of 80 % of 36 edits of rotated pictures (task.subset=rotation), which no task has, "
    "of the same held-out pictures and classifier."
)
HAND = " Before that a few settings by hand on digits, not counted."

BUDGETS = [
    Budget(("identity", "relabel"), trials=0, tuned_on=(), note="Nothing to choose.", source=SOURCE),
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
        ("where-to-edit", "oracle-mask"),
        profiles=("small",),
        trials=14,
        tuned_on=DEV,
        note="Rate and stop of the others; changes of the search's rate and price, by one batch of pairs and "
        "by few edits. The price is the paper's in the end.",
        source=SOURCE,
    ),
    *(
        Budget(
            (name,),
            profiles=("small",),
            trials=trials,
            tuned_on=DEV,
            note=f"{ROTATED}{more}",
            source=SOURCE,
        )
        for name, trials, more in (
            ("ft-all", 4, " The paper's rate: higher ones answer everything with the edit's class."),
            ("head-only", 6, ""),
            ("lora", 11, HAND),
            ("kn", 9, HAND),
            ("rome", 8, HAND),
            ("mend", 12, HAND),
            ("ke", 10, HAND),
            ("t-patcher", 8, HAND),
            ("grace", 10, HAND),
        )
    ),
]
