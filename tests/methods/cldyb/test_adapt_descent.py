"""Steps and rates against torch's own optimisers and schedules."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from methods.cldyb.adapt_descent import Descent, share


@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_steps_are_torchs_for_every_group(rule: Any) -> None:
    """One parameter joins after three steps, another is never reached; the rate changes on the way."""
    start = [torch.randn(3, generator=torch.Generator().manual_seed(i)) for i in range(4)]
    mine, theirs = ([nn.Parameter(p.clone()) for p in start] for _ in range(2))
    ours = Descent([(mine[:2], 1.0), (mine[2:], 0.1)], 0.05, rule, 0.9, 0.01)
    groups = [{"params": theirs[:2], "lr": 0.05}, {"params": theirs[2:], "lr": 0.005}]
    torchs: Any = torch.optim.SGD(groups, momentum=0.9, weight_decay=0.01)
    if rule == "adam":
        torchs = torch.optim.Adam(groups, weight_decay=0.01)
    for step in range(6):
        ours.lr = 0.05 / (1 + step)
        for group, factor in zip(torchs.param_groups, (1.0, 0.1), strict=True):
            group["lr"] = ours.lr * factor
        for params in (mine, theirs):
            params[1].requires_grad_(step >= 3)
        ours.step(sum((p.sin() * (i + 1)).sum() for i, p in enumerate(mine[:3])))
        torchs.zero_grad()
        sum((p.sin() * (i + 1)).sum() for i, p in enumerate(theirs[:3])).backward()
        torchs.step()
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert torch.equal(mine[3], start[3]) and not torch.equal(mine[1], start[1])


def test_adam_by_hand() -> None:
    """The first step is the rate times the sign of the gradient."""
    p = nn.Parameter(torch.tensor([1.0, -2.0]))
    Descent([([p], 1.0)], 0.1, "adam").step((p * torch.tensor([3.0, -0.5])).sum())
    assert p.tolist() == pytest.approx([0.9, -1.9], rel=1e-6)


def test_schedules() -> None:
    assert [share("constant", e, 5) for e in range(5)] == [1.0] * 5
    assert [share("cosine", e, 4) for e in range(4)] == pytest.approx(
        [1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2]
    )
    assert [share("coda", e, 3) for e in range(3)] == pytest.approx(
        [1, math.cos(0.2475 * math.pi), math.cos(0.495 * math.pi)]
    )
    assert share("coda", 0, 1) == 1.0
