"""LCS: the two players' alternation, what they may make, and that a kill changes nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.compositional import alternation, training
from methods.compositional.actions import Actions, Taken
from methods.compositional.alternation import Players, parts
from methods.compositional.lcs import Lcs
from methods.compositional.neural import Session
from methods.compositional.soft_splice import entering, leaving_places, pool_ids, splice, teacher_forced
from methods.compositional.substitutions import Piece, Slot, Substitutions
from methods.compositional.vocabulary import Vocabulary
from suite.api import Context
from suite.errors import Skip
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


LETTERS = [Example(x, x.upper()) for x in ("the cat sees the dog", "the dog sees an owl", "rain")]


class Letters(Substitutions):
    """A toy whose label is the input in capitals. What enters depends on the place and not on the piece: a
    subject may become any noun, an object an owl too; the pool has been thinned and lacks 'an owl' as host.
    """

    nouns = ("cat", "dog", "cow")

    def __init__(self, train: list[Example] = LETTERS) -> None:
        self.train = train
        self.pieces = [Piece(f"the {noun}", "noun", 0) for noun in self.nouns] + [Piece("it", "it", 2)]

    def slots(self, line: int) -> list[Slot]:
        names = [piece.x for piece in self.pieces]
        words = self.train[line].x.split()
        if len(words) < 5:
            return []
        spans = {"subject": (0, 2), "verb": (2, 3), "object": (3, 5)}
        found = [(kind, " ".join(words[start:end]), start, end) for kind, (start, end) in spans.items()]
        return [Slot(x, kind, names.index(x) if x in names else -1, a, b) for kind, x, a, b in found]

    def admitted(self, kind: object) -> list[int]:
        return {"subject": [0, 1, 2], "object": [0, 1, 2, 3]}.get(str(kind), [])

    def make(self, line: int, slot: Slot, piece: int) -> Example:
        words = self.train[line].x.split()
        x = " ".join([*words[: slot.start], self.pieces[piece].x, *words[slot.end :]])
        return Example(x, x.upper())


def session(train: list[Example] = TRAIN) -> Session:
    words = (Vocabulary.of(e.x for e in train), Vocabulary.of(e.y for e in train))
    return Session(PROBLEM, train, [], words, Context(seed=0))


def players(**fields: Any) -> Players:
    torch.manual_seed(0)
    method = Lcs(**SMALL | fields)
    found = session()
    return Players(method, method.network(found.vocabularies), found)


def all_pairs(actions: Actions, line: int) -> list[tuple[int, int]]:
    """Every (candidate, piece) that changes a line, straight from the definition."""
    return [
        (out, into)
        for out, slot in enumerate(actions.leaving[line])
        for into in actions.source.admitted(slot.kind)
        if into != slot.piece
    ]


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
        for out, into in all_pairs(actions, line):
            assert actions.leaving[line][out].kind == actions.pieces[into].kind
            made = actions.make(line, out, into)
            assert made.y == interpret(made.x)
            assert made != TRAIN[line]


def test_the_tables_say_what_may_leave_and_enter_by_the_kind_of_the_slot() -> None:
    """By hand: pieces 0 to 3; 'an owl' was thinned away and is known by its kind, number 4 + 1 (object)."""
    actions = Actions.on(Letters(), 3)
    assert actions.candidates.tolist() == [[0, 1, -1], [1, 5, -1], [-1, -1, -1]]
    assert actions.kinds.tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 0]]
    yes, no = True, False
    assert actions.allowed.tolist() == [[yes, yes, yes, no], [yes, yes, yes, yes]]
    assert actions.n_leaving == 4 + 2
    assert actions.hosts.tolist() == [0, 1]
    assert actions.describe(1, 1, 3) == "3:5 an owl -> it (line 2)"


def test_a_whole_pool_needs_no_kinds_among_what_leaves() -> None:
    actions = Actions.of(TRAIN, "scan", 10)
    assert actions.n_leaving == len(actions.pieces) > actions.candidates.max()
    assert actions.describe(3, 0, 1).startswith("span 0:2 run left -> ")


def test_a_slot_that_only_its_own_piece_may_enter_is_no_candidate() -> None:
    lonely = Actions.of([Example(c, interpret(c)) for c in ("walk twice", "run", "look")], "scan", 10)
    assert [s.x for s in lonely.source.slots(0)] == ["walk twice", "walk"]
    assert [s.x for s in lonely.leaving[0]] == ["walk"]  # no other phrase ends in a quantifier
    with pytest.raises(Skip, match="nothing to substitute"):
        Actions.of([Example("walk", "I_WALK")], "scan", 10)


def test_of_too_many_candidates_an_even_part_of_the_line_stays() -> None:
    few = Actions.of(TRAIN, "scan", 2)
    every = Actions.of(TRAIN, "scan", 10)
    assert few.candidates.shape == (len(TRAIN), 2)
    assert [len(slots) for slots in few.leaving] == [min(2, len(slots)) for slots in every.leaving]
    for some, slots in zip(few.leaving, every.leaving, strict=True):
        n = len(slots)
        assert list(some) == (list(slots) if n <= 2 else [slots[0], slots[n // 2]])


def test_the_uniform_control_picks_as_a_policy_with_equal_logits() -> None:
    """What leaves uniformly, then what enters for it, the slot's own piece among them."""
    import numpy as np
    from scipy.stats import chi2 as distribution

    game = players(policy="uniform", batch=6000)
    line = 3  # "run left"
    slots = game.actions.leaving[line]
    admitted = [game.actions.source.admitted(slot.kind) for slot in slots]
    chance = {
        (out, into): 1 / (len(slots) * len(pieces)) for out, pieces in enumerate(admitted) for into in pieces
    }
    assert all(slot.piece in pieces for slot, pieces in zip(slots, admitted, strict=True))
    torch.manual_seed(0)
    counts = Counter((o, i) for _, o, i in game._uniform(np.full(6000, line)))
    chi2 = sum((counts[p] - 6000 * q) ** 2 / (6000 * q) for p, q in chance.items())
    assert set(counts) <= set(chance) and sum(chance.values()) == pytest.approx(1)
    assert distribution.sf(chi2, len(chance) - 1) > 0.001


@pytest.mark.parametrize("policy", ["learned", "uniform"])
def test_the_parsers_batch_is_not_the_policys(policy: Any) -> None:
    game = players(policy=policy, batch=16)
    game.made_batch(3)
    used = game.taken.log[3, :, 0].tolist()
    assert used == game.hosts[3, 16:].tolist() != game.hosts[3, :16].tolist()


def test_what_was_made_is_reported_once_and_without_training_lines() -> None:
    game = players(policy="uniform", batch=64)
    for step in range(5):
        game.made_batch(step)
    made = game.made()
    assert made
    assert len({a.x for a in made}) == len(made)
    assert not {a.x for a in made} & set(COMMANDS)
    assert all(a.y == interpret(a.x) for a in made)


def test_taken_actions_survive_a_checkpoint_and_come_out_once_in_order() -> None:
    first, second = Taken(3, 2), Taken(3, 2)
    first.put(1, [(4, 0, 3), (0, 1, 2)])
    first.put(2, [(0, 1, 2), (0, 0, 70_000)])
    second.load_state_dict(first.state_dict())
    assert list(second.all()) == [(0, 0, 70_000), (0, 1, 2), (4, 0, 3)]
    assert list(Taken(2, 2).all()) == []


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


@pytest.mark.parametrize("toy", [False, True], ids=["scan", "toy"])
def test_a_spliced_input_has_the_value_of_the_made_sentence(toy: bool) -> None:
    """With hard one-hots the soft input is the made sentence's own embedding, so the loss is the same."""
    torch.manual_seed(0)
    found = session(LETTERS if toy else TRAIN)
    actions = Actions.on(Letters(), 3) if toy else Actions.of(TRAIN, "scan", 10)
    words = (Vocabulary.of([*(e.x for e in actions.train), "it cow"]), found.vocabularies[1])
    parser = Lcs(**SMALL | {"dropout": 0.0}).network(words).eval()
    picks = [(n, *pair) for n in actions.hosts.tolist() for pair in all_pairs(actions, n)]
    pairs = [actions.make(*pick) for pick in picks]
    batch = training.collate(training.encode_pairs(pairs, words), "cpu")
    places = entering(actions, picks, pairs)
    z = torch.nn.functional.one_hot(torch.tensor([j for *_, j in picks]), len(actions.pieces))
    z = z.float().requires_grad_()
    embedded = splice(parser.source, batch.source, places, z, pool_ids(actions, words[0]))
    torch.testing.assert_close(embedded, parser.source(batch.source))
    log_p = teacher_forced(parser, embedded, batch)
    torch.testing.assert_close(log_p, parser(batch.source, batch.target))
    training.batch_nll(log_p, batch.target).backward()
    assert z.grad is not None and (z.grad.abs().sum(1) > 0).all()


def test_entering_tokens_are_numbered_at_every_place_of_a_word_and_at_the_one_of_a_span() -> None:
    actions = Actions.of([Example(c, interpret(c)) for c in ("walk and walk", "walk", "run")], "scan", 10)
    run = {piece.kind: number for number, piece in enumerate(actions.pieces) if piece.x == "run"}
    made = [(0, out, run[slot.kind]) for out, slot in enumerate(actions.leaving[0])]
    pairs = [actions.make(*pick) for pick in made]
    assert [pair.x for pair in pairs] == ["run and walk", "walk and run", "run and run"]
    assert entering(actions, made, pairs).tolist() == [[0, -1, -1, -1], [-1, -1, 0, -1], [0, -1, 0, -1]]
    assert [leaving_places(actions, 0, out) for out in range(3)] == [
        [(0, 1)],
        [(2, 3)],
        [(0, 1), (2, 3)],
    ]


def test_a_word_that_changes_as_it_enters_keeps_its_own_embedding() -> None:
    """'The' at the start of a sentence stands for the pool's 'the', so only 'cow' is spliced in."""

    class Capital(Letters):
        def make(self, line: int, slot: Slot, piece: int) -> Example:
            x = super().make(line, slot, piece).x
            return Example(x[0].upper() + x[1:], x.upper())

    actions = Actions.on(Capital(), 3)
    pair = actions.make(0, 0, 2)
    assert pair.x == "The cow sees the dog"
    assert entering(actions, [(0, 0, 2)], [pair]).tolist() == [[-1, 1, -1, -1, -1, -1]]


class Afraid(torch.nn.Module):
    """A parser whose loss is 1, and 2 more for each place of one word: linear in the embedded input."""

    def __init__(self, words: Vocabulary, word: str) -> None:
        super().__init__()
        self.source = torch.nn.Embedding(len(words), 1)
        torch.nn.init.zeros_(self.source.weight)
        self.source.weight.data[words.ids[word]] = 2.0
        self.n_words = len(words)

    def encode(self, embedded: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        return 1 + embedded.sum((1, 2))

    def decode(self, target: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return -memory[:, None, None].expand(*target.shape, self.n_words), memory

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return self.decode(target, self.encode(self.source(source), source))[0]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_policy_learns_to_make_what_the_parser_finds_hard(
    estimator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One piece of three is always harder as subject; at most e^(2k) times as likely is (nearly) reached."""
    monkeypatch.setattr("methods.compositional.actions.substitutions", lambda *_, **__: Letters())
    torch.manual_seed(0)
    words = (Vocabulary.of([*(e.x for e in LETTERS), "it cow"]),) * 2
    found = Session(PROBLEM, LETTERS, [], words, Context(seed=0))
    sizes = {"batch": 16, "steps": 100, "lr": 0.03, "dropout": 0.0}
    game = Players(Lcs(**SMALL | sizes, estimator=estimator), Afraid(words[0], "cow"), found)

    @torch.no_grad()
    def chance() -> float:
        """Of 'the cow' as the new subject of the first line."""
        game.policy.eval()
        context = game.policy.read(torch.tensor([words[0].encode(LETTERS[0].x)]))
        leaving = game.policy.outgoing.weight[:1]
        return float(game.policy.in_logits(context, leaving, game.allowed[:1]).softmax(-1)[0, 2])

    before = chance()
    for step in range(100):
        game.ascend(step)
    assert before < 0.8 < chance()
    made = [game.actions.make(*pick).x for step in range(20) for pick in picks_of(game, step)]
    assert sum("cow" in x for x in made) / len(made) > 0.75


def picks_of(game: Players, step: int) -> list[tuple[int, int, int]]:
    game.made_batch(step)
    return [(n, out, into) for n, out, into in game.taken.log[step].tolist()]


def test_senseless_fields_and_unknown_languages_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2: a single draw"):
        Lcs(draws=1)
    with pytest.raises(ValueError, match="pool must be at least 2"):
        Lcs(pool=1)
    with pytest.raises(ValueError, match="candidates must be at least 1"):
        Lcs(candidates=0)
    with pytest.raises(Skip, match="no components are known of the language klingon"):
        Actions.of(TRAIN, "klingon", 10)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 200))
def test_parts_hold_every_row_once_and_fit_where_a_row_does(lengths: list[int], room: int) -> None:
    made = parts(lengths, room)
    assert sorted(k for part in made for k in part) == list(range(len(lengths)))
    for part in made:
        assert len(part) == 1 or len(part) * max(lengths[k] for k in part) <= room
    if len(lengths) * max(lengths) <= room:
        assert made == [list(range(len(lengths)))]


def test_rows_share_a_part_with_those_of_like_length() -> None:
    assert parts([5, 1, 4, 1, 2], 10) == [[0, 2], [4, 1, 3]]


def test_losses_in_parts_are_the_losses_of_each_sentence_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    game = players(dropout=0.0)
    game.parser.eval()
    hosts = game.hosts[0, :4]
    choices = game._draw(hosts, 3)
    whole = game._losses(hosts, choices)
    monkeypatch.setattr(alternation, "NUMBERS", 40 * len(game.session.vocabularies[1]))
    torch.testing.assert_close(game._losses(hosts, choices), whole)
    for t, b in ((0, 0), (1, 3), (2, 1)):
        pair = game.actions.make(int(hosts[b]), int(choices.out[t, b]), int(choices.into[t, b]))
        batch = training.collate(training.encode_pairs([pair], game.session.vocabularies), "cpu")
        alone = training.batch_nll(game.parser(batch.source, batch.target), batch.target)
        torch.testing.assert_close(whole[t, b], alone.detach())
