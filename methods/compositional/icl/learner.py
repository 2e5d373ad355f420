"""The competitor: demonstrations chosen for each query, and a frozen reader that answers from them.

Stages and their sources are in the package's docstring; they are a reconstruction.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import ClassVar, Literal, NamedTuple, get_args

import numpy as np

from methods.compositional.icl.demonstrations import Demonstration, Kitchen, compose, coverage
from methods.compositional.icl.prompt import prompt
from methods.compositional.icl.readers import Limits, ProbeReader, Reader, language_model
from methods.compositional.icl.retrieval import Index, by_bm25, by_coverage, by_distance, index
from methods.compositional.icl.weighting import bits, draw
from methods.compositional.substitutions import substitutions
from suite.api import Context
from suite.errors import Skip
from tasks.compositional.contract import Augmented, Example, Fitted, Learner, Problem, Setting

FILE = "in_context.json"
Selection = Literal["random", "bm25", "knn", "coverage", "compsub", "lcs"]
MAKING = ("compsub", "lcs")


@dataclass(frozen=True)
class InContext(Learner):
    """A frozen reader shown `shots` demonstrations, the best next to the query.

    selection: how they are chosen. "random"; "bm25"; "knn" (edit distance); "coverage" (of the query's words
    and bigrams); "compsub" (training lines and what components of the query make of them); "lcs" (drawn from
    the best of these by difficulty, the hardest next to the query).
    seeds: training lines that substitution starts from, a third each by coverage, edit distance and BM25.
    considered: best candidates that "lcs" draws from. tau: temperature of that draw, in nats a token.
    strict: never make the query itself a demonstration, as substitution can.
    reader: "lm" is the base model of the task; "probe" is a deterministic rule that reads the prompt and
    measures what demonstrations hold. The probe is no language model.
    pool: at most so many distinct training lines, drawn at random but with every word of the training set;
    all of them when None. pieces: at most so many components (`substitutions`).
    batch, max_new_tokens, dtype: of the language model. max_new_tokens: None for what the problem's longest
    output needs, by the largest number of the model's tokens that a word of a training output takes.
    """

    competes: ClassVar[frozenset[Setting]] = frozenset({"in-context"})

    selection: Selection = "lcs"
    reader: Literal["lm", "probe"] = "lm"
    shots: int = 8
    seeds: int = 32
    considered: int = 16
    tau: float = 1.0
    strict: bool = False
    pool: int | None = None
    pieces: int | None = None
    batch: int = 16
    max_new_tokens: int | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"

    def __post_init__(self) -> None:
        for name, choices in (("selection", get_args(Selection)), ("reader", ("lm", "probe"))):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is one of {', '.join(choices)}, not '{getattr(self, name)}'")
        for name in ("shots", "seeds", "considered", "pool", "pieces", "batch", "max_new_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if self.selection == "lcs" and self.considered < self.shots:
            raise ValueError(f"considered ({self.considered}) must be at least shots ({self.shots})")
        if self.tau <= 0:
            raise ValueError(f"tau must be positive, not {self.tau}")

    def fit(self, problem: Problem, ctx: Context) -> FittedInContext:
        """Index the training lines; Skip without any, and where the reader or the components are lacking."""
        first: dict[str, str] = {}
        for x, y in problem.train:
            first.setdefault(x, y)
        lines = [Example(x, y) for x, y in first.items()]
        if not lines:
            raise Skip("the training set is empty, so there is nothing to demonstrate")
        if self.pool is not None and self.pool < len(lines):
            lines = pooled(lines, self.pool, ctx.rng("pool"))
        kept = Kept(problem.language, lines, ctx.seed, ctx.base_model, problem.max_output)
        return FittedInContext(self, kept, self._reader(kept, ctx.device), self._kitchen(kept))

    def load(self, folder: Path) -> FittedInContext:
        """What `FittedInContext.save` wrote; a language model is loaded again, by its name, on the CPU."""
        saved = json.loads((folder / FILE).read_text(encoding="utf-8"))
        kept = Kept(**saved | {"lines": [Example(*line) for line in saved["lines"]]})
        return FittedInContext(self, kept, self._reader(kept, "cpu"), self._kitchen(kept))

    def _reader(self, kept: Kept, device: str) -> Reader:
        if self.reader == "probe":
            return ProbeReader(kept.lines)
        limits = Limits(self.batch, self.max_new_tokens, kept.max_output, tuple(y for _, y in kept.lines))
        return language_model(kept.base_model, device=device, dtype=self.dtype, limits=limits)

    def _kitchen(self, kept: Kept) -> Kitchen | None:
        if self.selection not in MAKING:
            return None
        return Kitchen(substitutions(kept.lines, kept.language, self.pieces))


class Kept(NamedTuple):
    """What a fit keeps: the distinct training lines, the cell's seed, the base model's name, and the cap on
    output words."""

    language: str
    lines: list[Example]
    seed: int
    base_model: str
    max_output: int


class FittedInContext(Fitted):
    """The training lines with what finds and makes demonstrations among them.

    Each call of `predict` says in `facts` what its prompts were like, and adds to `augmented` the
    demonstrations that it made; neither changes an output.
    """

    def __init__(self, method: InContext, kept: Kept, reader: Reader, kitchen: Kitchen | None) -> None:
        super().__init__()
        self.method, self.kept, self.reader, self.kitchen = method, kept, reader, kitchen
        self._known = frozenset(x for x, _ in kept.lines)
        self._difficulties: dict[Example, float] = {}
        self._made: dict[str, Augmented] = {}

    def predict(self, inputs: Sequence[str]) -> list[str]:
        """The reader's answer to each input's prompt; equal inputs are read once."""
        distinct = list(dict.fromkeys(inputs))
        chosen = {query: self.demonstrations(query) for query in distinct}
        shown = {q: self.reader.fitting([d.example for d in chosen[q]], q) for q in distinct}
        prompts = [prompt(shown[query], query) for query in distinct]
        answers = dict(zip(distinct, self.reader.answers(prompts), strict=True))
        self._note_made(chosen.values())
        if inputs:
            self.facts = self._facts(chosen, shown, prompts)
        return [answers[query] for query in inputs]

    def prompts(self, inputs: Sequence[str]) -> list[str]:
        """What the reader is given for each input."""
        return [
            prompt(self.reader.fitting([d.example for d in self.demonstrations(q)], q), q) for q in inputs
        ]

    def demonstrations(self, query: str) -> list[Demonstration]:
        """What is shown for a query, the best last; a function of the query's words and the cell's seed."""
        method = self.method
        if method.selection in MAKING:
            return self._composed(query)
        if method.selection == "random":
            drawn = self._rng(query).permutation(len(self.kept.lines))[: method.shots]
            return [self._line(int(i)) for i in drawn]
        find = {"bm25": by_bm25, "knn": by_distance, "coverage": by_coverage}[method.selection]
        return [self._line(i) for i in find(self.index, query, method.shots)][::-1]

    @cached_property
    def index(self) -> Index:
        """For retrieval by input."""
        return index([x for x, _ in self.kept.lines])

    def save(self, folder: Path) -> None:
        """The training lines, the seed and the base model's name, as JSON."""
        text = json.dumps(self.kept._asdict(), ensure_ascii=False)
        (folder / FILE).write_text(text, encoding="utf-8")

    def _composed(self, query: str) -> list[Demonstration]:
        method = self.method
        assert self.kitchen is not None
        third = -(-method.seeds // 3)
        found = [*by_coverage(self.index, query, third), *by_distance(self.index, query, third)]
        lines = list(dict.fromkeys([*found, *by_bm25(self.index, query, method.seeds)]))[: method.seeds]
        weigh = method.selection == "lcs"
        k = method.considered if weigh else method.shots
        best = compose(self.kitchen, query, lines, k, self._known, strict=method.strict)
        if not weigh:
            return best[::-1]
        difficulty = self._difficulty([d.example for d in best])
        covers = bits(query, [d.x for d in best])
        return [best[i] for i in draw(difficulty, covers, method.shots, method.tau, self._rng(query))]

    def _difficulty(self, examples: Sequence[Example]) -> list[float]:
        """Asked of the reader once an example."""
        new = [e for e in dict.fromkeys(examples) if e not in self._difficulties]
        if new:
            self._difficulties.update(zip(new, self.reader.difficulty(new), strict=True))
        return [self._difficulties[e] for e in examples]

    def _line(self, i: int) -> Demonstration:
        return Demonstration(*self.kept.lines[i], i)

    def _rng(self, query: str) -> np.random.Generator:
        """Of the query's own, so that its prompt does not depend on which others are asked."""
        return np.random.default_rng([self.kept.seed, zlib.crc32(b"in-context"), zlib.crc32(query.encode())])

    def _note_made(self, chosen: Iterable[Sequence[Demonstration]]) -> None:
        for made in (d for demonstrations in chosen for d in demonstrations if d.how):
            self._made.setdefault(made.x, Augmented(made.x, made.y, made.line, made.how))
        self.augmented = list(self._made.values())

    def _facts(
        self,
        chosen: Mapping[str, Sequence[Demonstration]],
        shown: Mapping[str, Sequence[Example]],
        prompts: Sequence[str],
    ) -> dict[str, float]:
        """Means over the distinct queries.

        demos: demonstrations shown. demo_coverage: share of the query's words in them. demo_dropped:
        demonstrations left out for lack of context. demo_query: share of the queries that a demonstration
        answers as it stands. prompt_tokens: length of the prompt.
        """
        return {
            "demos": fmean(len(own) for own in shown.values()),
            "demo_coverage": fmean(coverage(q, [x for x, _ in own]) for q, own in shown.items()),
            "demo_dropped": fmean(len(chosen[q]) - len(own) for q, own in shown.items()),
            "demo_query": fmean(any(x == q for x, _ in own) for q, own in shown.items()),
            "prompt_tokens": fmean(self.reader.tokens(text) for text in prompts),
        }


def pooled(lines: Sequence[Example], n: int, rng: np.random.Generator) -> list[Example]:
    """n lines in their order: first those that bring a word, in random order, then at random."""
    order = [int(i) for i in rng.permutation(len(lines))]
    seen: set[str] = set()
    bringing = []
    for i in order:
        words = set(lines[i].x.split())
        if not words <= seen:
            bringing.append(i)
            seen |= words
    kept = list(dict.fromkeys([*bringing, *order]))[:n]
    return [lines[i] for i in sorted(kept)]
