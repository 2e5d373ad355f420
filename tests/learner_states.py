"""What every continual learner promises of its state, for the tests of all kinds of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tasks.cldyb.contract import Learner, State, TaskData


def same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)


def copied(state: State) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in state.items()}


def need_exact_states(begun: Callable[[], Learner], lessons: Sequence[TaskData]) -> None:
    """A restored learner goes on as if never stopped, new or one that has gone on; no state changes later.

    lessons: four, which bring the classes 6, 2, 3, 0, 9, 5 in this order.
    """
    x = torch.cat([t.x for t in lessons])
    straight = begun()
    empty = straight.state()
    for number, one in enumerate(lessons[:2]):
        straight.learn(one, number)
    half, seen = straight.state(), straight.seen
    kept, middle = copied(half), straight.logits(x)
    for number, one in enumerate(lessons[2:], 2):
        straight.learn(one, number)
    end, last = copied(straight.state()), straight.logits(x)
    assert same(half, kept)
    assert last.shape == (len(x), 6) and straight.seen == (6, 2, 3, 0, 9, 5)

    fresh = begun()
    for learner in (fresh, straight):
        learner.restore(half, seen)
        assert same(learner.state(), kept) and learner.seen == seen
        assert torch.equal(learner.logits(x), middle)
        torch.rand(3)
        for number, one in enumerate(lessons[2:], 2):
            learner.learn(one, number)
        assert same(learner.state(), end)
        assert torch.equal(learner.logits(x), last)
    assert same(half, kept)

    straight.restore(empty, ())
    for number, one in enumerate(lessons[:2]):
        straight.learn(one, number)
    assert same(straight.state(), kept)
