"""Gradients of a head, against autograd and by hand, and the adversary that goes by them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from methods.cldyb.er import ER
from methods.cldyb.gradient_adversary import GradientHard
from methods.cldyb.ranpac import RanPAC
from suite.errors import Skip
from tasks.cldyb.actions import Reduction
from tasks.cldyb.mdp import Ledger
from tasks.cldyb.opposition import head_gradient, opposition
from tasks.cldyb.stage import SUPPORT, Stage
from tasks.cldyb.tabular import Tabular, trap


@pytest.mark.parametrize("extra", [0, 2])
def test_the_gradient_is_that_of_autograd_for_a_linear_head(extra: int) -> None:
    draw = torch.Generator().manual_seed(1)
    h = torch.randn((7, 4), generator=draw, dtype=torch.float64)
    old = torch.randn((3, 4), generator=draw, dtype=torch.float64)
    head = torch.cat([old, torch.zeros(extra, 4, dtype=torch.float64)]).requires_grad_(True)
    y = torch.tensor([0, 2, 1, 1, 2, 0, 2 + extra])
    (truth,) = torch.autograd.grad(F.cross_entropy(h @ head.T, y), head)
    torch.testing.assert_close(head_gradient(h, h @ old.T, y, extra), truth)


def test_opposition_by_hand() -> None:
    a, b = torch.tensor([[3.0, 0.0], [0.0, 4.0]]), torch.tensor([[0.0, 1.0], [0.0, -1.0]])
    assert opposition(a, b) == pytest.approx(4 / (5 * math.sqrt(2)))
    assert opposition(a, a) == pytest.approx(-1.0) and opposition(a, -2 * a) == pytest.approx(1.0)
    assert opposition(a, torch.zeros(2, 2)) == 0.0


def test_a_task_like_an_old_one_is_opposed_and_one_apart_is_not() -> None:
    # One old class at (1, 0), its logit the first feature; a new class at the same place, or across it.
    old, y = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
    new = torch.tensor([1])
    before = head_gradient(old, old[:, :1], y, 1)
    alike = head_gradient(old, old[:, :1], new, 1)
    across = head_gradient(torch.tensor([[0.0, 1.0]]), torch.zeros(1, 1), new, 1)
    assert opposition(before, alike) == pytest.approx(1.0)
    assert opposition(before, across) == 0.0


def test_a_step_down_the_tasks_gradient_raises_the_old_loss_by_their_inner_product() -> None:
    rng = np.random.default_rng(2)
    h, new = (torch.from_numpy(rng.normal(size=(12, 5))) for _ in range(2))
    head = torch.cat([torch.from_numpy(rng.normal(size=(3, 5))), torch.zeros(2, 5).double()])
    y, t = torch.from_numpy(rng.integers(0, 3, 12)), torch.from_numpy(rng.integers(3, 5, 12))
    a, b = head_gradient(h, h @ head[:3].T, y, 2), head_gradient(new, new @ head[:3].T, t, 2)
    step = 1e-6
    moved = F.cross_entropy(h @ (head - step * b).T, y) - F.cross_entropy(h @ head.T, y)
    assert float(moved) / step == pytest.approx(-float((a * b).sum()), rel=1e-3)


def test_the_problem_of_real_learners_tells_it_and_nothing_more_is_learned(stage: Stage) -> None:
    learners = {
        "ranpac": RanPAC(dim=20, ridge=1.0),
        "er": ER(exemplars=10, replay=4, epochs=1, batch=8, lr=0.05),
    }
    memo = stage.memo(learners, 3)
    problem = stage.problem(memo, Reduction(2, 12, 4), 3, dict.fromkeys(learners, "features"))
    first, then = (0, 3), (1, 4)
    assert problem.opposition((), then) == 0.0
    found = problem.opposition((first,), then)
    values = []
    for name in learners:
        learner = memo.at(name, (first,))
        x, y = zip(
            *[(torch.from_numpy(stage.features.train[c][:SUPPORT]), c) for c in (*first, *then)], strict=True
        )
        columns = [
            torch.full((len(part),), (*learner.seen, *then).index(c)) for part, c in zip(x, y, strict=True)
        ]
        grads = []
        for part in (slice(0, 2), slice(2, 4)):
            h, place = torch.cat(x[part]), torch.cat(columns[part])
            z = torch.cat([learner.logits(h).double(), torch.zeros(len(h), 2).double()], 1)
            head = torch.zeros(4, h.shape[1], dtype=torch.float64, requires_grad=True)
            loss = F.cross_entropy(z + h.double() @ head.T, place)
            grads.append(torch.autograd.grad(loss, head)[0].flatten())
        values.append(-float(F.cosine_similarity(*grads, dim=0)))
    assert found == pytest.approx(np.mean(values), abs=1e-12)
    assert memo.trainings == 2
    path = GradientHard().find(Ledger(problem), 0)
    assert memo.trainings <= 2 + 2 * 3 and len(path.tasks) == 3


def test_the_adversary_takes_the_most_opposed_and_skips_where_nothing_is_known() -> None:
    class Told(Tabular):
        def opposition(self, history, action):
            return (3 * action[0] + 2 + len(history)) % 5 / 5

    plain = trap()
    ledger = Ledger(Told(plain.tasks, plain.horizon, plain.table))
    # 3 t + 2 mod 5 of tasks 0..4: 2 0 3 1 4; plus 1: 3 1 4 2 0; plus 2: 4 2 0 3 1.
    assert GradientHard().find(ledger, 0).tasks == ((4,), (2,), (0,)) and ledger.edges == 3
    with pytest.raises(Skip):
        GradientHard().find(plain, 0)
