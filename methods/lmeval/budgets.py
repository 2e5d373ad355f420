"""What the competitors on lm-eval tasks were allowed before they were measured: nothing is fitted."""

from __future__ import annotations

from suite.budgets import Budget

BUDGETS = [
    Budget(
        ("unmodified", "uniform-logits", "random-weights"),
        trials=0,
        tuned_on=(),
        note="The model is measured as it is; how its weights were trained is told on the model's card.",
    ),
]
