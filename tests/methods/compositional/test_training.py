"""The training loop: what a step sees, what it minimises, and that a kill changes nothing."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from methods.compositional import training
from methods.compositional.neural import Neural
from methods.compositional.training import Recipe
from methods.compositional.vocabulary import EOS, PAD
from suite.api import Context
from tasks.compositional.contract import Augmented, Example, Problem

PAIRS = [Example(f"{a} {b}", f"{b.upper()} {a.upper()}") for a in "abcd" for b in "abcd"]
PROBLEM = Problem("toy", PAIRS, [], frozenset(), lambda x: x, 4)
TINY = Neural(hidden=12, embed=8, dropout=0.2, batch=8, steps=25, lr=0.02)
RECIPE = Recipe(steps=40, batch=10, lr=1e-2, clip=1.0, aug_ratio=0.3, dtype="float32")


def test_the_learning_rate_rises_over_a_tenth_and_falls_to_nothing() -> None:
    assert [RECIPE.rate(s) for s in range(4)] == pytest.approx([0.0025, 0.005, 0.0075, 0.01])
    assert RECIPE.rate(4) == pytest.approx(0.01)
    assert RECIPE.rate(22) == pytest.approx(0.005)
    assert RECIPE.rate(40) == pytest.approx(0.0)


def test_without_augmentation_every_line_is_seen_equally_often() -> None:
    plan = training.schedule((25, 0), RECIPE, np.arange(25), np.random.default_rng(0))
    assert plan.shape == (40, 10)
    assert set(Counter(plan.ravel().tolist()).values()) == {400 // 25}


def test_augmented_examples_hold_their_share_of_the_places() -> None:
    recipe = Recipe(steps=500, batch=20, lr=1e-2, clip=1.0, aug_ratio=0.3, dtype="float32")
    plan = training.schedule((30, 10), recipe, np.ones(40, int), np.random.default_rng(0))
    # 10,000 places: three standard deviations of the share are 1.4 points
    assert (plan >= 30).mean() == pytest.approx(0.3, abs=0.014)
    assert set(plan.ravel()) == set(range(40))


def test_a_batch_holds_lines_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, 400)
    plan = training.schedule((400, 0), RECIPE, lengths, np.random.default_rng(1))
    spread = np.ptp(lengths[plan], axis=1).mean()
    shuffled = np.ptp(lengths[np.random.default_rng(2).permutation(plan.ravel()).reshape(plan.shape)], axis=1)
    assert spread < 0.5 * shuffled.mean()


def test_losses_leave_padding_out() -> None:
    p = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]], [[0.2, 0.4, 0.4], [0.9, 0.05, 0.05]]])
    target = torch.tensor([[2, 1], [1, PAD]])
    rows = training.token_nll(p.log(), target)
    assert rows.tolist() == pytest.approx([-(math.log(0.25) + math.log(0.2)) / 2, -math.log(0.4)])
    whole = training.batch_nll(p.log(), target).item()
    assert whole == pytest.approx(-(math.log(0.25) + math.log(0.2) + math.log(0.4)) / 3)


class Killed(Exception):
    pass


def fit(folder: Path | None, method: Neural = TINY, die_at: int | None = None) -> dict[str, torch.Tensor]:
    def report(label: str, done: int, total: int) -> None:
        if done == die_at:
            raise Killed

    torch.manual_seed(99)  # the fit must not depend on what ran before
    fitted: Any = method.fit(PROBLEM, Context(seed=3, checkpoint=folder, report=report))
    return fitted.model.state_dict()


@pytest.mark.parametrize("parser", ["lstm", "transformer"])
def test_a_killed_training_continues_bit_for_bit(
    parser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = Neural(parser=parser, hidden=16, embed=8, dropout=0.2, batch=8, steps=25, lr=0.02)
    monkeypatch.setattr(training, "CHECKPOINT_EVERY_S", -1.0)
    whole = fit(None, method)
    with pytest.raises(Killed):
        fit(tmp_path, method, die_at=13)
    assert (tmp_path / "training.safetensors").is_file()
    seen: list[int] = []
    original = training.plain_loss

    def counted(model: Any, batch: Any, step: int) -> Any:
        seen.append(step)
        return original(model, batch, step)

    monkeypatch.setattr(training, "plain_loss", counted)
    resumed = fit(tmp_path, method)
    assert seen == list(range(13, 25))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    first, second = fit(None), fit(None)
    assert all(torch.equal(first[name], second[name]) for name in first)
    other: Any = TINY.fit(PROBLEM, Context(seed=4))
    assert not torch.equal(other.model.state_dict()["write.weight"], first["write.weight"])


@pytest.mark.parametrize("parser", ["lstm", "transformer"])
def test_a_parser_learns_to_reverse_two_letters(parser: Any) -> None:
    method = Neural(parser=parser, hidden=32, embed=16, dropout=0.0, batch=16, steps=150, lr=0.01)
    fitted = method.fit(PROBLEM, Context(seed=0))
    assert fitted.predict([e.x for e in PAIRS]) == [e.y for e in PAIRS]
    assert fitted.facts["examples_seen"] == 2400


def test_a_saved_parser_predicts_the_same(tmp_path: Path) -> None:
    fitted = TINY.fit(PROBLEM, Context(seed=0))
    fitted.save(tmp_path)
    inputs = [e.x for e in PAIRS] + ["a", "d c b a", "unseen"]
    assert TINY.load(tmp_path).predict(inputs) == fitted.predict(inputs)


def test_a_task_can_leave_a_share_of_the_steps() -> None:
    half = TINY.fit(replace(PROBLEM, budget=0.5), Context(3))
    assert dict(half.facts) | {"parameters": 0} == {"parameters": 0, "steps": 12, "examples_seen": 12 * 8}
    # It is the training of as many steps, not the first half of a longer one.
    short = replace(TINY, steps=12).fit(PROBLEM, Context(3))
    for name, weights in short.model.state_dict().items():
        assert torch.equal(weights, half.model.state_dict()[name])
    assert TINY.fit(replace(PROBLEM, budget=0.001), Context(3)).facts["steps"] == 1


def test_duplicates_count_once_only_where_asked() -> None:
    class Seen(Neural):
        def batches(self, session: Any) -> Any:
            self.__dict__["lines"] = len(session.train)
            return super().batches(session)

    doubled = Problem("toy", PAIRS * 2, [], frozenset(), lambda x: x, 4)
    for dedup, lines in ((False, 32), (True, 16)):
        method = Seen(hidden=8, embed=4, batch=4, steps=1, dedup=dedup)
        method.fit(doubled, Context(seed=0))
        assert method.__dict__["lines"] == lines


def test_augmented_examples_extend_the_vocabulary_and_are_reported() -> None:
    class More(Neural):
        def augment(self, problem: Problem, ctx: Context) -> list[Augmented]:
            return [Augmented("z", "Z", 0, "by hand")]

    fitted: Any = More(hidden=8, embed=4, batch=4, steps=2).fit(PROBLEM, Context(seed=0))
    assert [a.x for a in fitted.augmented] == ["z"]
    assert "z" in fitted.vocabularies[0].ids and "Z" in fitted.vocabularies[1].ids


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("steps", 0, "steps must be at least 1"),
        ("dropout", 1.5, "dropout must lie in"),
        ("lr", 0.0, "positive"),
    ],
)
def test_impossible_settings_are_refused(field: str, value: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Neural(**{field: value})


def test_rows_are_closed_by_the_end_token_and_padded_on_the_right() -> None:
    batch = training.collate([([4, EOS], [5, 6, EOS]), ([4, 4, EOS], [EOS])], "cpu")
    assert batch.source.tolist() == [[4, EOS, PAD], [4, 4, EOS]]
    assert batch.target.tolist() == [[5, 6, EOS], [EOS, PAD, PAD]]
