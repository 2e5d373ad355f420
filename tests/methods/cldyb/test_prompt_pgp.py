"""PGP: which directions a basis has, and that gradients keep nothing of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from prompt_vits import WIDTH, begun, noise, opened, task, value

from methods.cldyb.pgp import PGP
from methods.cldyb.prompt_projection import grow, principal, without

QUICK: Any = {"epochs": 1, "batch": 8}


def test_a_gradient_keeps_nothing_of_a_basis() -> None:
    basis = torch.linalg.qr(noise(6, 2).double()).Q.float()
    g = noise(3, 5, 6, seed=1)
    left = without(g, basis)
    assert value((left @ basis).abs().max()) < 1e-6
    torch.testing.assert_close(without(left, basis), left)
    assert torch.equal(without(g, basis[:, :0]), g)


def test_components_are_those_of_a_pca_over_dimensions() -> None:
    m = noise(6, 4).double()
    c = m.numpy() - m.numpy().mean(0)
    u, s, _ = np.linalg.svd(c, full_matrices=False)
    found = principal(m, 2).numpy()
    np.testing.assert_allclose(np.abs(found), np.abs(u[:, :2] * s[:2]), rtol=1e-9)
    assert (found[np.abs(found).argmax(0), [0, 1]] > 0).all()
    assert principal(m, 99).shape == (6, 4)


def test_the_rank_of_a_basis() -> None:
    """Singular values 2, 1, 1 on three axes: squares share 4, 1, 1 of 6, fourth powers 16, 1, 1 of 18."""
    r = torch.zeros(5, 3)
    r[0, 0], r[1, 1], r[2, 2] = 2.0, 1.001, 0.999

    def ranks(released: bool) -> list[int]:
        return [grow(None, r, t, released).shape[1] for t in (0.5, 0.7, 0.9, 0.99)]

    assert ranks(released=False) == [1, 2, 3, 3]
    assert ranks(released=True) == [0, 0, 1, 2]
    first = grow(None, r, 0.7, False)
    assert first.abs().T.round(decimals=5).tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0]]
    # Of 4 + 1 + 4 the old directions cover 5; 0.5 asks for no more, 0.6 for one.
    more = torch.diag(torch.tensor([2.0, 1.0, 0.0, 2.0]))
    more = torch.cat([more, torch.zeros(1, 4)])
    assert torch.equal(grow(first, more, 0.5, False), first)
    grown = grow(first, more, 0.6, False)
    assert torch.equal(grown[:, :2], first) and grown[:, 2].abs().round(decimals=5).tolist() == [
        0,
        0,
        0,
        1,
        0,
    ]
    # Fourth powers: 16 + 1 of 33 covered.
    assert grow(first, more, 0.51, True).shape[1] == 2 and grow(first, more, 0.52, True).shape[1] == 3
    torch.testing.assert_close(grown.T @ grown, torch.eye(3, dtype=torch.float64))
    assert grow(first, torch.zeros(5, 2), 0.5, True).shape[1] == 2


@pytest.mark.parametrize("rule", ["released", "plain"])
def test_pgp_spans_pictures_prompts_and_queries_and_projects_from_the_second_task_on(rule: Any) -> None:
    # Below that the released rule may leave the first basis empty.
    share = 0.9999999 if rule == "released" else 0.9
    method = PGP(rule=rule, threshold=share, key_threshold=share, components=3, key_components=2, **QUICK)
    learner = begun(method, 2)
    start = learner.prompts["prompt"].detach().clone()
    one = task(4, 7)
    learner.learn(one, 1)
    tokens = learner.encoder.tokens(one.x)[:, 1:].double().numpy()
    queries = learner.encoder.queries(learner.encoder.tokens(one.x)).double().numpy()
    if rule == "released":
        pictures = principal(torch.tensor(tokens.sum(1).T), 3)
        keys = principal(torch.tensor(queries.T), 2)
    else:
        now = learner.prompts["prompt"].detach().double().reshape(-1, WIDTH).numpy()
        pictures = torch.tensor(np.concatenate([tokens.reshape(-1, WIDTH), now]).T)
        keys = torch.tensor(queries.T)
    for name, columns in (("prompt", pictures), ("key", keys)):
        expected = grow(None, columns, share, rule == "released")
        found = learner.memory[f"basis.{name}"].double()
        assert found.shape == expected.shape
        torch.testing.assert_close(found @ found.T, expected @ expected.T, atol=1e-5, rtol=0)
    held = learner.bases
    lesson = opened(learner, task(2, 9), (4, 7))
    descent = learner.optimizer(learner.network)
    grads = {n: torch.ones_like(p) for n, p in learner.network.named_parameters()}
    descent.alter(grads)
    for name in ("prompt", "key"):
        assert held[name].shape[1] > 0
        assert value((grads[f"prompts.{name}"] @ held[name]).abs().max()) < 1e-5
    assert value(grads["head.weight"].min()) == 1.0 and lesson.old == 2
    assert not torch.equal(start, learner.prompts["prompt"])


def test_pgp_on_dualprompt_spans_what_each_block_asks_with() -> None:
    method = PGP(on="dualprompt", rule="plain", threshold=0.8, **QUICK)
    learner = begun(method)
    one = task(4, 7)
    learner.learn(one, 1)
    tokens = learner.encoder.tokens(one.x)
    chosen = learner.chosen(learner.encoder.queries(tokens), vote=False)
    asked = learner.encoder.tapped(tokens, learner.prefixes(chosen))
    for number in range(5):
        expected = grow(None, asked[number].reshape(-1, WIDTH).T, 0.8, False)
        found = learner.memory[f"basis.block.{number}"].double()
        torch.testing.assert_close(found @ found.T, expected @ expected.T, atol=1e-5, rtol=0)
    held = learner.bases
    opened(learner, task(2, 9), (4, 7))
    descent = learner.optimizer(learner.network)
    grads = {n: torch.ones_like(p) for n, p in learner.network.named_parameters()}
    descent.alter(grads)
    for number, part in enumerate([*grads["prompts.general"], *grads["prompts.expert"]]):
        assert value((part[0] @ held[f"block.{number}"]).abs().max()) < 1e-5
        assert value(part[1].min()) == 1.0
    assert value(grads["prompts.key"].min()) == 1.0


def test_pgp_has_the_settings_of_its_code() -> None:
    l2p, dual = PGP().projected(), PGP(on="dualprompt", epochs=3).projected()
    assert (l2p.epochs, l2p.batch, l2p.lr, l2p.pull) == (5, 16, 0.001875, 0.1)
    assert (dual.epochs, dual.batch, dual.lr, dual.pull) == (3, 24, 0.0028125, 1.0)
    assert (PGP().most, PGP(on="dualprompt").most, PGP(components=4).most) == (9, 50, 4)
