"""The policy of LCS: its distribution, and that its gradient points at what the parser finds hard."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from methods.compositional import policy as policies
from methods.compositional.actions import Actions
from methods.compositional.neural import Session
from methods.compositional.policy import Choices, K, Policy, score_function_loss, straight_through_loss
from methods.compositional.soft_splice import spliced_loss
from methods.compositional.substitutions import Piece, Slot, Substitutions
from methods.compositional.vocabulary import EOS, PAD, Vocabulary
from suite.api import Context
from tasks.compositional.contract import Example, Problem

SOURCE = torch.tensor([[4, 5, 6, EOS], [5, EOS, PAD, PAD]])
CANDIDATES = torch.tensor([[0, 1, 2], [3, -1, -1]])
KINDS = torch.tensor([[0, 0, 1], [1, 0, 0]])
ALLOWED = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 1, 1, 1]], dtype=torch.bool)
TWO = torch.tensor([[0, 0, 0, 1, 1]], dtype=torch.bool)  # one kind, which two pieces may enter
LOSSES = torch.tensor([[0.3, 0.9, 0.0, 0.0, 0.0], [0.5, 0.1, 0.0, 0.0, 0.0], [0.0, 0.0, 0.4, 0.8, 0.2]])
"""Of the first sentence: by what leaves (3 candidates) and what enters (5 pieces)."""


def policy(seed: int = 0) -> Policy:
    torch.manual_seed(seed)
    return Policy(8, (5, 5), embed=6, hidden=4, width=7, dropout=0.0)


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
    allowed = ALLOWED[[1, 1]]
    inward = net.in_logits(context, net.outgoing.weight[[2, 3]], allowed)
    assert (inward[allowed].abs() <= K + 1e-5).all()
    assert inward.softmax(-1)[~allowed].max() < 1e-6
    # bounded logits: no admissible component is more than e^(2k) times as likely as another
    odds = inward[allowed].max() - inward[allowed].min()
    assert math.exp(odds.item()) <= math.exp(2 * K) + 1e-3


def test_draws_are_admissible_and_one_hot() -> None:
    choices = policy().draw(SOURCE, CANDIDATES, KINDS, ALLOWED, 50)
    for t in range(50):
        for b in range(2):
            out = choices.out[t, b]
            assert CANDIDATES[b, out] >= 0
            assert ALLOWED[KINDS[b, out], choices.into[t, b]]
    assert choices.z_out.sum(-1).allclose(torch.ones(50, 2))
    assert choices.z_in.gather(2, choices.into[..., None]).allclose(torch.ones(50, 2, 1))


def test_a_sentence_is_read_the_same_alone_and_padded() -> None:
    net = policy()
    torch.testing.assert_close(net.read(SOURCE)[1:], net.read(SOURCE[1:, :2]))


@pytest.mark.parametrize("loss", [straight_through_loss, score_function_loss])
def test_equal_losses_teach_nothing(loss: object) -> None:
    net = policy()
    choices = net.draw(SOURCE, CANDIDATES, KINDS, ALLOWED, 4)
    loss(choices, torch.full((4, 2), 1.7)).backward()  # type: ignore[operator]
    assert all(p.grad is None or p.grad.abs().max() == 0 for p in net.parameters())


@pytest.mark.parametrize("loss", [straight_through_loss, score_function_loss])
def test_one_draw_is_refused_since_it_is_its_own_baseline(loss: object) -> None:
    choices = policy().draw(SOURCE, CANDIDATES, KINDS, ALLOWED, 1)
    with pytest.raises(ValueError, match="two draws"):
        loss(choices, torch.ones(1, 2))  # type: ignore[operator]


@pytest.mark.parametrize("loss", [straight_through_loss, score_function_loss])
def test_a_component_that_always_hurts_becomes_likelier(loss: object) -> None:
    net = policy()
    adam = torch.optim.Adam(net.parameters(), lr=0.02)
    one = (SOURCE[:1], CANDIDATES[:1, 2:], KINDS[:1, 2:], ALLOWED)  # component 2 leaves; 2, 3 or 4 may enter

    def chance() -> float:
        context = net.read(one[0])
        return net.in_logits(context, net.outgoing.weight[[2]], ALLOWED[1:]).softmax(-1)[0, 4].item()

    before = chance()
    for _ in range(60):
        choices = net.draw(*one, 4)
        losses = (choices.into == 4).float()
        adam.zero_grad()
        loss(choices, losses).backward()  # type: ignore[operator]
        adam.step()
    assert chance() > 2 * before


def test_a_large_pool_gets_the_same_logits_without_holding_every_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = policy(4)
    context = net.read(SOURCE)
    small = net.in_logits(context, net.outgoing.weight[[2, 3]], ALLOWED)
    monkeypatch.setattr(policies, "ELEMENTWISE", 4)
    large = net.in_logits(context, net.outgoing.weight[[2, 3]], ALLOWED)
    torch.testing.assert_close(large, small)
    weight = torch.rand(2, 5)
    of_small = torch.autograd.grad((small * weight).sum(), net.query.weight, retain_graph=True)
    of_large = torch.autograd.grad((large * weight).sum(), net.query.weight)
    torch.testing.assert_close(of_large, of_small)


def enumerated(net: Policy) -> torch.Tensor:
    """E[L] of the first sentence over all admissible pairs, by the sum over them."""
    context = net.read(SOURCE[:1])
    p_out = net.out_logits(context, CANDIDATES[:1]).softmax(-1)[0]
    expected = torch.zeros(())
    for i, leaving in enumerate(CANDIDATES[0].tolist()):
        p_in = net.in_logits(context, net.outgoing.weight[[leaving]], ALLOWED[KINDS[:1, i]]).softmax(-1)[0]
        expected = expected + p_out[i] * (p_in * LOSSES[i]).sum()
    return expected


def gradient(net: Policy, value: torch.Tensor) -> torch.Tensor:
    """The gradient of a value by everything that the policy has, as one vector."""
    found = torch.autograd.grad(value, list(net.parameters()), allow_unused=True)
    flat = [torch.zeros_like(p) if g is None else g for p, g in zip(net.parameters(), found, strict=True)]
    return torch.cat([g.ravel() for g in flat])


def estimates(net: Policy, loss: Callable[..., torch.Tensor], draws: int, rounds: int) -> torch.Tensor:
    """Independent estimates (rounds, parameters) of the gradient of -E[L], each of 500 times the sentence."""
    torch.manual_seed(5)
    many = [t[:1].expand(500, -1) for t in (SOURCE, CANDIDATES, KINDS)]
    found = []
    for _ in range(rounds):
        choices = net.draw(*many, ALLOWED, draws, through=loss is not score_function_loss)
        found.append(gradient(net, loss(choices, LOSSES[choices.out, choices.into])))
    return torch.stack(found)


@pytest.mark.parametrize("draws", [2, 4])
def test_the_score_function_estimate_matches_enumeration(draws: int) -> None:
    """Without bias for any number of draws: within Monte-Carlo error of the gradient of -E[L] over all pairs,
    in all parameters, and with little error left."""
    net = policy(3)
    exact = gradient(net, -enumerated(net))
    found = estimates(net, score_function_loss, draws, 40)
    mean, error = found.mean(0), found.std(0) / 40**0.5
    assert (mean - exact).norm() < 3 * error.norm()
    assert error.norm() < 0.02 * exact.norm()


def test_the_straight_through_estimate_is_biased_but_climbs() -> None:
    """Its length is another (it grows with the draws), its direction near that of the exact gradient."""
    net = policy(3)
    exact = gradient(net, -enumerated(net))
    found = estimates(net, straight_through_loss, 4, 40)
    mean, error = found.mean(0), found.std(0) / 40**0.5
    assert (mean - exact).norm() > 5 * error.norm()
    assert torch.nn.functional.cosine_similarity(mean, exact, dim=0) > 0.9


class Linear(torch.nn.Module):
    """A parser whose loss is the sum of its inputs' embeddings (one number each): linear in them."""

    def __init__(self, losses: list[float]) -> None:
        super().__init__()
        self.source = torch.nn.Embedding.from_pretrained(torch.tensor(losses)[:, None])

    def encode(self, embedded: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        return embedded.sum((1, 2))

    def decode(self, target: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return -memory[:, None, None].expand(*target.shape, self.source.num_embeddings), memory


class Words(Substitutions):
    """One-word lines and one-word pieces w0 to w4; anything may enter anywhere."""

    def __init__(self, n: int) -> None:
        self.train = [Example("w2", "y")] * n
        self.pieces = [Piece(f"w{k}", "word", 0) for k in range(5)]

    def slots(self, line: int) -> list[Slot]:
        return [Slot("w2", "word", 2, 0, 1)]

    def admitted(self, kind: object) -> list[int]:
        return [0, 1, 2, 3, 4]

    def make(self, line: int, slot: Slot, piece: int) -> Example:
        return Example(f"w{piece}", "y")


def spliced(choices: Choices) -> torch.Tensor:
    """The loss of `differentiable_embedding` on a parser that finds piece k 0.1 + k / 10 hard."""
    n = choices.out.shape[1]
    words = Vocabulary.of(["w0 w1 w2 w3 w4", "y"])
    costs = [0.1 + int(t[1]) / 10 if t[0] == "w" else 0.0 for t in words.tokens]
    problem = Problem("toy", [], [], frozenset(), str, 1)
    known = Session(problem, [], [], (words, words), Context(seed=0))
    actions = Actions.on(Words(n), 1)
    return spliced_loss(Linear(costs), actions, list(range(n)), choices, known)


def test_the_soft_input_tells_the_loss_of_every_piece_where_the_parser_is_linear() -> None:
    """Exact: d loss / d z_j is the negative loss of the line with piece j, for all j at once."""
    z_in = torch.nn.functional.one_hot(torch.tensor([[3]]), 5).float().requires_grad_()
    one = torch.ones(1, 1, 1)
    spliced(Choices(torch.tensor([[0]]), torch.tensor([[3]]), one, z_in, one[0])).backward()
    assert z_in.grad is not None
    assert z_in.grad[0, 0].tolist() == pytest.approx([-0.1, -0.2, -0.3, -0.4, -0.5])


def climbing(estimator: str, d: float, draws: int) -> float:
    """What an estimator's gradient is on average, as a derivative by d, the difference of the logits of two
    pieces with losses 0.4 and 0.5. Worked out apart from the code: the difference of two Gumbel variables is
    logistic, so a draw is a logistic number l, soft choice s(d + l), and the second piece where d + l > 0.
    """
    s = 1 / (1 + math.exp(-d))

    def slope(x: float) -> float:
        return 1 / (2 + math.exp(x) + math.exp(-x))

    second = quad(lambda x: slope(d + x) * slope(x), -d, 40)[0]
    first = quad(lambda x: slope(d + x) * slope(x), -40, -d)[0]
    return (
        0.1
        * {
            "score_function": s * (1 - s),  # the exact derivative of E[L]
            "st_gumbel_advantage": (draws - 1) * ((1 - s) * second + s * first),
            "differentiable_embedding": first + second,
        }[estimator]
    )


@pytest.mark.parametrize("estimator", ["score_function", "st_gumbel_advantage", "differentiable_embedding"])
def test_every_estimator_is_on_average_what_is_worked_out_for_two_pieces(estimator: str) -> None:
    """Along the gradient of d, since nothing else can move; the three differ by positive factors alone."""
    net, n, rounds, draws = policy(7), 200, 20, 3
    with torch.no_grad():
        net.incoming.weight[4] += net.incoming.weight[3]
    many = (SOURCE[:1].expand(n, -1), CANDIDATES[:1, 2:].expand(n, -1), torch.zeros(n, 1, dtype=torch.long))
    logits = net.in_logits(net.read(SOURCE[:1]), net.outgoing.weight[[2]], TWO)[0]
    d = logits[4] - logits[3]
    along = gradient(net, d)
    torch.manual_seed(2)
    found = []
    for _ in range(rounds):
        choices = net.draw(*many, TWO, draws)
        if estimator == "differentiable_embedding":
            loss = spliced(choices)
        else:
            of = score_function_loss if estimator == "score_function" else straight_through_loss
            loss = of(choices, 0.1 + choices.into / 10)
        up = -gradient(net, loss)
        factor = (up @ along) / (along @ along)
        torch.testing.assert_close(up, factor * along, rtol=1e-3, atol=1e-6)
        found.append(factor.item())
    mean, error = statistics.mean(found), statistics.stdev(found) / rounds**0.5
    expected = climbing(estimator, d.item(), draws)
    assert abs(mean - expected) < 4 * error
    assert error < 0.1 * expected
