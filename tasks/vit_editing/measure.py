"""Edits one failure at a time, each from the original weights, and measures what it did.

Every number of an edit depends on its group, its pictures, the knob and the seed alone: neither on which
edits were made before it nor on where a killed cell was taken up again.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from suite.errors import MethodError
from suite.kept import Kept
from tasks.vit_editing import metrics
from tasks.vit_editing.classifier import Classifier
from tasks.vit_editing.contract import Edited, Editor, Failure, Prepared
from tasks.vit_editing.failures import Bench, Group
from tasks.vit_editing.metrics import Told

BATCH = 128
STREAM_BYTES = 2**30
"""What kept streams may take; beyond it those that were asked for longest ago are computed again."""


class Single(NamedTuple):
    """An edit and what it did. places: in its group, of the pictures that it was given, mostly one.

    accuracy_change: None where the test pictures were not asked. seconds: its share of the time of the edits
    that were made together. right: of all pictures of the group; units: the mask of structured units, None
    without one; both as `metrics.packed` writes them.
    """

    places: tuple[int, ...]
    sr: float
    gr: float
    gr_repo: float
    lr: float
    drift: float
    accuracy_change: float | None
    seconds: float
    touched: int
    added: int
    distance: float
    steps: int
    right: str
    units: str | None


class Streams:
    """Named sets of pictures as an edit sees them: the original model's stream before its first block.

    A set's stream is kept for the blocks that were asked for last, in at most `limit` bytes; one that is
    larger by itself is computed batch by batch whenever it is asked for.
    """

    def __init__(self, model: Classifier, sets: Mapping[str, Tensor], limit: int = STREAM_BYTES) -> None:
        self.model, self.sets, self.limit = model, sets, limit
        self._kept: OrderedDict[tuple[str, int], list[Tensor]] = OrderedDict()
        self._before: dict[tuple[str, int], Told] = {}

    def batches(self, name: str, start: int) -> Iterator[Tensor]:
        """The stream (b, T, d) before block `start` in batches, always the same; pictures for start = -1."""
        pictures = self.sets[name].split(BATCH)
        if start < 0:
            yield from pictures
            return
        if (name, start) in self._kept:
            self._kept.move_to_end((name, start))
            yield from self._kept[name, start]
            return
        made: list[Tensor] = []
        for k, part in enumerate(pictures):
            made.append(self.model.kept(part, start))
            if k == 0 and _bytes(made) * len(self.sets[name]) > self.limit * len(part):
                yield made.pop()
                yield from (self.model.kept(rest, start) for rest in pictures[1:])
                return
        self._keep((name, start), made)
        yield from made

    def before(self, name: str, start: int) -> Told:
        """What the unedited model says, computed as an edited one's answer is: from the same streams, so
        that an edit that does nothing agrees to the last bit.
        """
        if (name, start) not in self._before:
            of = self.model.logits if start < 0 else lambda h: self.model.logits_from(h, start)
            self._before[name, start] = self._told(name, start, of)
        return self._before[name, start]

    def after(self, name: str, edited: Edited) -> Told:
        """What an edited model says."""
        return self._told(name, edited.start, edited.logits_from)

    @property
    def kept_bytes(self) -> int:
        """Of all streams that are kept now."""
        return sum(map(_bytes, self._kept.values()))

    @torch.no_grad()
    def _told(self, name: str, start: int, logits: Callable[[Tensor], Tensor]) -> Told:
        n, classes = len(self.sets[name]), len(self.model.classes)
        found = torch.cat([logits(h).detach().float().cpu() for h in self.batches(name, start)])
        if tuple(found.shape) != (n, classes):
            raise MethodError(f"an edited model gave logits {tuple(found.shape)}, not ({n}, {classes})")
        return metrics.told(found.numpy())

    def _keep(self, key: tuple[str, int], made: list[Tensor]) -> None:
        self._kept[key] = made
        while self.kept_bytes > self.limit:
            self._kept.popitem(last=False)


def _bytes(parts: Sequence[Tensor]) -> int:
    return sum(part.numel() * part.element_size() for part in parts)


@dataclass(frozen=True, eq=False)
class Trial:
    """An editor at work on a bench. seed: of the random choices of an edit, from the name of its pictures.
    chunk: edits that are made together at most.
    """

    editor: Editor
    model: Classifier
    prepared: Prepared
    bench: Bench
    streams: Streams
    kept: Kept
    seed: Callable[[str], int]
    chunk: int = 20

    @classmethod
    def of(
        cls,
        editor: Editor,
        model: Classifier,
        prepared: Prepared,
        bench: Bench,
        kept: Kept,
        seed: Callable[[str], int],
        chunk: int = 20,
    ) -> Trial:
        """With the bench's pictures as streams."""
        sets = {"locality": bench.locality, "test": bench.test.x}
        sets |= {group_set(k): group.x for k, group in enumerate(bench.groups)}
        return cls(editor, model, prepared, bench, Streams(model, sets), kept, seed, chunk)

    def always(self) -> dict[str, float]:
        """By group the share of locality pictures that the unedited model gives the group's class: the LR of
        answering everything with it.
        """
        answers = self.streams.before("locality", self.model.depth).answers
        return {group.name: float((answers == group.target).mean()) for group in self.bench.groups}

    def failure(self, group: Group, places: Sequence[int]) -> Failure:
        """The request. Its seed does not depend on the knob, so that random masks of two sizes are nested."""
        x, y = group.x[list(places)], torch.full((len(places),), group.target, dtype=torch.int64)
        name = f"{self.seed('edits')} " + " ".join(group.hashes[place] for place in places)
        # Generators of torch take the last 32 bits of a seed: all of these depend on the pictures.
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])
        return Failure(x.to(self.model.device), y.to(self.model.device), seed)

    def singles(
        self, knob: float, number: int, jobs: Sequence[tuple[int, ...]], tested: int = 0
    ) -> list[Single]:
        """One edit for each of `jobs` (places in group `number`) at a knob, in their order.

        The first `tested` are asked about the test pictures as well.
        """
        group = self.bench.groups[number]

        def make() -> dict[str, Any]:
            found: list[Single] = []
            for begin in range(0, len(jobs), self.chunk):
                part = jobs[begin : begin + self.chunk]
                edits, seconds = self._edits(knob, group, part)
                for places, edited in zip(part, edits, strict=True):
                    found.append(self._measured(edited, number, places, seconds, len(found) < tested))
            return {"edits": [one._asdict() for one in found]}

        pictures = len(jobs[0]) if jobs else 0
        rows = self.kept.once(f"{knob!r} {number} {group.name} {pictures}", make)["edits"]
        return [Single(**{**row, "places": tuple(row["places"])}) for row in rows]

    def _edits(
        self, knob: float, group: Group, jobs: Sequence[tuple[int, ...]]
    ) -> tuple[list[Edited], float]:
        """The edits, and the seconds that each took."""
        failures = [self.failure(group, places) for places in jobs]
        began = time.perf_counter()
        edits = self.editor.edit_many(self.model, self.prepared, failures, knob)
        seconds = (time.perf_counter() - began) / len(jobs)
        if len(edits) != len(jobs):
            raise MethodError(f"edit_many gave {len(edits)} edits for {len(jobs)} failures")
        return edits, seconds

    def _measured(
        self, edited: Edited, number: int, places: tuple[int, ...], seconds: float, tested: bool
    ) -> Single:
        group, start, streams = self.bench.groups[number], edited.start, self.streams
        right = streams.after(group_set(number), edited).answers == group.target
        before, after = streams.before("locality", start), streams.after("locality", edited)
        change = None
        if tested:
            was, now = streams.before("test", start), streams.after("test", edited)
            change = metrics.accuracy_change(was.answers, now.answers, self.bench.test.y.numpy())
        return Single(
            places=places,
            sr=metrics.success(right, places),
            gr=metrics.generalization(right, places),
            gr_repo=metrics.generalization_released(right),
            lr=metrics.locality(before.answers, after.answers),
            drift=metrics.drift(before, after),
            accuracy_change=change,
            seconds=seconds,
            touched=int(edited.touched),
            added=int(edited.added),
            distance=float(edited.distance),
            steps=int(edited.steps),
            right=metrics.packed(right),
            units=None if edited.units is None else metrics.packed(edited.units.detach().cpu().numpy()),
        )


def group_set(number: int) -> str:
    """The name of a group's pictures among the streams."""
    return f"group {number}"


def picked(groups: Sequence[Group], edits: int, rng: Callable[[str], Any]) -> list[list[int]]:
    """For each group the places of the pictures to edit, in the order drawn: `edits`, or all of a smaller
    group. rng: a generator by name, so that what one group draws does not depend on the others.
    """
    return [[int(i) for i in rng(f"edits {g.name}").permutation(len(g.x))[:edits]] for g in groups]
