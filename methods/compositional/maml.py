"""Meta-learning: steps that also help on similar examples (Conklin et al. 2021, arXiv 2106.04252)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from methods.compositional.neural import Neural, Session
from suite.api import Context
from tasks.compositional.contract import Problem

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.compositional.training import Batch, Loss
    from methods.compositional.vocabulary import Vocabulary

BITS = 64
"""Tokens of an input for which edit distances can be had: one bit of a machine word each."""
CELLS_AT_ONCE = 65_536
"""So that the tables of a step stay in the processor's cache."""


@dataclass(frozen=True)
class Maml(Neural):
    """min L(B_s; theta) + L(B_t; theta - alpha grad L(B_s; theta)), one inner step of gradient descent.

    A batch is one half B_s, drawn as for every parser, and one half B_t with a partner of each example of
    B_s: any training line with probability `uniform`, else one of its `neighbours` nearest ones, drawn by
    exp(-distance / temperature). Distances are of edits between the inputs' tokens, an input is no
    neighbour of itself, and of equally near ones the first in training order counts. So the parser sees
    steps times `batch` examples, as without meta-learning, in batches of half the size; the authors'
    code has 128 examples in each half.

    The gradient is of first order: the inner step counts as a constant (the authors' code differentiates
    through it, for which the fused LSTM and attention kernels have no second derivative). alpha is the
    setting in the authors' code for COGS, and so is uniform; its COGS runs have a tree kernel with 1,000
    neighbours and temperature 4, and 100 and 1 are what the code has where nothing else is said. Its string
    and tree kernels are left out. pool: neighbours are looked for among so many distinct inputs, drawn once;
    among all where None.
    """

    alpha: float = 1e-3
    neighbours: int = 100
    temperature: float = 1.0
    uniform: float = 0.5
    pool: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch % 2:
            raise ValueError(f"batch must be even, one half for each loss, not {self.batch}")
        if self.neighbours < 1 or (self.pool is not None and self.pool < 2):
            raise ValueError("neighbours must be at least 1 and pool at least 2 (pool may be none)")
        if self.alpha <= 0 or self.temperature <= 0:
            raise ValueError("alpha and temperature must be positive")
        if not 0 <= self.uniform <= 1:
            raise ValueError(f"uniform must lie in [0, 1], not {self.uniform}")

    def batches(self, session: Session) -> Callable[[int], Batch]:
        """A function from step to batch: the rows of B_s, then their partners in the same order."""
        from methods.compositional import training

        examples = session.examples
        rows = training.encode_pairs(examples, session.vocabularies)
        lengths = np.array([len(y) for _, y in rows])
        sizes = (len(session.train), len(session.augmented))
        half = training.Recipe(self.steps, self.batch // 2, self.lr, self.clip, self.aug_ratio, self.dtype)
        hosts = training.schedule(sizes, half, lengths, session.ctx.rng("batches"))
        others = self.partners([e.x for e in examples], hosts, session.ctx.rng("partners"))

        def batch(step: int) -> Batch:
            return training.collate([rows[i] for i in (*hosts[step], *others[step])], session.ctx.device)

        return batch

    def partners(self, inputs: Sequence[str], hosts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A partner (indices into `inputs`, the shape of `hosts`) for each place of `hosts`."""
        out = rng.integers(len(inputs), size=hosts.shape)
        first = {text: line for line, text in reversed(list(enumerate(inputs)))}
        lines = np.array(sorted(first.values()))
        if self.pool is not None and len(lines) > self.pool:
            lines = lines[np.sort(rng.choice(len(lines), self.pool, replace=False))]
        near = (rng.random(hosts.shape) >= self.uniform) & (len(lines) > 1)
        chances = rng.random(hosts.shape)
        asked = np.unique(hosts[near])
        texts = [inputs[k] for k in lines]
        found, distances = nearest([inputs[k] for k in asked], texts, self.neighbours)
        weights = np.where(found >= 0, np.exp((distances[:, :1] - distances) / self.temperature), 0.0)
        sums = weights.cumsum(1)
        row = np.searchsorted(asked, hosts[near])
        chosen = (sums[row] <= chances[near][:, None] * sums[row, -1:]).sum(1)
        out[near] = lines[found[row, chosen]]
        return out

    def loss(self, problem: Problem, vocabularies: tuple[Vocabulary, Vocabulary], ctx: Context) -> Loss:
        """The two losses of a batch whose first half is B_s and whose second half is B_t."""

        def both(model: nn.Module, batch: Batch, step: int) -> Tensor:
            return meta_loss(model, *halves(batch), self.alpha)

        return both


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """The first and the second half of the rows, each without columns of nothing but padding."""
    from methods.compositional.training import Batch
    from methods.compositional.vocabulary import PAD

    def part(ids: Tensor, second: bool) -> Tensor:
        rows = ids.chunk(2)[second]
        return rows[:, : int((rows != PAD).sum(1).max())]

    return (
        Batch(part(batch.source, False), part(batch.target, False)),
        Batch(part(batch.source, True), part(batch.target, True)),
    )


def meta_loss(model: nn.Module, inner: Batch, outer: Batch, alpha: float) -> Tensor:
    """L(inner; theta) + L(outer; theta - alpha grad L(inner; theta)), with its gradient of first order.

    The gradient of the first term is known from the step and not computed a second time: what stands for
    the term is linear in theta, with the same value and gradient.
    """
    import torch
    from torch.func import functional_call

    from methods.compositional.training import batch_nll

    names, parameters = zip(*((n, p) for n, p in model.named_parameters() if p.requires_grad), strict=True)
    first = batch_nll(model(inner.source, inner.target), inner.target)
    slopes = torch.autograd.grad(first, parameters)
    moved = {n: p - alpha * g for n, p, g in zip(names, parameters, slopes, strict=True)}
    second = batch_nll(functional_call(model, moved, (outer.source, outer.target)), outer.target)
    pairs = zip(parameters, slopes, strict=True)
    return second + sum(((p - p.detach()) * g).sum() for p, g in pairs) + first.detach()


def nearest(queries: Sequence[str], texts: Sequence[str], n: int) -> tuple[np.ndarray, np.ndarray]:
    """The `n` nearest other texts of each query by token edit distance, and the distances (queries, n).

    texts: distinct. Nearest first, the first text of equals; a text equal to the query is left out. Where
    there are fewer than n, the rows end in index -1 and infinity.
    """
    own = {text: k for k, text in enumerate(texts)}
    width, none = min(n, len(texts)), np.iinfo(np.int64).max
    where = np.full((len(queries), width), -1, dtype=np.int64)
    far = np.full((len(queries), width), np.inf)
    measure = Distances(texts)
    at_once = max(1, CELLS_AT_ONCE // max(1, len(texts)))
    for start in range(0, len(queries), at_once):
        part = queries[start : start + at_once]
        same = np.array([own.get(query, -1) for query in part])
        keys = measure.to(part) * len(texts) + np.arange(len(texts))
        keys[same >= 0, same[same >= 0]] = none
        keys = np.sort(np.partition(keys, width - 1, axis=1)[:, :width], axis=1)
        rows = slice(start, start + len(part))
        where[rows] = np.where(keys < none, keys % len(texts), -1)
        far[rows] = np.where(keys < none, keys // len(texts), np.inf)
    return where, far


class Distances:
    """Levenshtein distances over tokens from some texts.

    Myers 1999, "A fast bit-vector algorithm for approximate string matching": a column of the table is two
    machine words, whose bits say where it rises and falls; all pairs move on by a token of the text at once.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        rows = [text.split() for text in texts]
        self.words = {w: k for k, w in enumerate(dict.fromkeys(w for row in rows for w in row))}
        order = sorted(range(len(rows)), key=lambda k: -len(rows[k]))
        self.lengths = np.array([len(rows[k]) for k in order], dtype=np.int64)
        self.back = np.argsort(order)
        # The longest texts first, so that those which still have a token at a place are the first ones.
        self.places = [
            np.array([self.words[rows[k][place]] for k in order if len(rows[k]) > place])
            for place in range(int(self.lengths.max(initial=0)))
        ]

    def to(self, queries: Sequence[str]) -> np.ndarray:
        """Distances (queries, texts); ValueError for a query of more than 64 tokens."""
        patterns = [query.split() for query in queries]
        if max(map(len, patterns), default=0) > BITS:
            raise ValueError(f"edit distances are of inputs of at most {BITS} tokens")
        has = np.zeros((len(patterns), len(self.words)), dtype=np.uint64)
        for row, pattern in zip(has, patterns, strict=True):
            for bit, word in enumerate(pattern):
                if word in self.words:
                    row[self.words[word]] |= np.uint64(1 << bit)
        sizes = np.array([len(p) for p in patterns], dtype=np.int64)
        last = np.left_shift(np.uint64(1), np.maximum(sizes - 1, 0).astype(np.uint64))[:, None]
        out = self._columns(has, last, np.repeat(sizes[:, None], len(self.lengths), axis=1))
        out[sizes == 0] = self.lengths
        return out[:, self.back]

    def _columns(self, has: np.ndarray, last: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Move `out`, the bottom of the first column, along the texts; `last` is the query's last bit."""
        one = np.uint64(1)
        rises, falls = np.full(out.shape, ~np.uint64(0)), np.zeros(out.shape, dtype=np.uint64)
        for ids in self.places:
            here = (slice(None), slice(len(ids)))
            match, up, down = has[:, ids], rises[here], falls[here]
            across = (((match & up) + up) ^ up) | match
            right_up, right_down = down | ~(across | up), up & across
            out[here] += (right_up & last != 0).astype(np.int64) - (right_down & last != 0)
            right_up, right_down = (right_up << one) | one, right_down << one
            below = match | down
            rises[here] = right_down | ~(below | right_up)
            falls[here] = right_up & below
        return out
