"""The task: what it measures, keeps, logs and refuses."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from editing_bench import Columns, HeadRow, Nothing, bench, tiny
from PIL import Image

from leaderboard.samples import picture
from suite.api import Context, Metric, Paper, TaskSpec
from suite.errors import MethodError
from suite.runner import validated
from tasks.vit_editing import failures, pools, published, task
from tasks.vit_editing.classifier import Classifier
from tasks.vit_editing.contract import Edited, Prepared, Workshop
from tasks.vit_editing.failures import Bench
from tasks.vit_editing.fronts import Point, area
from tasks.vit_editing.scores import EDITING
from tasks.vit_editing.task import EditingTask, prepared_once, spread, strip

SIZES: dict[str, Any] = {"edits": 3, "lengths": "2,3", "several": 1, "pictures": 2}
SPEC = TaskSpec(
    name="edit-toy",
    family="vit_editing",
    summary="",
    where="tasks.vit_editing.task:EditingTask",
    paper=Paper("", 2024, ""),
    metrics=EDITING,
    primary="front_area",
    protocol="",
)


@pytest.fixture(scope="module")
def stage() -> tuple[Classifier, Bench]:
    model = tiny()
    return model, bench(model)


@pytest.fixture(autouse=True)
def on_stage(stage: tuple[Classifier, Bench], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every task is on the tiny model and its groups."""
    monkeypatch.setattr(EditingTask, "setting", lambda self, ctx: stage)
    yield


def values(method: Any, ctx: Context, **more: Any) -> dict[tuple[str, str], float]:
    """Through the check that every score of a cell passes."""
    rows = validated(EditingTask(**{**SIZES, **more}).run(method, ctx), SPEC)
    return {(row.metric, row.slice): row.value for row in rows}


def exact(found: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    clocks = {metric.name for metric in EDITING if not metric.exact}
    return {key: value for key, value in found.items() if key[0] not in clocks}


def test_an_editor_that_does_nothing() -> None:
    found = values(Nothing(), Context(0))
    assert found["front_area", "all"] == found["gr_at_95", "all"] == found["gr_at_80", "all"] == 0.0
    assert (found["sr", "all"], found["gr", "all"], found["lr", "all"]) == (0.0, 0.0, 1.0)
    assert found["gr", "knob 0"] == 0.0 and found["lr", "knob 0"] == 1.0 and found["drift", "all"] == 0.0
    assert found["row_sr", "all"] == 0.0 and found["row_lr", "after 2"] == found["undo_back", "all"] == 1.0
    assert found["several_gain", "all"] == 0.0 and found["accuracy_change", "all"] == 0.0
    assert found["gr_repo", "all"] == pytest.approx((-1 / 5 - 1 / 4) / 2)
    assert not [name for name, _ in found if name.startswith("mask")]


def test_scores_are_of_the_edits_of_every_knob_and_of_samples() -> None:
    ctx = Context(0)
    found = values(HeadRow(), ctx)
    points = [Point(found["gr", f"knob {k}"], found["lr", f"knob {k}"]) for k in ("0.05", "0.5", "5")]
    assert (
        found["front_area", "all"] == pytest.approx(area(points, Point(1.0, found["always_lr", "all"])))
        and found["front_area", "all"] > 0
    )
    assert found["knob", "all"] in (0.05, 0.5, 5.0)
    groups = {part for metric, part in found if part.startswith("group ")}
    assert len(groups) == 2
    assert len(ctx.samples) == 6 and len({s.index for s in ctx.samples}) == 6
    shown = [s for s in ctx.samples if picture(s.input)]
    assert len(shown) == 2 and all(s.output and "mates shown" in s.output for s in shown)
    assert all(0 <= s.correct <= 1 for s in ctx.samples)
    assert all((s.output or "").count("LR") == 3 and s.target in tiny().classes for s in ctx.samples)


def test_a_sample_is_the_area_under_its_own_points(stage: tuple[Classifier, Bench]) -> None:
    from suite.kept import Kept
    from tasks.vit_editing.measure import Trial, picked

    ctx = Context(0)
    values(HeadRow(), ctx)
    trial = Trial.of(HeadRow(), stage[0], {}, stage[1], Kept.at(None), ctx.seed_for)
    place = picked(stage[1].groups, 3, ctx.rng)[1][2]
    held = [trial.singles(knob, 1, [(place,)])[0] for knob in (0.05, 0.5, 5.0)]
    group = stage[1].groups[1]
    says = stage[0].logits(stage[1].locality).argmax(1)
    assert trial.always()[group.name] == pytest.approx(float((says == group.target).float().mean()))
    (sample,) = [s for s in ctx.samples if s.index == 5 + place]
    assert sample.correct == area(
        [Point(one.gr, one.lr) for one in held], Point(1.0, trial.always()[group.name])
    )
    told = (sample.output or "").split("; ")
    for line, one, knob in zip(told, held, ("0.05", "0.5", "5"), strict=True):
        mended = "mended" if one.sr else "not mended"
        assert line == f"knob {knob}: {mended}, GR {100 * one.gr:.0f} %, LR {100 * one.lr:.1f} %"


def test_seeds_draw_other_failures_and_one_seed_the_same() -> None:
    first, again, other = (exact(values(HeadRow(), Context(seed))) for seed in (0, 0, 1))
    assert first == again and first != other


def test_a_cell_that_was_killed_goes_on(tmp_path: Path) -> None:
    whole = exact(values(Columns(), Context(0)))
    editor = Columns()
    (tmp_path / "prepare").mkdir()
    cells = EditingTask(**SIZES).run(editor, Context(0, checkpoint=tmp_path))
    next(cells)
    cells.close()
    assert editor.seen == [12]
    assert exact(values(editor, Context(0, checkpoint=tmp_path))) == whole
    assert editor.seen == [12]  # was prepared once


def test_what_was_prepared_comes_back_to_the_bit(stage: tuple[Classifier, Bench], tmp_path: Path) -> None:
    ctx = Context(4, checkpoint=tmp_path)
    first, seconds = prepared_once(Columns(), *stage, ctx)
    editor = Columns()
    second, told = prepared_once(editor, *stage, ctx)
    assert torch.equal(first["push"], second["push"]) and told == seconds and editor.seen == []
    (tmp_path / "prepared.safetensors").write_bytes(b"half")
    third, _ = prepared_once(editor, *stage, ctx)
    assert torch.equal(third["push"], first["push"]) and editor.seen == [12]
    assert prepared_once(Nothing(), *stage, Context(4, checkpoint=tmp_path / "."))[0].keys() == {"push"}


def test_nothing_prepared_is_kept_too(stage: tuple[Classifier, Bench], tmp_path: Path) -> None:
    assert prepared_once(Nothing(), *stage, Context(0, checkpoint=tmp_path))[0] == {}
    assert prepared_once(Columns(), *stage, Context(0, checkpoint=tmp_path))[0] == {}


def test_the_workshop_has_training_pictures_and_a_seed_of_the_cell(stage: tuple[Classifier, Bench]) -> None:
    seen: list[Workshop] = []

    @dataclass(frozen=True, kw_only=True)
    class Curious(Nothing):
        def prepare(self, model: Classifier, workshop: Workshop) -> Prepared:
            seen.append(workshop)
            return {}

    for seed in (0, 0, 1):
        prepared_once(Curious(), *stage, Context(seed))
    assert seen[0].seed == seen[1].seed != seen[2].seed and seen[0].folder is None
    assert torch.equal(seen[0].training.x, stage[1].training.x)


def test_knobs_are_spread_over_what_the_editor_has() -> None:
    assert spread([1, 2, 3, 4, 5], 3) == [1, 3, 5] and spread([1, 2, 3, 4], 2) == [1, 4]
    assert spread([1, 2], 3) == spread([1, 2], 0) == [1, 2] and spread([1, 2, 3], 1) == [1]
    assert EditingTask(knobs=2).values(HeadRow()) == [0.05, 5.0]
    assert EditingTask().values(HeadRow(knobs="1,1,2")) == [1.0, 2.0] and EditingTask().values(Nothing()) == [
        0.0
    ]


@dataclass(frozen=True, kw_only=True)
class Careless(HeadRow):
    """Trains the model itself."""

    def edit(self, model: Classifier, *args: Any, **more: Any) -> Edited:
        with torch.no_grad():
            model.parameter(f"{model.head}.bias")[0] += 1e-3
        return super().edit(model, *args, **more)


def test_a_changed_model_is_no_result(stage: tuple[Classifier, Bench]) -> None:
    bias = stage[0].parameter(f"{stage[0].head}.bias")
    before = bias.clone()
    try:
        with pytest.raises(MethodError, match="has changed the model"):
            values(Careless(), Context(0))
    finally:
        with torch.no_grad():
            bias.copy_(before)
    with pytest.raises(MethodError, match="no Editor"):
        next(EditingTask().run(object(), Context(0)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("groups", 0, "at least 1"),
        ("knobs", -1, "at least 0"),
        ("least", 1, "a mate"),
        ("margin", 0.0, "margin 0.0"),
        ("subset", "night", "one of natural, oil, light"),
        ("pool", "imagenet", "one of cifar10, digits, published"),
        ("lengths", "10,x", "whole numbers"),
        ("lengths", "0", "whole numbers"),
    ],
)
def test_settings_that_make_no_sense(field: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        EditingTask(**{field: value})


def test_without_rows_or_several_pictures_their_scores_are_left_out() -> None:
    found = values(HeadRow(), Context(0), lengths="", several=0, tested=0)
    names = {name for name, _ in found}
    assert (
        not {n for n in names if n.startswith(("row", "undo", "several"))} and "accuracy_change" not in names
    )


def test_facts_are_of_the_bench() -> None:
    told = EditingTask().facts(Context(0))
    assert told["groups"] == 2 and told["locality pictures"] == 7
    assert sorted(v for k, v in told.items() if k.startswith("failures")) == [4, 5]


def test_shown_pictures_are_those_of_the_group(stage: tuple[Classifier, Bench]) -> None:
    group = stage[1].groups[0]
    text = strip(group, [2, 0])
    assert picture(text)
    whole = np.array(Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2]))).convert("RGB"))
    assert whole.shape == (12, 26, 3) and (whole[:, 12:14] > 240).all()
    for left, place in ((0, 2), (14, 0)):
        off = np.abs(whole[:, left : left + 12].astype(int) - group.x[place].numpy().astype(int))
        assert off.mean() < 20


def test_the_setting_is_that_of_the_fields(monkeypatch: pytest.MonkeyPatch, stage: Any) -> None:
    """Which model and pictures are asked for, once for a cell and the next."""
    monkeypatch.undo()
    asked: list[Any] = []

    def note(name: str, given: Any) -> Any:
        return lambda *args, **more: asked.append((name, args, more)) or given

    monkeypatch.setattr("tasks.vit_editing.classifier.classifier", note("model", "M"))
    monkeypatch.setattr(pools, "pool", note("pool", "P"))
    monkeypatch.setattr(failures, "bench", note("bench", "B"))
    monkeypatch.setattr(published, "published_bench", note("published", "B2"))
    task._setting.cache_clear()
    try:
        one = EditingTask(pool="digits", subset="thick", stronger="nearest", shift_seed=3, least=5)
        for _ in range(2):
            assert one.setting(Context(0, base_model="other")) == ("M", "B")
        assert [name for name, *_ in asked] == ["model", "pool", "bench"]
        assert asked[0][1] == ("other",) and asked[1][1] == ("digits",) and asked[2][1] == ("M", "P")
        assert asked[2][2] == {
            "groups": 6,
            "least": 5,
            "locality": 300,
            "test": 1000,
            "stronger": "nearest",
            "subset": "thick",
            "margin": 0.05,
            "seed": 3,
        }
        assert EditingTask(pool="published", folder="/f", subset="oil").setting(Context(0)) == ("M", "B2")
        assert asked[-1][1] == ("M", Path("/f"), "oil") and asked[-2][1] == ("vit-32-cifar10",)
    finally:
        task._setting.cache_clear()


def test_a_metric_says_where_it_may_vary() -> None:
    clocks = {m.name for m in EDITING if not m.exact}
    assert clocks == {"edit_s", "row_edit_s", "prepare_s"} and all(isinstance(m, Metric) for m in EDITING)
