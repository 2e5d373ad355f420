"""LAE, EASE, MOS and InfLoRA: their formulas by hand or in numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from methods.cldyb.alignment import Settings, align
from methods.cldyb.ease import EASE, ensembled, synthesised
from methods.cldyb.inflora import InfLoRA, designed, extended
from methods.cldyb.lae import LAE, surer
from methods.cldyb.mos import MOS, apart, refined
from suite.errors import UsageError
from suite.models.training import Streams
from tests.methods.cldyb.adapt_vits import BACKBONE, WIDTH, task, taught

A, B, C = task(0, 3), task(1, 4), task(2)
FAST: Any = {"epochs": 2, "batch": 5, "lr": 0.05}


def values(parts: Any) -> list[Tensor]:
    return [p.detach().clone() for p in parts.parameters()]


def test_the_surer_of_two_softmaxes() -> None:
    z, other = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 800.0]])
    scores = surer(z, other).exp()
    assert scores[0].tolist() == pytest.approx([0.75, 0.5])
    assert scores[1].tolist() == pytest.approx([0.5, 1.0])
    random = surer(torch.randn(50, 6), torch.randn(50, 6)).exp().sum(dim=1)
    assert bool((random >= 1 - 1e-6).all()) and bool((random > 1.01).any())
    assert bool(surer(z * 900, z * 900).isfinite().all())


@pytest.mark.parametrize("part", ["adapter", "lora"])
def test_lae_averages_its_parts_from_the_second_task_on(part: Any) -> None:
    """12 pictures in batches of 5 are 3 steps an epoch; in the first of 2 epochs the parts stand still."""
    settings: Any = {**FAST, "part": part, "inner": 3, "still": 1, "decay": 0.8}
    learner = taught(LAE(**settings), A)
    first = values(learner.parts)
    for kept, now in zip(values(learner.offline), first, strict=True):
        assert torch.equal(kept, now)
    torch.testing.assert_close(learner.logits(A.x).exp().sum(dim=1), torch.ones(len(A.x)))
    seen: list[list[Tensor]] = []
    stepped = learner.stepped

    def watch(lesson: Any, batch: Any) -> None:
        seen.append(values(learner.parts))
        stepped(lesson, batch)

    learner.stepped = watch
    learner.learn(B, 1)
    assert len(seen) == 6
    assert all(torch.equal(a, b) for step in seen[:3] for a, b in zip(step, first, strict=True))
    assert not torch.equal(seen[3][1], first[1])
    expected = first
    for step in seen:
        expected = [0.8 * old + 0.2 * new for old, new in zip(expected, step, strict=True)]
    for kept, wanted in zip(values(learner.offline), expected, strict=True):
        torch.testing.assert_close(kept, wanted)
    both = [learner.network.head(learner.features_with(B.x, p)) for p in (learner.parts, learner.offline)]
    best = torch.maximum(*(z.softmax(dim=1) for z in both)).detach()
    torch.testing.assert_close(learner.logits(B.x).exp(), best)
    assert bool((learner.logits(B.x).exp().sum(dim=1) >= 1 - 1e-6).all())


def test_prototypes_are_synthesised_as_in_numpy() -> None:
    rng = np.random.default_rng(0)
    w, task_of = rng.normal(size=(5, 3, 4)), np.array([0, 0, 1, 2, 2])
    w[:2, 1:], w[2, 2] = 0, 0
    expected = w.copy()

    def cos(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    for c in range(5):
        for s in range(task_of[c] + 1, 3):
            later = [k for k in range(5) if task_of[k] >= s]
            e = np.exp([cos(w[c, task_of[c]], w[k, task_of[c]]) for k in later])
            expected[c, s] = sum(p * w[k, s] for p, k in zip(e / e.sum(), later, strict=True))
    args = (torch.tensor(w), torch.tensor(task_of))
    np.testing.assert_allclose(synthesised(*args), expected, rtol=1e-12)
    w[:2, 1] = expected[:2, 1] = 7.0
    args = (torch.tensor(w), torch.tensor(task_of))
    np.testing.assert_allclose(synthesised(*args, anew=False), expected, rtol=1e-12)

    f = rng.normal(size=(6, 3, 4))
    w, args = expected, (torch.tensor(expected), torch.tensor(task_of))
    logits = [
        [sum((1.0 if s == task_of[c] else 0.05) * cos(x[s], w[c, s]) for s in range(3)) for c in range(5)]
        for x in f
    ]
    np.testing.assert_allclose(ensembled(torch.tensor(f), *args, 0.1), logits, rtol=1e-10)


def test_ease_keeps_an_adapter_a_task_and_measures_every_space() -> None:
    learner = taught(EASE(**FAST, inner=4), A, B)
    memory = learner.memory
    assert learner.tasks == 2 and memory["task_of"].tolist() == [0, 0, 1, 1]
    assert len(learner.network.head.weight) == 0
    spaces = learner.spaces(B.x)
    assert spaces.shape == (len(B.x), 2, WIDTH)
    torch.testing.assert_close(learner.representation(B.x), spaces[:, 1])
    for column, c in ((2, 1), (3, 4)):
        torch.testing.assert_close(memory["prototypes"][column], spaces[B.y == c].mean(dim=0))
    own = learner.spaces(A.x)[:, 0]
    torch.testing.assert_close(memory["prototypes"][0, 0], own[A.y == 0].mean(dim=0))
    first = taught(EASE(**FAST, inner=4), A)
    assert torch.equal(first.memory["prototypes"][:, 0], memory["prototypes"][:2, 0])
    cosines = F.normalize(own, dim=1) @ F.normalize(memory["prototypes"][:2, 0], dim=1).T
    torch.testing.assert_close(first.logits(A.x), cosines)


def test_the_second_term_of_mos_by_hand() -> None:
    """M = (1, 0), (0, 1), (1, 1): rows of M M^T / 0.8 are (1, 0, 1), (0, 1, 1), (1, 1, 2) over 0.8."""
    rows = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 2]]) / 0.8
    expected = -np.mean([row[i] - np.log(np.exp(row).sum()) for i, row in enumerate(rows)])
    means, features = torch.eye(2), torch.ones(1, 2)
    assert float(apart(means, features)) == pytest.approx(expected, rel=1e-6)
    assert float(apart(None, torch.cat([means, features]))) == pytest.approx(expected, rel=1e-6)


def test_adapters_are_looked_for_until_they_agree() -> None:
    """Three adapters, classes 0, 1, 2 of tasks 0, 1, 2; the head is the identity.

    Row 0 agrees at once. Row 1 goes from adapter 0 to 2, which agrees. Row 2 goes round between 0 and 1, and
    after four looks the fourth stands: adapters 0, 1, 0, 1. Row 3 goes 1, 0, 2 and rests there.
    """
    e = torch.eye(3)
    features = torch.stack(
        [
            torch.stack([e[0], e[1], e[2]]),
            torch.stack([e[2] * 3, e[0], e[2] * 5]),
            torch.stack([e[1] * 2, e[0] * 7, e[0]]),
            torch.stack([e[2], e[0], e[2] * 9]),
        ]
    )
    looks: list[Tensor] = []

    def head(x: Tensor) -> Tensor:
        looks.append(x)
        return x

    found = refined(features, torch.tensor([0, 0, 0, 1]), head, torch.tensor([0, 1, 2]), 4)
    assert torch.equal(found, torch.stack([e[0], e[2] * 5, e[0] * 7, e[2] * 9]))
    assert len(looks) == 4


def test_mos_draws_adapters_together_and_answers_by_the_one_it_finds() -> None:
    method = MOS(**FAST, inner=4, dropout=0.0, merge=0.25, align_epochs=1, samples=6)
    learner = taught(method, A)
    kept = values(learner.parts)
    steps: list[tuple[list[Tensor], list[Tensor]]] = []
    stepped = learner.stepped

    def watch(lesson: Any, batch: Any) -> None:
        before = values(learner.parts)
        stepped(lesson, batch)
        steps.append((before, values(learner.parts)))

    learner.stepped = watch
    learner.learn(B, 1)
    for before, after in steps:
        for old, new, past in zip(before, after, kept, strict=True):
            torch.testing.assert_close(new, 0.75 * old + 0.25 * past)
    second = values(learner.parts)
    learner.learn(task(5, 6), 2)
    for before, after in steps[-3:]:
        for old, new, one, two in zip(before, after, kept, second, strict=True):
            torch.testing.assert_close(new, 0.75 * old + 0.25 * (one + two) / 2)

    x = torch.cat([A.x, B.x, task(5, 6).x])
    memory = learner.memory
    spaces = [
        learner.under(x, {n[10:]: v for n, v in memory.items() if n[:10] == f"adapter.{t}."})
        for t in range(3)
    ]
    torch.testing.assert_close(spaces[2], learner.representation(x))
    torch.testing.assert_close(memory["prototypes"][3], spaces[0][12:24][B.y == 4].mean(dim=0))
    torch.testing.assert_close(memory["means"][3], spaces[1][12:24][B.y == 4].mean(dim=0))
    cosines = F.normalize(spaces[0], dim=1) @ F.normalize(memory["prototypes"], dim=1).T
    expected = []
    for i in range(len(x)):
        adapter = int(cosines[i].argmax()) // 2
        for _ in range(4):
            z = learner.network.head(spaces[adapter][i : i + 1])[0].detach()
            found = int(z.argmax()) // 2
            if found == adapter:
                break
            adapter = found
        expected.append(z.softmax(dim=0) + (3 * cosines[i]).softmax(dim=0))
    scores = learner.logits(x)
    torch.testing.assert_close(scores, torch.stack(expected))
    assert torch.equal(learner.logits(x), scores)


def test_the_loss_of_mos() -> None:
    method = MOS(**FAST, inner=4, dropout=0.0, reg=0.5, align_epochs=0)
    learner = taught(method, A)
    lesson = learner.prepare(B, (0, 3, 1, 4), Streams(1))
    features = learner.representation(B.x)
    z = learner.network.head(features)[:, 2:]
    expected = F.cross_entropy(z, (B.y == 4).long()) + 0.5 * apart(learner.memory["means"], features)
    found = learner.loss(lesson, lesson.examples)
    torch.testing.assert_close(found, expected)
    learner.optimizer(learner.network)
    assert set(learner.descent.factors) == {1.0, 0.1}


def test_mos_aligns_its_head_with_the_gaussians_of_all_classes_from_the_second_task_on() -> None:
    settings: Any = {**FAST, "inner": 4, "align_lr": 0.2, "samples": 6}
    plain, aligned = (taught(MOS(**settings, align_epochs=n), A, B) for n in (0, 3))
    first = taught(MOS(**settings, align_epochs=3), A)
    assert torch.equal(
        first.network.head.weight, taught(MOS(**settings, align_epochs=0), A).network.head.weight
    )
    head, found = plain.network.head, aligned.network.head
    assert not torch.allclose(head.weight, found.weight, atol=1e-3)
    memory = aligned.memory
    assert memory["means"].shape == (4, WIDTH) and torch.equal(memory["means"], plain.memory["means"])
    how = Settings(3, 6, 0.2, 0.9, 5e-4)
    align(head, memory["means"], memory["covariances"], how, Streams(1), F.cross_entropy)
    torch.testing.assert_close(head.weight, found.weight)


def test_who_begins_a_task_with_a_new_adapter() -> None:
    """EASE: it adds nothing yet, and its maps down are others. MOS, LAE: the one before goes on."""
    for kind, anew in ((EASE, True), (MOS, False), (LAE, False)):
        learner = taught(kind(**FAST, inner=4), A)
        before, down = learner.representation(B.x), learner.parts[next(iter(learner.parts))].down.clone()
        learner.prepare(B, (0, 3, 1, 4), Streams(1))
        unchanged = torch.equal(learner.representation(B.x), before)
        assert unchanged == (not anew)
        assert torch.equal(learner.parts[next(iter(learner.parts))].down, down) == (not anew)
        if anew:
            torch.testing.assert_close(learner.representation(B.x), BACKBONE.fresh()(B.x).detach())


def tokens_within(d: int, k: int, seed: int) -> tuple[Tensor, Tensor]:
    """Tokens (50, d) of a random k-dimensional space, and their second moment."""
    rng = np.random.default_rng(seed)
    x = torch.tensor(rng.normal(size=(50, k)) @ rng.normal(size=(k, d)))
    return x, x.T @ x / 50


def test_a_designed_map_reads_nothing_of_the_old_space() -> None:
    old, h_old = tokens_within(8, 3, 0)
    new, h_new = tokens_within(8, 6, 1)
    nothing = torch.zeros(8, 0, dtype=torch.float64)
    basis = extended(extended(nothing, h_old, 0.5), h_old, 1.0)
    assert basis.shape == (8, 3)
    torch.testing.assert_close(basis.T @ basis, torch.eye(3, dtype=torch.float64))
    a = designed(h_new, basis, 4)
    assert float((old @ a.T).abs().max()) < 1e-10 < 0.1 < float((new @ a.T).abs().max())
    torch.testing.assert_close(a @ a.T, torch.eye(4, dtype=torch.float64) / 3)
    more = designed(h_new, basis, 8)
    assert float((old @ more.T).abs().max()) < 1e-10
    assert [bool(row.any()) for row in more] == [True] * 5 + [False] * 3
    free = designed(h_new, nothing, 2)
    vectors = np.linalg.eigh(h_new.numpy())[1][:, ::-1][:, :2].T / math.sqrt(3)
    np.testing.assert_allclose(free.abs().numpy(), np.abs(vectors), atol=1e-8)


def test_the_basis_grows_to_its_share() -> None:
    """H = diag(4, 2, 1, 0): squares 16, 4, 1 of 21; shares 0.762, 0.952, 1."""
    h = torch.diag(torch.tensor([4.0, 2.0, 1.0, 0.0], dtype=torch.float64))
    nothing = torch.zeros(4, 0, dtype=torch.float64)
    sizes = [extended(nothing, h, share).shape[1] for share in (0.5, 0.77, 0.96, 1.0)]
    assert sizes[:3] == [1, 1, 2] and sizes[3] in (2, 3)
    first = torch.eye(4, dtype=torch.float64)[:, 2:3]
    sizes = [extended(first, h, share).shape[1] for share in (0.04, 0.5, 0.82, 1.0)]
    assert sizes == [1, 2, 3, 3]
    grown = extended(first, h, 0.5)
    assert grown[:, 1].abs().tolist() == [1.0, 0.0, 0.0, 0.0]


def test_a_later_task_does_nothing_to_old_pictures() -> None:
    """With the whole of the old tokens held, up to rounding: few pictures, so that a space is left."""
    few = [task(0, 3, n=1), task(1, 4, n=1)]
    learner = taught(InfLoRA(epochs=3, batch=5, lr=0.05, rank=3, lamb=1.0), few[0])
    bases = {n: v for n, v in learner.memory.items() if n.startswith("basis.")}
    assert all(v.shape[1] < WIDTH for v in bases.values()) and len(bases) == 3
    before, fresh = learner.representation(few[0].x), learner.representation(few[1].x)
    learner.learn(few[1], 1)
    update = learner.parts["key_1"]
    down, up = learner.memory["down.key_1"], learner.memory["up.key_1"]
    assert down.shape == (6, WIDTH) and up.shape == (WIDTH, 6) and not bool(update.up.any())
    assert float((down[3:].double() @ bases["basis.1"]).abs().max()) < 1e-6
    assert torch.equal(down, learner.memory["down.value_1"])
    old = float((learner.representation(few[0].x) - before).abs().max())
    new = float((learner.representation(few[1].x) - fresh).abs().max())
    assert old < 0.1 * new and new > 1e-3


def test_inflora_trains_the_maps_up_alone() -> None:
    learner = taught(InfLoRA(epochs=1, batch=5, rank=3), A)
    assert learner.memory["tasks"].tolist() == 1
    plain = taught(InfLoRA(epochs=1, batch=5, rank=3), A)
    moments = plain.host.moments(A.x, {}, 5)
    expected = designed(moments[0], torch.zeros(WIDTH, 0, dtype=torch.float64), 3)
    torch.testing.assert_close(learner.memory["down.key_0"].double(), expected, rtol=1e-4, atol=1e-5)
    assert bool(learner.memory["up.key_0"].any())


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        (LAE, {"decay": 1.5}),
        (LAE, {"inner": 0}),
        (EASE, {"alpha": -1.0}),
        (MOS, {"merge": 2.0}),
        (MOS, {"align_lr": 0.0}),
        (MOS, {"rounds": 0}),
        (InfLoRA, {"lamb": 0.0}),
        (InfLoRA, {"sessions": 0}),
    ],
)
def test_settings_that_make_no_sense(method: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(settings))):
        method(**settings)
