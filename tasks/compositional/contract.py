"""What a competitor in compositional generalization implements: `fit`, then `predict`.

A problem is a supervised sequence-to-sequence task whose test set recombines the parts of its training
set (SCAN, COGS, GeoQuery). Sequences are strings of tokens joined by single blanks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from suite.api import Context, Method

Setting = Literal["training", "in-context"]


class Example(NamedTuple):
    """An input and its output, tokens joined by single blanks."""

    x: str
    y: str


class Augmented(NamedTuple):
    """An example that a method made, with where it comes from.

    host: index of the training example it was made from (-1 where there is no single one);
    how: the substitutions in order, readable, enough to make the same pair again.
    """

    x: str
    y: str
    host: int
    how: str

    @property
    def example(self) -> Example:
        return Example(self.x, self.y)


@dataclass(frozen=True)
class Problem:
    """One task as a competitor sees it; the test outputs are not in it.

    language: which grammar the sequences are of ("scan", "cogs", "cogs-ql", "geoquery"); component grammars
    are chosen by it.
    train: the training lines in order, duplicates kept. dev: held-out lines of the training distribution.
    held_out: the inputs of dev and test, for methods that promise never to train on one.
    interpret: the reference interpreter, raising ValueError outside the language; None for a language that
    has none (GeoQuery). For the ceiling only: any other competitor that calls it is disqualified by
    `suite check`.
    max_output: the cap on decoded tokens, 1.1 times the longest output of the task.
    budget: the share of its optimiser steps that a trained competitor takes on this task, the same for all.
    """

    language: str
    train: Sequence[Example]
    dev: Sequence[Example]
    held_out: frozenset[str]
    interpret: Callable[[str], str] | None
    max_output: int
    budget: float = 1.0


@dataclass
class Fitted(ABC):
    """A trained competitor.

    augmented: the distinct examples the method added to the training set, which the task checks for
    label consistency and overlap. facts: numbers of the fit or of the predictions, by the names in
    `metrics.FACTS` ("parameters", "steps", "examples_seen").
    """

    augmented: Sequence[Augmented] = field(default=(), kw_only=True)
    facts: Mapping[str, float] = field(default_factory=dict, kw_only=True)

    @abstractmethod
    def predict(self, inputs: Sequence[str]) -> list[str]:
        """One output for each input, in order; changes no state and does not depend on the batch."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what `Learner.load` needs (safetensors and JSON) into an existing folder."""


class Learner(Method):
    """A competitor: trains on a problem, then predicts outputs of unseen inputs.

    competes: the kinds of task that it takes part in: "training" (a parser is trained on the training lines)
    or "in-context" (a frozen model is shown some of them). Elsewhere the pair is skipped.
    """

    competes: ClassVar[frozenset[Setting]] = frozenset({"training"})

    @abstractmethod
    def fit(self, problem: Problem, ctx: Context) -> Fitted:
        """Train on `problem`; every random choice comes from `ctx`."""

    @abstractmethod
    def load(self, folder: Path) -> Fitted:
        """What `Fitted.save` wrote, predicting the same."""
