"""How well the language model does each task, by the number of examples it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

import numpy as np
import torch

from suite.models.training import Streams
from suite.models.zoo.lm_tasks import TASKS, TRAINED, Example, trained_with
from suite.models.zoo.lm_text import IGNORED, Row, padded, row
from suite.models.zoo.recipe import Table, Workshop

SHOTS = (0, 1, 2, 4)
FORMATS = (*((True, k) for k in SHOTS), *((False, k) for k in SHOTS[1:]))
TEST_SEED = 1


def episodes_to_test(name: str, shots: int, n: int) -> list[list[Example]]:
    """n episodes of shots + 1 examples of the test split whose last answer the others determine; the same in
    both formats.
    """
    rng, found = Streams(TEST_SEED).numpy(f"test {name}", shots), list[list[Example]]()
    draw = Random(int(rng.integers(2**62)))
    while len(found) < n:
        examples = list(islice(TASKS[name].episode(draw, "test", True), shots + 1))
        if examples[-1].known:
            found.append(examples)
    return found


def answerable(name: str, instructed: bool, shots: int) -> bool:
    """Whether anything in the prompt says what the task is."""
    return shots > 0 or (instructed and TASKS[name].named)


def exact_match(model: Any, rows: Sequence[Row]) -> float:
    """Per cent of rows whose answer greedy decoding gives.

    One pass does: greedy decoding gives the answer where each of its tokens is the likeliest after those
    before it.
    """
    ids, goal = padded(rows)
    with torch.inference_mode():
        states = model.model(input_ids=ids, use_cache=False).last_hidden_state
        wanted = goal != IGNORED
        right = torch.ones_like(wanted)
        right[wanted] = model.lm_head(states[wanted]).argmax(-1) == goal[wanted]
    return 100 * float(right.all(1).float().mean())


def guess(episodes: Sequence[Sequence[Example]]) -> float:
    """Per cent right without understanding: the better of the most frequent answer and a random shot's."""
    answers = [episode[-1].answer for episode in episodes]
    frequent = max(answers.count(answer) for answer in set(answers)) / len(answers)
    copied = [np.mean([shot.answer == episode[-1].answer for shot in episode[:-1]]) for episode in episodes]
    return 100 * max(frequent, float(np.mean(copied)))


@dataclass(frozen=True)
class Scores:
    """Exact match in per cent by (task, instructed, shots), and each task's guess at the most shots."""

    found: dict[tuple[str, bool, int], float]
    guesses: dict[str, float]

    def mean(self, shots: int) -> float:
        """Over all tasks and formats."""
        return float(np.mean([value for key, value in self.found.items() if key[2] == shots]))

    def tables(self) -> list[Table]:
        """Trained tasks, and apart those held out."""
        head = ("task", "guess", *(f"told, {k}" for k in SHOTS), *(f"examples, {k}" for k in SHOTS[1:]))
        out = [name for name in TASKS if name not in TRAINED]
        note = (
            "Per cent exact match of the greedy answer on questions of the test split, none of which is "
            "asked in training. 'told': with the task's name as instruction, 'examples': by examples alone; "
            "the number is that of the examples. 'guess': the better of the most frequent answer and the "
            f"answer of a random example, at {SHOTS[-1]} examples."
        )
        starred = (
            " * This task is never trained in this format. The names of tasks with a star under 'told' are "
            "words that the model has not read. The means leave the stars out."
        )
        unseen = " Neither the task nor its name is in the training data."
        return [
            Table("Trained tasks", head, (*map(self._row, TRAINED), self._means(TRAINED)), note + starred),
            Table("Held-out tasks", head, (*map(self._row, out), self._means(out)), note + unseen),
        ]

    def _row(self, name: str) -> tuple[str | float, ...]:
        return (name, self.guesses[name], *(self._cell(name, told, k) for told, k in FORMATS))

    def _cell(self, name: str, told: bool, shots: int) -> str | float:
        value = self.found.get((name, told, shots))
        if value is None:
            return "-"
        starred = name in TRAINED and not trained_with(name, told)
        return f"{value:.1f}*" if starred else value

    def _means(self, names: Sequence[str]) -> tuple[str | float, ...]:
        cells: list[str | float] = ["**mean**", float(np.mean([self.guesses[name] for name in names]))]
        for told, shots in FORMATS:
            values = [self._cell(name, told, shots) for name in names]
            cells.append(float(np.mean([value for value in values if isinstance(value, float)])))
        return tuple(cells)


def measure(model: Any, n: int, workshop: Workshop, shots: Sequence[int] = SHOTS) -> Scores:
    """Exact match on n questions of every task, in both formats, after so many examples."""
    found, guesses = {}, {}
    for i, name in enumerate(TASKS):
        workshop.report("testing", i, len(TASKS))
        for k in shots:
            if not answerable(name, True, k):
                continue
            episodes = episodes_to_test(name, k, n)
            for told in (True, False):
                if answerable(name, told, k):
                    rows = [row(episode, name if told else "", only_last=True) for episode in episodes]
                    found[name, told, k] = exact_match(model, rows)
        guesses[name] = guess(episodes)
    return Scores(found, guesses)
