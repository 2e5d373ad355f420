"""What the competitors in compositional generalization were allowed before they were measured.

Each is named, so that one added later shows as not declared until its author declares it.
"""

from __future__ import annotations

from suite.budgets import Budget

TRAINED = (
    *("lstm", "transformer", "geca", "lexsym", "prim2primx", "met", "prim2primx-met"),
    *("compsub", "compsub-strict", "rands2", "lcs", "compsub-lcs"),
)
COMMON = ("scan-jump dev", "scan-jump test")
SOURCE = "docs/results.md"
NOTE = (
    "The common sizes were chosen on scan-jump with the plain parsers and with a complete augmentation, "
    "looking at dev and at test; how many were tried is not on record."
)
LEXLEARN = (
    "The common sizes, chosen as for the other trained methods. For LexLearn alone, 1.5 times the steps with "
    "dropout 0.3 were tried on scan-jump with one seed, and not kept."
)

BUDGETS = [
    Budget(TRAINED, profiles=("small",), trials=0, tuned_on=COMMON, note=NOTE, source=SOURCE),
    Budget(("lexlearn",), profiles=("small",), trials=1, tuned_on=COMMON, note=LEXLEARN, source=SOURCE),
    Budget(("nearest", "interpreter"), trials=0, tuned_on=(), note="There is nothing to tune."),
]
