"""An editor on real failures of an image classifier: single edits over its knob, edits in a row, several
pictures of a failure.

Paper: Learning Where to Edit Vision Transformers (arXiv 2411.01948), section 5. What is measured beyond it
(rows of edits, undoing, confidence, test accuracy, intervals) is this suite's own.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from suite.api import Context, Sample, Score, Task
from suite.errors import MethodError
from suite.kept import Kept
from tasks.vit_editing import scores
from tasks.vit_editing.contract import Editor, Pictures, Prepared, Workshop
from tasks.vit_editing.fronts import Point, area

if TYPE_CHECKING:
    from tasks.vit_editing.classifier import Classifier
    from tasks.vit_editing.failures import Bench, Group
    from tasks.vit_editing.measure import Single, Trial

Pool = Literal["cifar10", "digits", "published"]
Subset = Literal["natural", "oil", "light", "rotation", "thick"]
MATES = 3
"""Pictures of a group that stand beside an edited one where it is shown."""
COLOURS = 64
"""Of a shown picture: a few kilobytes of the store for each."""


@dataclass(frozen=True, kw_only=True)
class EditingTask(Task):
    """Failures of `base_model` that `stronger` gets right, edited one at a time.

    pool: of `pools.POOLS`, or published for the paper's pictures, which a user has put into `folder`
    (`published`, where no stronger model is asked). subset: natural for failures on pictures as they are,
    else on shifted ones, of which shift_seed is the seed. groups: at most so many, the largest; least:
    failures that a group must have. edits: of each group, each from the original weights;
    which ones the cell's seed draws. margin: of the two highest probabilities, below which a right picture is
    a locality picture; locality: at most so many. test: pictures at most for the accuracy at large; tested:
    edits of each group that are asked about them, at every knob. knobs: at most so many of the editor's
    values, spread over them; 0 for all. lengths: how many edits in a row are measured; empty for none.
    several: edits of a group with two and more pictures, up to `pictures`; 0 for none. chunk: edits that are
    made together. shown: edits of a group that are logged with pictures.
    """

    base_model: str = "vit-32-cifar10"
    stronger: str = "resnet32-cifar10,resnet20-cifar10"
    pool: Pool = "cifar10"
    folder: str = ""
    subset: Subset = "natural"
    shift_seed: int = 0
    groups: int = 6
    least: int = 21
    edits: int = 20
    margin: float = 0.05
    locality: int = 300
    test: int = 1000
    tested: int = 1
    knobs: int = 0
    lengths: str = "10,30,100"
    several: int = 3
    pictures: int = 3
    chunk: int = 20
    shown: int = 1

    def __post_init__(self) -> None:
        for name in ("groups", "edits", "locality", "test", "pictures", "chunk"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("tested", "knobs", "several", "shown"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")
        if self.least < 2:
            raise ValueError(
                f"least is {self.least}: a group needs a failure to edit and a mate, so 2 or more"
            )
        if not 0 < self.margin <= 1:
            raise ValueError(f"margin {self.margin}: a difference of probabilities, above 0 and up to 1")
        for name in ("pool", "subset"):
            known = get_args(Pool if name == "pool" else Subset)
            if getattr(self, name) not in known:
                raise ValueError(f"{name} '{getattr(self, name)}': one of {', '.join(known)}")
        if not all(part.isdigit() and int(part) for part in self._parts):
            raise ValueError(f"lengths '{self.lengths}': whole numbers above 0, like 10,30,100")

    @property
    def _parts(self) -> list[str]:
        return [part.strip() for part in self.lengths.split(",") if part.strip()]

    def setting(self, ctx: Context) -> tuple[Classifier, Bench]:
        """The classifier and what editors of it are measured on. DataError where pictures are not at hand."""
        return _setting(replace(self, base_model=ctx.base_model or self.base_model), ctx.device)

    def facts(self, ctx: Context) -> Mapping[str, float | int | str]:
        """Groups with their sizes, and how many pictures there are to measure on."""
        _, bench = self.setting(ctx)
        return {
            "groups": len(bench.groups),
            **{f"failures: {group.name}": len(group.x) for group in bench.groups},
            "locality pictures": len(bench.locality),
            "test pictures": len(bench.test.x),
            "training pictures": len(bench.training.x),
        }

    def run(self, method: Editor, ctx: Context) -> Iterator[Score]:
        """See `scores.EDITING`."""
        if not isinstance(method, Editor):
            raise MethodError(f"{type(method).__name__} is no Editor")
        model, bench = self.setting(ctx)
        before = state_of(model)
        try:
            yield from self.measured(method, model, bench, ctx)
        finally:
            changed = state_of(model) != before
            if changed:
                _setting.cache_clear()
        if changed:
            raise MethodError(f"{type(method).__name__} has changed the model that it was to leave alone")

    def measured(self, method: Editor, model: Classifier, bench: Bench, ctx: Context) -> Iterator[Score]:
        """The scores of an editor on a bench, its edits as samples."""
        from tasks.vit_editing.measure import Trial, picked

        prepared, seconds = prepared_once(method, model, bench, ctx)
        kept = Kept.at(ctx.checkpoint)
        trial = Trial.of(method, model, prepared, bench, kept, ctx.seed_for, self.chunk)
        picks = picked(bench.groups, self.edits, ctx.rng)
        sweep = self.swept(trial, picks, ctx)
        always = trial.always()
        yield from scores.front_scores(sweep, always)
        yield from scores.edit_scores(sweep)
        yield from scores.mask_scores(sweep)
        yield from scores.several_scores(self.several_swept(trial, sweep, picks, ctx), always)
        yield from self.row_of(trial, picks, scores.working(sweep), ctx)
        yield Score("prepare_s", seconds)
        ctx.log_samples(samples(bench, model.classes, sweep, always, self.shown))

    def values(self, method: Editor) -> list[float]:
        """The knob's values that are measured."""
        return spread(list(dict.fromkeys(method.values)), self.knobs)

    def swept(self, trial: Trial, picks: Sequence[Sequence[int]], ctx: Context) -> scores.Sweep:
        """Single edits of one picture. Groups in turn, all knobs of each, so that a group's streams are made
        once.
        """
        knobs = self.values(trial.editor)
        found: dict[float, dict[str, list[Single]]] = {knob: {} for knob in knobs}
        jobs = [(k, knob) for k in range(len(picks)) for knob in knobs]
        for k, knob in ctx.track(jobs, "edits", len(jobs)):
            places = [(place,) for place in picks[k]]
            found[knob][trial.bench.groups[k].name] = trial.singles(knob, k, places, self.tested)
        return found

    def several_swept(
        self, trial: Trial, one: scores.Sweep, picks: Sequence[Sequence[int]], ctx: Context
    ) -> dict[int, scores.Sweep]:
        """By number of pictures the edits with that many; those with one are the first ones of `one`."""
        from tasks.vit_editing.sequences import several

        if not self.several or self.pictures < 2:
            return {}
        first = {knob: {g: list(held[: self.several]) for g, held in by.items()} for knob, by in one.items()}
        found: dict[int, scores.Sweep] = {1: first}
        for pictures in ctx.track(range(2, self.pictures + 1), "several pictures", self.pictures - 1):
            by_knob: dict[float, dict[str, list[Single]]] = {knob: {} for knob in one}
            for k, group in enumerate(trial.bench.groups):
                places = several(picks[k], pictures, self.several) if len(group.x) > pictures else []
                for knob in one if places else ():
                    by_knob[knob][group.name] = trial.singles(knob, k, places)
            if any(by_knob.values()):
                found[pictures] = by_knob
        return found

    def row_of(
        self, trial: Trial, picks: Sequence[Sequence[int]], knob: float, ctx: Context
    ) -> Iterator[Score]:
        """Edits in a row at a knob."""
        from tasks.vit_editing.sequences import in_a_row, row

        lengths = [int(part) for part in self._parts]
        order = in_a_row(picks, ctx.rng("row"))
        ctx.report("edits in a row", 0, max(lengths, default=0))
        yield from scores.row_scores(row(trial, knob, order, lengths))


@lru_cache(maxsize=1)
def _setting(task: EditingTask, device: str) -> tuple[Classifier, Bench]:
    """Held for the next cell of a process: finding failures asks about thousands of pictures."""
    from tasks.vit_editing.classifier import classifier
    from tasks.vit_editing.failures import bench
    from tasks.vit_editing.pools import pool
    from tasks.vit_editing.published import folder_of, published_bench

    model = classifier(task.base_model, device=device)
    sizes = {name: getattr(task, name) for name in ("groups", "least", "locality", "test")}
    if task.pool == "published":
        return model, published_bench(model, folder_of(task.folder), task.subset, **sizes)
    more = {"stronger": task.stronger, "subset": task.subset, "margin": task.margin, "seed": task.shift_seed}
    return model, bench(model, pool(task.pool), **sizes, **more)


def state_of(model: Classifier) -> str:
    """SHA-256 of all its parameters and buffers."""
    found = hashlib.sha256()
    for name, value in sorted(model.module.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def spread(values: Sequence[float], most: int) -> list[float]:
    """At most so many of the values, evenly over their order with both ends; the first for one, all for 0."""
    n = len(values)
    if not most or most >= n:
        return list(values)
    if most == 1:
        return [values[0]]
    return [values[round(i * (n - 1) / (most - 1))] for i in range(most)]


def prepared_once(method: Editor, model: Classifier, bench: Bench, ctx: Context) -> tuple[Prepared, float]:
    """What the editor learns before any edit, and the seconds; from the checkpoint where it stands there."""
    import os

    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file

    folder = ctx.checkpoint
    path = None if folder is None else folder / "prepared.safetensors"
    if path is not None and path.exists():
        try:
            with safe_open(path, framework="pt") as file:
                names = list(file.keys())
                found = {name: file.get_tensor(name).to(model.device) for name in names}
                return found, float(file.metadata()["seconds"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            pass  # half a file: learned anew
    began = time.perf_counter()
    found = method.prepare(model, _workshop(model, bench, ctx))
    seconds = time.perf_counter() - began
    if path is not None:
        draft = path.with_suffix(".tmp")
        whole = {name: tensor.detach().contiguous().clone() for name, tensor in found.items()}
        save_file(whole, draft, metadata={"seconds": repr(seconds)})
        os.replace(draft, path)
    return {name: tensor.to(model.device) for name, tensor in found.items()}, seconds


def _workshop(model: Classifier, bench: Bench, ctx: Context) -> Workshop:
    folder: Path | None = None if ctx.checkpoint is None else ctx.checkpoint / "prepare"
    if folder is not None:
        folder.mkdir(exist_ok=True)
    training = Pictures(*(part.to(model.device) for part in bench.training))
    return Workshop(training, ctx.seed_for("prepare"), folder, ctx.report)


def samples(
    bench: Bench, classes: Sequence[str], sweep: scores.Sweep, always: Mapping[str, float], shown: int
) -> Iterator[Sample]:
    """A sample an edit of one picture: how right it was is the area of its own front over the knob.

    index: of the picture among those of all groups. The first `shown` of each group have their picture, with
    mates beside it; all tell SR, GR and LR at every knob.
    """
    begin = 0
    for group in bench.groups:
        by_knob = {knob: held[group.name] for knob, held in sweep.items()}
        for k in range(len(next(iter(by_knob.values())))):
            edits = {knob: held[k] for knob, held in by_knob.items()}
            place = next(iter(edits.values())).places[0]
            found = area([Point(e.gr, e.lr) for e in edits.values()], Point(1.0, always[group.name]))
            mates = [i for i in range(len(group.x)) if i != place][: MATES if k < shown else 0]
            seen = strip(group, [place, *mates]) if mates else f"picture {place + 1} of {group.name}"
            yield Sample(begin + place, found, seen, outcome(edits, mates), classes[group.target])
        begin += len(group.x)


def outcome(edits: Mapping[float, Single], mates: Sequence[int]) -> str:
    """What the edits of a picture did, a sentence a knob."""
    from tasks.vit_editing.metrics import unpacked

    told = []
    for knob, one in edits.items():
        line = f"{scores.named(knob)}: {'mended' if one.sr == 1 else 'not mended'}"
        line += f", GR {100 * one.gr:.0f} %, LR {100 * one.lr:.1f} %"
        if mates:
            right = unpacked(one.right)
            of = ["right" if right[i] else "wrong" for i in mates]
            line += f", mates shown {', '.join(of)}"
        told.append(line)
    return "; ".join(told)


def strip(group: Group, places: Sequence[int]) -> str:
    """Pictures side by side, the first set apart, as a PNG data address of `COLOURS` colours."""
    import base64
    import io

    import numpy as np
    from PIL import Image

    pictures = [group.x[place].numpy() for place in places]
    height, width = pictures[0].shape[:2]
    gap = max(2, width // 8)
    whole = np.full((height, width * len(places) + gap * (len(places) > 1), 3), 255, np.uint8)
    for k, one in enumerate(pictures):
        left = k * width + gap * (k > 0)
        whole[:, left : left + width] = one
    held = io.BytesIO()
    Image.fromarray(whole).quantize(COLOURS).save(held, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"
