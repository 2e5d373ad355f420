"""The settings of the tree search; none of the paper's own could be obtained, all are this suite's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from suite.errors import UsageError

Reuse = Literal["never", "whole", "always"]


@dataclass(frozen=True)
class SearchSettings:
    """simulations: for every real step, 4 for each proposed task where neither it nor `total` is given;
    total: for the whole sequence instead, shared out equally over the steps that are left.

    depth: actions looked ahead from the root at most. 1 is reward only, which is greedy.
    exploration: c of UCT. scale: returns are divided by it in UCT; None for the spread of the returns seen
    from the root. gamma: discount. backup: what UCT exploits, a node's mean return or its largest.
    commit: the child taken for real has most visits (ties: higher mean) or the largest return (ties: more
    visits); last tie: the lowest task. quantile: which of the children in that order, 1 for this one, 0 for
    the last: easier sequences than the hardest. dynamic: tasks are proposed anew at every node; else once
    for each real step and used below it.
    reuse: keep the subtree of the task taken. whole: only where its returns reach to the end of the sequence;
    returns cut at different depths are not comparable.
    visit_all: roll-outs join the tree, and no subtree is entered again once it is fully explored: as many
    simulations as leaves see them all (goes with commit = max).
    """

    simulations: int | None = None
    total: int | None = None
    depth: int = 3
    exploration: float = math.sqrt(2)
    scale: float | None = None
    gamma: float = 1.0
    backup: Literal["mean", "max"] = "mean"
    commit: Literal["visits", "max"] = "visits"
    quantile: float = 1.0
    dynamic: bool = False
    reuse: Reuse = "whole"
    visit_all: bool = False

    def __post_init__(self) -> None:
        if self.simulations is not None and self.total is not None:
            raise UsageError("search: give simulations for each step or in total, not both")
        for name in ("simulations", "total", "depth"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"search: {name} must be at least 1, not {value}")
        if not (0 <= self.exploration < math.inf and 0 <= self.gamma <= 1 and 0 <= self.quantile <= 1):
            raise UsageError("search: exploration at least 0 and finite, gamma and quantile in [0, 1]")
        if self.scale is not None and not 0 < self.scale < math.inf:
            raise UsageError(f"search: scale must be positive, not {self.scale}")
        if self.backup not in ("mean", "max") or self.commit not in ("visits", "max"):
            raise UsageError("search: backup is 'mean' or 'max', commit is 'visits' or 'max'")
        if self.reuse not in get_args(Reuse):
            raise UsageError(f"search: reuse is one of {', '.join(get_args(Reuse))}, not '{self.reuse}'")
        if self.visit_all and (self.commit != "max" or self.reuse == "always"):
            raise UsageError("search: visit_all needs commit = max, and reuse = never or whole")
