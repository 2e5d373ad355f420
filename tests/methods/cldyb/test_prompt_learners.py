"""Prompt learners: their choices, losses and bases by hand or in numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from prompt_vits import WIDTH, begun, noise, opened, task, value
from torch import Tensor
from torch.nn import functional as F

from methods.cldyb.coda_prompt import CODAPrompt, apartness, orthogonal, weights
from methods.cldyb.dualprompt import DualPrompt
from methods.cldyb.hide_prompt import HiDePrompt, contrast
from methods.cldyb.l2p import L2P
from methods.cldyb.network import Network
from methods.cldyb.pgp import PGP
from methods.cldyb.prompt_gaussians import align, drawn, gaussian, pseudo, root
from methods.cldyb.prompt_network import Residual
from methods.cldyb.prompt_training import majority, nearest, similarity
from suite.errors import UsageError
from suite.models.training import Streams

QUICK: Any = {"epochs": 1, "batch": 8}


def read(learner: Any, chosen: Tensor, x: Tensor) -> Tensor:
    """Class tokens under these prefixes, by number."""
    tokens = learner.encoder.tokens(x)
    out: Tensor = learner.encoder.outputs(tokens, prefixes=learner.prefixes(chosen))[:, 0]
    return out


def test_keys_are_matched_by_angle_and_a_batch_takes_what_most_chose() -> None:
    keys = torch.tensor([[9.0, 0.0], [0.1, 0.1], [0.0, 5.0], [-1.0, 0.0]])
    queries = torch.tensor([[1.0, 0.9], [0.2, 3.0], [-4.0, 1.0]])
    chosen = nearest(keys, queries, 2)
    assert chosen.tolist() == [[1, 0], [2, 1], [3, 2]]
    # Key 1 twice, key 2 twice, keys 0 and 3 once.
    assert majority(chosen, 4).tolist() == [[1, 2]] * 3
    assert majority(torch.tensor([[3, 0], [3, 1], [2, 3]]), 4).tolist() == [[3, 0]] * 3
    cosines = [[0.1 * 1.9 / math.hypot(0.1, 0.1), 1.0], [3.0, 0.1 * 3.2 / math.hypot(0.1, 0.1)]]
    lengths = [math.hypot(1.0, 0.9), math.hypot(0.2, 3.0)]
    expected = sum(sum(row) / length for row, length in zip(cosines, lengths, strict=True)) / 2
    assert value(similarity(keys, queries[:2], chosen[:2])) == pytest.approx(expected, rel=1e-6)


def test_the_loss_and_the_features_of_l2p() -> None:
    learner = begun(L2P(pool=4, top=2, length=3, pull=0.7, **QUICK), 2)
    first = task(4, 7)
    learner.learn(first, 1)
    lesson = opened(learner, task(2, 9), (4, 7))
    prompt, key = (learner.prompts[n].detach() for n in ("prompt", "key"))
    tokens, queries = learner.encoder.tokens(task(2, 9).x), learner.queries
    cosine = F.normalize(queries, dim=1) @ F.normalize(key, dim=1).T
    votes = np.bincount(cosine.topk(2).indices.flatten().numpy(), minlength=4)
    two = np.argsort(-votes, kind="stable")[:2].tolist()
    row = torch.cat([prompt[two[0]], prompt[two[1]]])
    features = learner.encoder.outputs(tokens, row.expand(12, -1, -1))[:, 1:7].mean(1)
    z = learner.network.head(features)[:, 2:]
    expected = F.cross_entropy(z, lesson.examples.y - 2) - 0.7 * cosine[:, two].sum() / 12
    assert value(learner.loss(lesson, lesson.examples)) == pytest.approx(value(expected), rel=1e-5)


def test_test_pictures_choose_alone_unless_told_otherwise() -> None:
    x = torch.cat([task(4, 7).x, task(2).x])
    for kind in (L2P(pool=6, top=1, **QUICK), DualPrompt(pool=6, **QUICK)):
        learner = begun(kind)
        learner.learn(task(4, 7), 1)
        alone = torch.cat([learner.logits(one[None]) for one in x])
        torch.testing.assert_close(learner.logits(x), alone, atol=1e-5, rtol=1e-4)
    # Everyone in a batch of 9 votes; with a batch of one the vote is its own.
    tokens = learner.encoder.tokens(x)
    found = nearest(learner.prompts["key"], learner.encoder.queries(tokens), 1)
    voting = begun(DualPrompt(pool=6, majority="always", epochs=1, batch=9))
    voting.restore(learner.state(), learner.seen)
    most = torch.cat([majority(part, 6) for part in found.split(9)])
    assert len(set(found.flatten().tolist())) > 1
    expected = learner.network.head(read(learner, most, x))
    torch.testing.assert_close(voting.logits(x), expected, atol=1e-5, rtol=1e-4)


def test_dualprompt_trains_the_prefix_of_its_task_from_that_before() -> None:
    learner = begun(DualPrompt(pool=3, pull=0.5, **QUICK))
    learner.learn(task(4, 7), 1)
    before = learner.prompts["expert"].detach().clone()
    lesson = opened(learner, task(2, 9), (4, 7))
    expert = learner.prompts["expert"].detach()
    assert torch.equal(expert[:, :, 1], before[:, :, 0]) and torch.equal(expert[:, :, 2], before[:, :, 2])
    features = read(learner, torch.ones(12, 1, dtype=torch.long), task(2, 9).x)
    cosine = F.cosine_similarity(learner.queries, learner.prompts["key"][1:2])
    z = learner.network.head(features)[:, 2:]
    expected = F.cross_entropy(z, lesson.examples.y - 2) - 0.5 * cosine.mean()
    assert value(learner.loss(lesson, lesson.examples)) == pytest.approx(value(expected), rel=1e-5)


def test_dualprompt_changes_one_prefix_and_its_key_and_with_none_left_those_that_are_chosen() -> None:
    learner = begun(DualPrompt(pool=2, general_layers=1, expert_layers=1, **QUICK), 2)
    for number, one in enumerate([(0, 1), (3, 4), (5, 6)]):
        before = {n: learner.prompts[n].detach().clone() for n in ("expert", "key")}
        learner.learn(task(*one), number)
        changed = (learner.prompts["expert"] != before["expert"]).any(-1).any(-1)[0].any(0).tolist()
        moved = (learner.prompts["key"] != before["key"]).any(1).tolist()
        assert changed == moved and (number == 2 or changed == [number == 0, number == 1])
        assert any(changed)


def test_the_weights_of_coda_are_cosines_and_the_prefix_is_their_sum() -> None:
    q, k, a = noise(3, WIDTH), noise(4, WIDTH, seed=1), noise(4, WIDTH, seed=2)
    found = weights(q, k, a).double().numpy()
    for n in range(3):
        for m in range(4):
            u, v = (q[n] * a[m]).double().numpy(), k[m].double().numpy()
            assert found[n, m] == pytest.approx(u @ v / np.linalg.norm(u) / np.linalg.norm(v), abs=1e-6)
    learner = begun(CODAPrompt(layers=2, length=6, **QUICK), 2)
    parts = {"key": torch.stack([k, a]), "attention": torch.stack([a, q[[0, 1, 2, 0]]])}
    parts["prompt"] = noise(2, 4, 6, WIDTH, seed=4)
    keys, values = learner.prefixes(q, parts)[1]
    w = weights(q, a, q[[0, 1, 2, 0]])
    whole = sum(w[1, m] * parts["prompt"][1, m] for m in range(4))
    torch.testing.assert_close(keys[1], whole[:3])
    torch.testing.assert_close(values[1], whole[3:])


def test_new_components_are_orthogonal_to_trained_ones_and_to_each_other() -> None:
    old = noise(4, 10) + 2.0  # far from orthogonal, as after training
    new = orthogonal(old, 3, torch.Generator().manual_seed(1))
    assert value((new @ old.T).abs().max()) < 1e-5
    torch.testing.assert_close(new @ new.T, torch.eye(3), atol=1e-6, rtol=0)
    full = orthogonal(old, 8, torch.Generator().manual_seed(1))
    assert torch.equal(full[:3], new)
    torch.testing.assert_close(full.norm(dim=1), torch.ones(8))
    first = orthogonal(old[:0], 3, torch.Generator().manual_seed(2))
    torch.testing.assert_close(first @ first.T, torch.eye(3), atol=1e-6, rtol=0)
    assert value(apartness(torch.tensor([[2.0, 0.0], [1.0, 1.0]]))) == pytest.approx((9 + 4 + 4 + 1) / 4)


def test_coda_trains_new_components_alone_and_slows_down_as_released() -> None:
    learner = begun(CODAPrompt(components=2, layers=2, length=4, ortho=0.3, epochs=3, batch=8), 2)
    learner.learn(task(4, 7), 1)
    old = {n: learner.prompts[n].detach().clone() for n in ("prompt", "key", "attention")}
    head = learner.network.head.weight.detach().clone()
    learner.learn(task(2, 9), 2)
    for name, kept in old.items():
        assert torch.equal(learner.prompts[name][:, :2], kept) and learner.prompts[name].shape[1] == 4
    assert torch.equal(learner.network.head.weight[:2], head)
    lesson = opened(learner, task(3), (4, 7, 2, 9))
    assert value((learner.prompts["key"][0, 4:] @ learner.prompts["key"][0, :4].T).abs().max()) < 1e-5
    flat = [p.detach()[i].flatten(1) for p in learner.prompts.values() for i in range(2)]
    more = sum(value(apartness(f)) for f in flat)
    learner.method = CODAPrompt(components=2, layers=2, length=4)
    plain = value(learner.loss(lesson, lesson.examples))
    learner.method = CODAPrompt(components=2, layers=2, length=4, ortho=0.3, epochs=3)
    assert value(learner.loss(lesson, lesson.examples)) == pytest.approx(plain + 0.3 * more, rel=1e-5)
    learner.optimizer(learner.network)
    rates = []
    for number in range(3):
        learner.epoch(lesson, number)
        rates.append(learner.descent.lr)
    assert rates == pytest.approx([1e-3 * math.cos(99 * math.pi * e / 400) for e in range(3)])


def test_the_contrast_of_hide_by_hand() -> None:
    m = np.array([[1.0, 0.0], [0.5, 2.0], [0.0, 1.0]])
    z = m @ m.T / 0.8
    expected = np.mean([math.log(np.exp(z[i]).sum()) - z[i, i] for i in range(3)])
    found = contrast(torch.tensor(m[:1]).float(), torch.tensor(m[1:]).float())
    assert value(found) == pytest.approx(expected, rel=1e-6)


def test_gaussians_are_those_of_the_features() -> None:
    x = noise(50, 3) @ noise(3, 3, seed=1) + 4
    mean, covariance = gaussian(x, "covariance")
    np.testing.assert_allclose(mean.numpy(), x.numpy().mean(0), rtol=1e-5)
    truth = np.cov(x.double().numpy().T) + 1e-4 * np.eye(3)
    np.testing.assert_allclose(covariance.numpy(), truth, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gaussian(x, "variance")[1].numpy(), np.diag(truth), rtol=1e-5)
    assert torch.equal(gaussian(x[:1], "covariance")[1], 1e-4 * torch.eye(3))
    for spread in (covariance, covariance.diagonal()):
        roots = root(torch.stack([spread, 4 * spread]))
        found = drawn(torch.stack([mean, -mean]), roots, 20_000, torch.Generator().manual_seed(0)).double()
        np.testing.assert_allclose(found.mean(1), torch.stack([mean, -mean]), atol=0.15)
        expected = np.diag(spread) if spread.ndim == 1 else spread.numpy()
        for number, factor in enumerate((1, 4)):
            got = np.cov(found[number].numpy().T)
            np.testing.assert_allclose(got, factor * expected, atol=0.06 * factor * value(covariance.max()))


def test_alignment_draws_anew_and_tells_classes_apart() -> None:
    """Two steps of 6 of the 18 draws in each of 4 epochs; rates 1, 0.854, 0.5, 0.146 of the first."""
    means, spreads = 3 * noise(3, 4), torch.full((3, 4), 0.01)
    seen = list(pseudo(means, spreads, 6, 2, 4, Streams(1), "x"))
    assert [e for e, _, _ in seen] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len({tuple(x[0].tolist()) for _, x, _ in seen}) == 8
    for _, x, y in seen:
        assert x.shape == (6, 4)
        assert torch.equal(torch.cdist(x, means).argmin(1), y)
    network, truth = Network(None, 4), Network(None, 4)
    for one in (network, truth):
        one.head.grow(torch.zeros(3, 4))
    align(network, means, spreads, old=2, each=6, epochs=4, lr=0.2, streams=Streams(1), purpose="x")
    groups = torch.optim.SGD(truth.parameters(), lr=0.2, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(groups, T_max=4)
    for step, (_, x, y) in enumerate(seen):
        groups.zero_grad()
        F.cross_entropy(truth(x), y).backward()
        groups.step()
        if step % 2:
            schedule.step()
    torch.testing.assert_close(network.head.weight, truth.head.weight)
    assert torch.equal(network(means).argmax(1), torch.arange(3))


def test_hide_within_a_task_and_which_prefix_a_test_picture_gets() -> None:
    fast: Any = {"inference_epochs": 2, "align_epochs": 2, "momentum": 0.25, "contrast": 0.6, **QUICK}
    learner = begun(HiDePrompt(**fast))
    learner.learn(task(4, 7), 1)
    first = learner.prompts["prefix"].detach()[:, :, 0].clone()
    lesson = opened(learner, task(2), (4, 7))
    prefix = learner.prompts["prefix"]
    assert torch.equal(prefix[:, :, 0], first) and torch.equal(prefix[:, :, 1], first)
    with torch.no_grad():
        prefix[:, :, 1] += 0.5
    mixed = 0.75 * (first + 0.5) + 0.25 * first
    features = learner.prompted(learner.tokens, mixed[:, :, None])
    z = learner.network.head(features)[:, 2:]
    m = torch.cat([learner.memory["mean.prompted"], features])
    expected = F.cross_entropy(z, lesson.examples.y - 2)
    expected = expected + 0.6 * F.cross_entropy(m @ m.T / 0.8, torch.arange(8))
    assert value(learner.loss(lesson, lesson.examples)) == pytest.approx(value(expected), rel=1e-5)
    learner.optimizer(learner.network)
    assert learner.descent.factors == {"head.weight": 0.1, "head.bias": 0.1}
    learner.finish(lesson)
    torch.testing.assert_close(learner.prompts["prefix"].detach()[:, :, 1], mixed)
    np.testing.assert_allclose(learner.memory["mean.prompted"][2], features.detach().mean(0), atol=1e-5)
    np.testing.assert_allclose(learner.memory["mean.plain"][2], learner.queries.mean(0), atol=1e-5)
    assert learner.memory["task"].tolist() == [0, 0, 1]
    x = torch.cat([task(4, 7).x, task(2).x])
    tokens = learner.encoder.tokens(x)
    inferred = learner.networks["inference"].scores(learner.encoder.queries(tokens)).argmax(1)
    chosen = torch.tensor([0, 0, 1])[inferred]
    pair = [learner.prompted(tokens, learner.prompts["prefix"][:, :, t : t + 1]) for t in (0, 1)]
    expected = torch.where(chosen[:, None] == 0, *pair)
    torch.testing.assert_close(learner.representation(x), expected.detach(), atol=1e-5, rtol=1e-4)


def test_hide_aligns_both_heads_from_the_second_task_on() -> None:
    """All else is the same without it; the rest is `align` on what was stored, each at its own rate."""
    fast: Any = {"inference_epochs": 2, "align_lr": 0.3, **QUICK}
    plain, aligned = (begun(HiDePrompt(align_epochs=n, **fast)) for n in (0, 3))
    for learner in (plain, aligned):
        learner.learn(task(4, 7), 1)
    assert all(torch.equal(v, plain.state()[k]) for k, v in aligned.state().items())
    for learner in (plain, aligned):
        learner.learn(task(2), 2)
    assert torch.equal(plain.prompts["prefix"], aligned.prompts["prefix"])
    alone = Network(None, WIDTH)
    alone.head = plain.network.head
    for kind, network, each, lr in (
        ("plain", plain.networks["inference"], 8, 0.3 * 8 / 256),
        ("prompted", alone, 40, 0.3),
    ):
        found = aligned.networks["inference"] if kind == "plain" else aligned.network
        assert not torch.allclose(network.head.weight, found.head.weight, atol=1e-4)
        args = (aligned.memory[f"mean.{kind}"], aligned.memory[f"spread.{kind}"])
        align(network, *args, old=2, each=each, epochs=3, lr=lr, streams=Streams(2), purpose=f"align {kind}")
        torch.testing.assert_close(network.head.weight, found.head.weight)


def test_the_map_of_task_inference() -> None:
    made = Residual(4, Streams(0))
    x = noise(3, 4)
    h = F.gelu(x @ made.up.weight.T)
    torch.testing.assert_close(made(x), F.layer_norm(x + h @ made.down.weight.T, (4,), eps=1e-6))
    assert value(made.up.weight.abs().max()) < 2.0 and value(made.up.bias.abs().max()) == 0.0


def test_batch_of_a_lesson_is_the_same_with_and_without_kept_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, anew = begun(L2P(**QUICK), 2), begun(L2P(**QUICK), 2)
    kept.learn(task(4, 7), 1)
    monkeypatch.setattr("methods.cldyb.prompt_training.KEPT_BYTES", 0)
    anew.learn(task(4, 7), 1)
    x = task(4, 7).x
    torch.testing.assert_close(kept.logits(x), anew.logits(x), atol=1e-4, rtol=1e-3)
    assert kept.tokens is None


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        (L2P, {"lr": 0.0}),
        (L2P, {"top": 11}),
        (L2P, {"pull": -1.0}),
        (DualPrompt, {"expert_layers": 0}),
        (CODAPrompt, {"length": 5}),
        (CODAPrompt, {"components": 0}),
        (HiDePrompt, {"align_lr": 0.0}),
        (HiDePrompt, {"momentum": -0.1}),
        (PGP, {"threshold": 0.0}),
        (PGP, {"key_threshold": 1.5}),
        (PGP, {"epochs": 0}),
    ],
)
def test_settings_that_make_no_sense_are_refused(method: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(settings))):
        method(**settings)


@pytest.mark.parametrize("method", [DualPrompt(), CODAPrompt(), HiDePrompt(), PGP(on="dualprompt")])
def test_a_shallow_encoder_is_refused(method: Any) -> None:
    with pytest.raises(UsageError, match="layers reach block 5, but the encoder has 2"):
        begun(method, 2)
