"""The policy of LCS: its distribution, and that its gradient points at what the parser finds hard."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.compositional.policy import K, Policy, score_function_loss, straight_through_loss
from methods.compositional.vocabulary import EOS, PAD

SOURCE = torch.tensor([[4, 5, 6, EOS], [5, EOS, PAD, PAD]])
CANDIDATES = torch.tensor([[0, 1, 2], [3, -1, -1]])
EXCHANGEABLE = torch.tensor(
    [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 1, 1, 1]], dtype=torch.bool
)


def policy(seed: int = 0) -> Policy:
    torch.manual_seed(seed)
    return Policy(8, 5, embed=6, hidden=4, width=7, dropout=0.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_logits_are_bounded_and_masked_places_are_impossible(seed: int) -> None:
    net = policy(seed)
    context = net.read(SOURCE)
    logits = net.out_logits(context, CANDIDATES)
    assert (logits[CANDIDATES >= 0].abs() <= K + 1e-5).all()
    p = logits.softmax(-1)
    assert p[CANDIDATES < 0].max() < 1e-6
    assert p.sum(1).tolist() == pytest.approx([1, 1])
    allowed = EXCHANGEABLE[[2, 3]]
    inward = net.in_logits(context, net.outgoing.weight[[2, 3]], allowed)
    assert (inward[allowed].abs() <= K + 1e-5).all()
    assert inward.softmax(-1)[~allowed].max() < 1e-6
    # bounded logits: no admissible component is more than e^(2k) times as likely as another
    odds = inward[allowed].max() - inward[allowed].min()
    assert math.exp(odds.item()) <= math.exp(2 * K) + 1e-3


def test_draws_are_admissible_and_one_hot() -> None:
    choices = policy().draw(SOURCE, CANDIDATES, EXCHANGEABLE, 50)
    for t in range(50):
        for b in range(2):
            leaving = CANDIDATES[b, choices.out[t, b]].item()
            assert leaving >= 0
            assert EXCHANGEABLE[leaving, choices.into[t, b]]
    assert choices.z_out.sum(-1).allclose(torch.ones(50, 2))
    assert choices.z_in.gather(2, choices.into[..., None]).allclose(torch.ones(50, 2, 1))


def test_a_sentence_is_read_the_same_alone_and_padded() -> None:
    net = policy()
    torch.testing.assert_close(net.read(SOURCE)[1:], net.read(SOURCE[1:, :2]))


@pytest.mark.parametrize("loss", [straight_through_loss, score_function_loss])
def test_equal_losses_teach_nothing(loss: object) -> None:
    net = policy()
    choices = net.draw(SOURCE, CANDIDATES, EXCHANGEABLE, 4)
    loss(choices, torch.full((4, 2), 1.7)).backward()  # type: ignore[operator]
    assert all(p.grad is None or p.grad.abs().max() == 0 for p in net.parameters())


@pytest.mark.parametrize("loss", [straight_through_loss, score_function_loss])
def test_one_draw_is_refused_since_it_is_its_own_baseline(loss: object) -> None:
    choices = policy().draw(SOURCE, CANDIDATES, EXCHANGEABLE, 1)
    with pytest.raises(ValueError, match="two draws"):
        loss(choices, torch.ones(1, 2))  # type: ignore[operator]


@pytest.mark.parametrize("loss", [straight_through_loss, score_function_loss])
def test_a_component_that_always_hurts_becomes_likelier(loss: object) -> None:
    net = policy()
    adam = torch.optim.Adam(net.parameters(), lr=0.02)
    one = (SOURCE[:1], CANDIDATES[:1, 2:], EXCHANGEABLE)  # component 2 leaves; 2, 3 or 4 may enter

    def chance() -> float:
        context = net.read(one[0])
        return net.in_logits(context, net.outgoing.weight[[2]], EXCHANGEABLE[[2]]).softmax(-1)[0, 4].item()

    before = chance()
    for _ in range(60):
        choices = net.draw(*one, 4)
        losses = (choices.into == 4).float()
        adam.zero_grad()
        loss(choices, losses).backward()  # type: ignore[operator]
        adam.step()
    assert chance() > 2 * before


def test_the_score_function_estimate_matches_enumeration() -> None:
    """Mean of many estimates against the exact gradient of -E[L] over all admissible pairs."""
    net = policy(3)
    source, candidates = SOURCE[:1], CANDIDATES[:1]
    table = torch.rand(5, generator=torch.Generator().manual_seed(1))  # loss of the entering component
    context = net.read(source)
    p_out = net.out_logits(context, candidates).softmax(-1)[0]
    expected = torch.zeros(())
    for i, leaving in enumerate(candidates[0].tolist()):
        p_in = net.in_logits(context, net.outgoing.weight[[leaving]], EXCHANGEABLE[[leaving]]).softmax(-1)[0]
        expected = expected + p_out[i] * (p_in * table).sum()
    (exact,) = torch.autograd.grad(-expected, net.incoming.weight)
    torch.manual_seed(5)
    total = torch.zeros_like(exact)
    rounds = 40
    for _ in range(rounds):
        choices = net.draw(source, candidates, EXCHANGEABLE, 400)
        (g,) = torch.autograd.grad(score_function_loss(choices, table[choices.into]), net.incoming.weight)
        total += g / rounds
    assert torch.nn.functional.cosine_similarity(total.ravel(), exact.ravel(), dim=0) > 0.98
    assert (total - exact).norm() < 0.2 * exact.norm()
