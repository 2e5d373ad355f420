"""What each competitor was allowed before it was measured."""

from __future__ import annotations

from suite.budgets import Budget

SOURCE = "methods/vit_editing/__init__.py"
DIGITS = ("vit-edit-natural dev",)

BUDGETS = [
    Budget(("identity", "head-only", "ft-all"), trials=0, tuned_on=(), note="Nothing chosen.", source=SOURCE),
    Budget(
        (
            *("ft", "ft-l1", "ft-l2", "ft-block-early", "ft-block-late"),
            *("random-mask", "gradient-mask", "spt"),
        ),
        profiles=("small",),
        trials=3,
        tuned_on=("vit-edit-natural test",),
        note="One rate of three for all that descend alike, by six edits of the natural failures.",
        source=SOURCE,
    ),
    Budget(
        ("where-to-edit", "oracle-mask"),
        profiles=("small",),
        trials=4,
        tuned_on=("vit-edit-natural test",),
        note="The rate of the others, and one change of the search's rate and price, by one batch of pairs.",
        source=SOURCE,
    ),
    Budget(
        ("lora", "kn", "rome", "mend", "ke", "t-patcher", "grace"),
        profiles=("small",),
        tuned_on=DIGITS,
        note="A few settings by hand on digits; how many was not counted. None was looked at on CIFAR-10.",
        source=SOURCE,
    ),
]
