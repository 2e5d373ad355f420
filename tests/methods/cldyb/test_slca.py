"""Gaussians of classes, the head aligned with them, and SLCA by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from methods.cldyb.alignment import Settings, align, drawn, gaussians, normalised, shrinkage
from methods.cldyb.network import SGD, Head
from methods.cldyb.slca import SLCA
from suite.errors import UsageError
from suite.models.training import Streams
from tests.methods.cldyb.adapt_vits import BACKBONE, WIDTH, task, taught

QUICK: Any = {"epochs": 2, "batch": 5, "align_epochs": 2, "samples": 8}


def test_means_and_covariances_are_numpys() -> None:
    rng = np.random.default_rng(0)
    x, place = rng.normal(size=(20, 3)), np.array([0, 1] * 9 + [2, 0])
    means, covariances = gaussians(torch.tensor(x), torch.tensor(place), 3)
    for k in (0, 1):
        rows = x[place == k]
        np.testing.assert_allclose(means[k], rows.mean(0), rtol=1e-6)
        np.testing.assert_allclose(covariances[k], np.cov(rows.T) + 1e-4 * np.eye(3), rtol=1e-5)
    np.testing.assert_allclose(means[2], x[18], rtol=1e-6)
    np.testing.assert_allclose(covariances[2], 1e-4 * np.eye(3), rtol=1e-6)


def test_means_of_older_classes_are_drawn_in_more() -> None:
    """Three tasks: 0.9 + 0.1 / 3, 0.9 + 0.2 / 3, 1."""
    found = shrinkage(torch.tensor([0, 0, 1, 2]))
    assert found.tolist() == pytest.approx([0.93333333, 0.93333333, 0.96666667, 1.0])


def test_drawn_features_have_the_gaussians_moments() -> None:
    """20,000 draws: the error of a mean is sd / 141, of a covariance at most 0.03 here at four sigma."""
    means = torch.tensor([[0.0, 3.0], [5.0, -1.0]])
    covariances = torch.tensor([[[1.0, 0.6], [0.6, 0.5]], [[0.2, 0.0], [0.0, 0.3]]])
    x, y = drawn(means, torch.linalg.cholesky(covariances), 20_000, torch.Generator().manual_seed(0))
    assert y.tolist() == [0] * 20_000 + [1] * 20_000
    for k in (0, 1):
        rows = x[y == k].double().numpy()
        np.testing.assert_allclose(rows.mean(0), means[k], atol=0.03)
        np.testing.assert_allclose(np.cov(rows.T), covariances[k], atol=0.04)
        skew = ((rows - rows.mean(0)) / rows.std(0)) ** 4
        np.testing.assert_allclose(skew.mean(0), 3.0, atol=0.2)


def test_logits_are_divided_by_the_mean_norm_of_the_tasks() -> None:
    """Norms 5 and 1: over 3 and over 0.1."""
    found = normalised(torch.tensor([[3.0, 4.0, 1.0]]), [2, 1], 0.1)
    assert found[0].tolist() == pytest.approx([10.0, 13.3333333, 3.3333333], rel=1e-5)


def test_the_alignment_step_by_step() -> None:
    """As written out: the draws of every epoch in its order, three batches of four, a cosine over epochs."""
    means = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    covariances = torch.eye(2).repeat(3, 1, 1) * 0.1
    ours, hand = Head(2), Head(2)
    for head in (ours, hand):
        head.grow(torch.tensor([[0.1, 0.2], [0.3, -0.1], [0.0, 0.5]]))
    align(ours, means, covariances, Settings(2, 4, 0.5, 0.9, 0.01), Streams(3), F.cross_entropy)
    descent = SGD(hand.parameters(), 0.5, 0.9, 0.01)
    for epoch, rate in enumerate((0.5, 0.25)):
        descent.lr = rate
        noise = torch.randn((3, 4, 2), generator=Streams(3).torch("drawn", epoch))
        x = (means[:, None] + 0.1**0.5 * noise).reshape(12, 2)
        order = torch.from_numpy(Streams(3).numpy("aligned", epoch).permutation(12))
        for i in range(3):
            rows = order[4 * i : 4 * i + 4]
            descent.step(F.cross_entropy(hand(x[rows]), rows // 4))
    torch.testing.assert_close(ours.weight, hand.weight)
    torch.testing.assert_close(ours.bias, hand.bias)


def test_the_encoder_learns_slowly_and_old_rows_stay() -> None:
    """One step of plain descent, at lr / 100 in the encoder and lr in the head; norms keep their means."""
    one = SLCA(epochs=1, batch=100, lr=0.5, momentum=0.0, weight_decay=0.0, align_epochs=0)
    learner: Any = one.begin(BACKBONE, 0)
    learner.learn(task(0, 3), 0)
    plain = BACKBONE.fresh()
    head = Head(WIDTH)
    rows = torch.nn.init.trunc_normal_(torch.empty(2, WIDTH), std=0.02, generator=Streams(0).torch("head"))
    head.grow(rows)
    lesson = task(0, 3)
    loss = F.cross_entropy(head(plain(lesson.x)), (lesson.y == 3).long())
    weight = plain.body.layers[1].mlp.fc1.weight
    grads = torch.autograd.grad(loss, [weight, head.weight])
    now = learner.network.encoder.body.body.layers[1].mlp.fc1.weight
    torch.testing.assert_close(now, weight - 0.005 * grads[0], rtol=0, atol=1e-7)
    torch.testing.assert_close(learner.network.head.weight, head.weight - 0.5 * grads[1], rtol=0, atol=1e-6)
    norm = learner.network.encoder.body.norm
    assert float(norm.running_mean.abs().max()) == 0
    second = SLCA(**QUICK, weight_decay=0.1).begin(BACKBONE, 0)
    second.learn(task(0, 3), 0)
    kept = second.network.head.weight.detach().clone()
    second.learn(task(1, 4), 1)
    assert torch.equal(second.network.head.weight[:2], kept)


def test_the_rate_falls_after_nine_tenths_of_the_epochs() -> None:
    learner: Any = SLCA().begin(BACKBONE, 0)
    learner.optimizer(learner.network)
    rates = []
    for epoch in range(20):
        learner.epoch(None, epoch)
        rates.append(learner.descent.lr)
    assert rates == pytest.approx([0.01] * 18 + [0.001] * 2)


def test_the_aligned_head_answers_and_training_goes_on_from_the_other() -> None:
    """Also: Gaussians are of the encoder as it was after a class's own task."""
    a, b = task(0, 3), task(1, 4)
    learner = taught(SLCA(**QUICK), a)
    features = learner.representation(a.x)
    np.testing.assert_allclose(learner.memory["means"][0], features[a.y == 0].mean(0), rtol=1e-4, atol=1e-5)
    assert "aligned.weight" not in learner.memory
    assert torch.equal(learner.logits(a.x), learner.network.scores(a.x))
    learner.learn(b, 1)
    unaligned = taught(SLCA(**{**QUICK, "align_epochs": 0}), a, b)
    assert torch.equal(learner.network.head.weight, unaligned.network.head.weight)
    assert torch.equal(learner.memory["covariances"], unaligned.memory["covariances"])
    assert learner.memory["task_of"].tolist() == [0, 0, 1, 1]

    head = Head(WIDTH)
    head.grow(learner.network.head.weight.detach())
    with torch.no_grad():
        head.bias.copy_(learner.network.head.bias)
    means = learner.memory["means"] * torch.tensor([0.95, 0.95, 1.0, 1.0])[:, None]

    def loss(z: Any, y: Any) -> Any:
        norm = (z[:, :2].norm(dim=1) + z[:, 2:].norm(dim=1)) / 2
        return F.cross_entropy(z / norm[:, None] / 0.1, y)

    settings = Settings(2, 8, 0.01, 0.9, 5e-4)
    align(head, means, learner.memory["covariances"], settings, Streams(1), loss)
    torch.testing.assert_close(learner.logits(b.x), head(learner.representation(b.x)).detach())
    assert not torch.allclose(learner.logits(b.x), unaligned.logits(b.x))


@pytest.mark.parametrize(
    "settings",
    [{"reads": "features"}, {"over": "seen"}, {"head": "cosine"}, {"temperature": 0.0}, {"samples": 0}],
)
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(settings))):
        SLCA(**settings)
