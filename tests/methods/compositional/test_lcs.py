"""LCS: the two players' alternation, what they may make, and that a kill changes nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from methods.compositional import training
from methods.compositional.actions import Actions, Taken
from methods.compositional.alternation import Players
from methods.compositional.lcs import Lcs
from methods.compositional.neural import Session
from methods.compositional.scan_components import exchangeable
from methods.compositional.soft_splice import entering, pool_ids, splice, teacher_forced
from methods.compositional.vocabulary import Vocabulary
from suite.api import Context
from tasks.compositional.contract import Example, Problem
from tasks.compositional.scan.grammar import interpret

COMMANDS = [
    "walk left twice and run",
    "look after walk right",
    "jump",
    "run left",
    "look left thrice",
    "walk",
]
TRAIN = [Example(c, interpret(c)) for c in COMMANDS]
PROBLEM = Problem("scan", TRAIN, [], frozenset(), interpret, 53)
SMALL = {
    "hidden": 8,
    "embed": 8,
    "batch": 4,
    "steps": 12,
    "policy_embed": 4,
    "policy_hidden": 4,
    "policy_width": 4,
}


def session() -> Session:
    words = (Vocabulary.of(e.x for e in TRAIN), Vocabulary.of(e.y for e in TRAIN))
    return Session(PROBLEM, TRAIN, [], words, Context(seed=0))


def players(**fields: Any) -> Players:
    torch.manual_seed(0)
    method = Lcs(**SMALL | fields)
    found = session()
    return Players(method, method.network(found.vocabularies), found)


def weights(module: torch.nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def moved(module: torch.nn.Module, before: list[torch.Tensor]) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(module.parameters(), before, strict=True))


ESTIMATORS = ["st_gumbel_advantage", "score_function", "differentiable_embedding"]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_policy_step_moves_the_policy_and_not_the_parser(estimator: str) -> None:
    game = players(estimator=estimator)
    parser, policy = weights(game.parser), weights(game.policy)
    game.ascend(0)
    assert not moved(game.parser, parser) and moved(game.policy, policy)
    assert all(p.requires_grad for p in game.parser.parameters())


def test_a_parser_step_moves_the_parser_and_not_the_policy() -> None:
    game = players()
    parser, policy = weights(game.parser), weights(game.policy)
    batch = game.made_batch(0)
    loss = training.plain_loss(game.parser, batch, 0)
    training.update(game.parser_adam, game.parameters, loss, 1.0)
    assert moved(game.parser, parser) and not moved(game.policy, policy)


def test_every_action_is_an_admissible_substitution_with_the_right_label() -> None:
    actions = Actions.of(TRAIN, "scan", 10)
    for line in actions.hosts.tolist():
        for out, into in actions.pairs(line):
            assert exchangeable(actions.leaving[line][out], actions.components[into])
            made = actions.make(line, out, into)
            assert made.y == interpret(made.x)
            assert made != TRAIN[line]


def test_at_most_limit_candidates_leave_a_line() -> None:
    few = Actions.of(TRAIN, "scan", 2)
    assert few.candidates.shape == (len(TRAIN), 2)
    assert max(map(len, few.leaving)) == 2
    assert (few.candidates[2] >= 0).sum() == len(few.leaving[2])


def test_the_uniform_control_picks_every_pair_equally_often() -> None:
    game = players(policy="uniform", batch=6000)
    line = 3  # "run left"
    pairs = game.actions.pairs(line)
    torch.manual_seed(0)
    import numpy as np

    counts = Counter((o, i) for _, o, i in game._uniform(np.full(6000, line)))
    expected = 6000 / len(pairs)
    chi2 = sum((counts[p] - expected) ** 2 / expected for p in pairs)
    from scipy.stats import chi2 as distribution

    assert set(counts) == set(pairs)
    assert distribution.sf(chi2, len(pairs) - 1) > 0.001


def test_what_was_made_is_reported_once_and_without_training_lines() -> None:
    game = players(policy="uniform", batch=64)
    for step in range(5):
        game.made_batch(step)
    made = game.made()
    assert made
    assert len({a.x for a in made}) == len(made)
    assert not {a.x for a in made} & set(COMMANDS)
    assert all(a.y == interpret(a.x) for a in made)


def test_taken_actions_survive_a_checkpoint() -> None:
    actions = Actions.of(TRAIN, "scan", 10)
    first, second = Taken(actions), Taken(actions)
    first.add(0, 1, 2)
    first.add(4, 0, 3)
    second.load_state_dict(first.state_dict())
    assert list(second.all()) == [(0, 1, 2), (4, 0, 3)]


class Killed(Exception):
    pass


@pytest.mark.parametrize("policy", ["learned", "uniform"])
def test_a_killed_alternation_continues_bit_for_bit(
    policy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_EVERY_S", -1.0)
    method = Lcs(**SMALL, policy=policy, warm_up=0.25)

    def fit(folder: Path | None, die_at: int | None = None) -> Any:
        def report(label: str, done: int, total: int) -> None:
            if done == die_at:
                raise Killed

        return method.fit(PROBLEM, Context(seed=3, checkpoint=folder, report=report))

    whole = fit(None)
    with pytest.raises(Killed):
        fit(tmp_path, die_at=8)
    resumed = fit(tmp_path)
    assert resumed.augmented == whole.augmented
    first, second = whole.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_spliced_input_has_the_value_of_the_made_sentence() -> None:
    """With hard one-hots the soft input is the made sentence's own embedding, so the loss is the same."""
    game = players(dropout=0.0)
    game.parser.eval()
    actions, words = game.actions, game.session.vocabularies
    picks = [(line, *actions.pairs(line)[k]) for line in actions.hosts.tolist() for k in (0, -1)]
    pairs = [actions.make(*pick) for pick in picks]
    batch = training.collate(training.encode_pairs(pairs, words), "cpu")
    lines, outs, intos = (list(column) for column in zip(*picks, strict=True))
    places = entering(actions, lines, outs, intos, batch.source.shape[1])
    z = torch.nn.functional.one_hot(torch.tensor(intos), len(actions.components)).float().requires_grad_()
    embedded = splice(game.parser.source, batch.source, places, z, pool_ids(actions, words[0]))
    torch.testing.assert_close(embedded, game.parser.source(batch.source))
    log_p = teacher_forced(game.parser, embedded, batch)
    torch.testing.assert_close(log_p, game.parser(batch.source, batch.target))
    training.batch_nll(log_p, batch.target).backward()
    assert z.grad is not None and z.grad.abs().sum() > 0


def test_entering_tokens_are_numbered_at_every_place_of_a_word() -> None:
    actions = Actions.of([Example(c, interpret(c)) for c in ("walk and walk", "walk", "run")], "scan", 10)
    out = next(k for k, c in enumerate(actions.leaving[0]) if c.signature.grain == "word")
    into = next(i for o, i in actions.pairs(0) if o == out)
    assert actions.make(0, out, into) == Example("run and run", "I_RUN I_RUN")
    assert entering(actions, [0], [out], [into], 4).tolist() == [[0, -1, 0, -1]]


def test_single_draws_and_unknown_languages_are_refused() -> None:
    from suite.errors import Skip

    with pytest.raises(ValueError, match="at least 2"):
        Lcs(draws=1)
    with pytest.raises(Skip, match="not of cogs"):
        Actions.of(TRAIN, "cogs", 10)
