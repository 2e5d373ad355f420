"""The task of perplexity: its numbers, what it skips, and how it goes on after a kill."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tiny_lms
import torch

from suite.api import Context, Score
from suite.errors import MethodError, Skip, UsageError
from suite.plan import plan, restore
from tasks.quantization import TASKS, task
from tasks.quantization.contract import Calibration, Precision, Quantized, Quantizer
from tasks.quantization.kept import Kept
from tasks.quantization.layer_error import LayerError
from tasks.quantization.scores import perplexity_scores
from tasks.quantization.task import PerplexityTask
from tasks.quantization.zeroshot import ZeroShot

SMALL: dict[str, Any] = {
    "base_model": "lm-icl",
    "text": "own",
    "calibration_text": "own",
    "length": 12,
    "windows": 3,
    "calibration_windows": 2,
    "calibration_length": 10,
}


@dataclass(frozen=True)
class Flat(Quantizer):
    """Every next token equally likely, so that the perplexity is the size of the vocabulary."""

    skips: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    shown: list[torch.Tensor] = field(default_factory=list)

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        self.asked.append(precision.name)
        self.shown.append(calibration.windows)
        if precision.name in self.skips:
            raise Skip("weights alone")
        if precision.name in self.fails:
            raise RuntimeError("killed")
        model.register_forward_hook(lambda _, args, output: _level(output))
        return Quantized(model, 4.5, 4.25, 1000.0)


def _level(output: Any) -> Any:
    output.logits = output.logits * 0
    return output


def scores(found: Any) -> dict[tuple[str, str], Score]:
    return {(score.metric, score.slice): score for score in found}


def test_perplexity_and_ratio_of_a_model_that_knows_nothing() -> None:
    found = scores(PerplexityTask(**SMALL, precisions="W4A4KV4,W8A8").run(Flat(), Context(0)))
    exact = found["fp_perplexity", "all"]
    for name in ("all", "W4A4KV4", "W8A8"):
        assert found["perplexity", name].value == pytest.approx(100, rel=1e-6)  # lm-icl's vocabulary
        assert found["ratio", name].value == pytest.approx(100 / exact.value, rel=1e-6)
        assert found["weight_bits", name].value == 4.5
        assert found["perplexity", name].n == 3
    # 4 layers of width 160, FFN 448, 5 heads of 32; 100 tokens
    own = 2 * (4 * (4 * 160 * 160 + 3 * 160 * 448) + 100 * 160)
    assert found["online_share", "all"].value == pytest.approx(1000 / own)


def test_the_float_perplexity_is_that_of_the_model_and_the_windows() -> None:
    trial = PerplexityTask(**SMALL).prepared(Context(0))
    found = scores(PerplexityTask(**SMALL, precisions="W4A4").run(Flat(), Context(0)))
    assert trial.windows is not None
    with torch.no_grad():
        logits = trial.model(trial.windows).logits[:, :-1].double().log_softmax(-1)
    nll = -logits.gather(-1, trial.windows[:, 1:, None]).mean()
    assert found["fp_perplexity", "all"].value == pytest.approx(math.exp(nll), rel=1e-5)


def test_a_precision_that_is_skipped_is_left_out() -> None:
    method = Flat(skips=("W8A8",))
    found = scores(PerplexityTask(**SMALL, precisions="W4A16,W8A8,W3A16").run(method, Context(0)))
    assert {name for metric, name in found if metric == "perplexity"} == {"all", "W4A16", "W3A16"}


def test_no_other_precision_stands_in_for_the_headline() -> None:
    with pytest.raises(Skip, match="not at the headline W4A4KV4: weights alone"):
        list(PerplexityTask(**SMALL).run(Flat(skips=("W4A4KV4",)), Context(0)))


def test_a_killed_cell_goes_on_where_it_was(tmp_path: Path) -> None:
    ctx, made = Context(0, checkpoint=tmp_path), PerplexityTask(**SMALL, precisions="W4A4,W8A8,W4A16")
    with pytest.raises(RuntimeError, match="killed"):
        list(made.run(Flat(fails=("W8A8",)), ctx))
    again = Flat()
    resumed = scores(made.run(again, ctx))
    assert again.asked == ["W8A8", "W4A16"]
    whole = scores(made.run(Flat(), Context(0)))
    timed = {key for key in whole if key[0] == "quantize_s"}
    assert {k: v for k, v in resumed.items() if k not in timed} == {
        k: v for k, v in whole.items() if k not in timed
    }


def test_a_damaged_checkpoint_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "found.json").write_text('{"float": ')
    kept = Kept.at(tmp_path)
    assert kept.once("a", lambda: {"x": 1}) == {"x": 1} and kept.once("a", lambda: {"x": 2}) == {"x": 1}
    assert json.loads((tmp_path / "found.json").read_text()) == {"a": {"x": 1}}
    assert [p.name for p in tmp_path.iterdir()] == ["found.json"]


def test_calibration_follows_the_seed_and_what_is_measured_does_not() -> None:
    one, two = (PerplexityTask(**SMALL).prepared(Context(seed)) for seed in (0, 1))
    assert one.windows is not None and two.windows is not None
    assert torch.equal(one.windows, two.windows)
    assert not torch.equal(one.calibration.windows, two.calibration.windows)
    assert one.calibration.windows.shape == (2, 10)


def test_all_precisions_share_one_calibration() -> None:
    method = Flat()
    list(PerplexityTask(**SMALL, precisions="W4A4,W8A8").run(method, Context(0)))
    assert method.shown[0] is method.shown[1]


@pytest.mark.parametrize("kind", ["normal", "massive"])
def test_outliers_leave_the_float_model_what_it_was(kind: Any) -> None:
    settings = {**SMALL, "precisions": "W4A4"}
    plain, changed = (
        scores(PerplexityTask(**settings, outliers=o, magnitude=200.0).run(Flat(), Context(0)))
        for o in ("none", kind)
    )
    key = ("fp_perplexity", "all")
    assert changed[key].value == pytest.approx(plain[key].value, rel=1e-3)


def test_the_interval_of_the_ratio_is_paired_over_windows() -> None:
    nlls, reference = [math.log(4), math.log(16)], [math.log(2), math.log(4)]
    found = scores(perplexity_scores(nlls, reference, "W4A4", "x"))
    assert found["perplexity", "W4A4"].value == pytest.approx(8)
    assert found["ratio", "W4A4"].value == pytest.approx(math.sqrt(8))
    # a quarter of the resamples of two windows hold the first twice, another the second
    assert found["ratio_lo", "W4A4"].value == pytest.approx(2)
    assert found["ratio_hi", "W4A4"].value == pytest.approx(4)
    # windows that lose the same have no spread, however unlike they are
    alike = scores(perplexity_scores([2.0, 9.0, 5.0], [1.5, 8.5, 4.5], "all", "x"))
    assert alike["ratio_lo", "all"].value == pytest.approx(alike["ratio_hi", "all"].value)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 800.0])
def test_no_finite_perplexity_fails_the_cell_in_one_line(bad: float) -> None:
    with pytest.raises(MethodError, match="Rtn at W4A4 gives no finite perplexity"):
        list(perplexity_scores([1.0, bad], [1.0, 1.0], "W4A4", "Rtn at W4A4"))


def test_what_is_no_quantized_model_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Flat, "quantize", lambda *args: None)
    with pytest.raises(MethodError, match="Flat.quantize gave NoneType"):
        list(PerplexityTask(**SMALL).run(Flat(), Context(0)))


def test_a_model_without_words_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = type("L", (), {"model": torch.nn.Linear(1, 1), "tokenizer": None, "name": "vit"})
    monkeypatch.setattr(task, "load", lambda *args, **settings: loaded)
    with pytest.raises(UsageError, match="vit is no language model"):
        PerplexityTask(**SMALL).prepared(Context(0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PerplexityTask(precisions="W4A4,W4A4KV16"), "each once"),
        (lambda: PerplexityTask(precisions="int4"), "precision 'int4': write it like"),
        (lambda: PerplexityTask(text="pile"), "text 'pile': one of own"),
        (lambda: PerplexityTask(calibration_text="pile"), "text 'pile': one of own"),
        (lambda: PerplexityTask(length=2), "length is 2; give 3 or more"),
        (lambda: PerplexityTask(windows=0), "windows is 0; give 1 or more"),
        (lambda: PerplexityTask(batch=0), "batch is 0"),
        (lambda: PerplexityTask(outlier_layers="1;2"), "numbers of layers"),
        (lambda: PerplexityTask(magnitude=0.0), "magnitude 0.0: above 0"),
        (lambda: PerplexityTask(recipe="c4"), "recipe 'c4': joined"),  # type: ignore[arg-type]
        (lambda: PerplexityTask(outliers="some"), "outliers 'some'"),  # type: ignore[arg-type]
        (lambda: PerplexityTask(content="0" * 64), "no longer those of content 000000000000"),
        (lambda: ZeroShot(limit=0), "limit is 0"),
        (lambda: LayerError(calibration_length=1), "calibration_length is 1"),
    ],
)
def test_settings_that_make_no_sense_are_one_line(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precisions": "W4A4,W4A16g7"}, "W4A16g7: groups of 7 do not divide the 160 inputs of"),
        ({"outliers": "massive", "outlier_layers": "99"}, "outliers massive: layers .99.: .* 0 to 3"),
        ({"outliers": "normal", "channels": 160}, "outliers normal: 160 outlier channels"),
    ],
)
def test_settings_that_do_not_fit_the_model_are_wrong_use(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PerplexityTask(**SMALL, **settings).prepared(Context(seed=0))


@pytest.mark.parametrize("spec", TASKS, ids=lambda spec: spec.name)
@pytest.mark.parametrize("profile", ["smoke", "small", "paper"])
def test_every_task_is_planned_from_its_own_row(spec: Any, profile: Any) -> None:
    planned = plan(spec.name, "rtn", profile)
    made: Any = planned.task_instance
    assert restore(planned.cell).task_instance == made
    assert profile != "smoke" or set(made.texts.values()) == {"own"}
    headline = "W4A16" if profile != "smoke" and "weights" in spec.name else "W4A4KV4"
    assert made.listed[0].name == headline


@pytest.mark.parametrize("spec", [s for s in TASKS if "stories" in s.name], ids=lambda spec: spec.name)
@pytest.mark.parametrize("profile", ["small", "paper"])
def test_groups_of_weights_divide_the_widths_of_stories260k(spec: Any, profile: Any) -> None:
    made: Any = plan(spec.name, "rtn", profile).task_instance
    assert made.base_model == "stories260k"
    for precision in made.listed:
        # inputs of its maps: the stream's 64, the heads' 64, the FFN's 172
        assert not precision.group or (64 % precision.group == 0 and 172 % precision.group == 0)


def test_two_tasks_have_all_five_precisions_on_wikitext2_at_small() -> None:
    made: list[Any] = [plan(f"ppl-wikitext2{end}", "rtn", "small").task_instance for end in ("", "-weights")]
    assert sorted(one.name for each in made for one in each.listed) == sorted(task.PRECISIONS.split(","))
    assert len({(one.base_model, one.text, one.length, one.windows, one.content) for one in made}) == 1


def test_gemma_is_measured_behind_bos() -> None:
    made: list[Any] = [plan("ppl-wikitext2-gemma", "rtn", p).task_instance for p in ("small", "paper")]
    assert [(one.base_model, one.bos, one.dtype) for one in made] == [("gemma-3-270m", True, "float32")] * 2


def test_text_that_is_measured_is_part_of_the_cell() -> None:
    made: list[Any] = [plan("ppl-wikitext2", "rtn", p).task_instance for p in ("smoke", "small", "paper")]
    contents = {one.content for one in made}
    assert len(contents) == 3 and "" in contents


def test_operations_of_a_tiny_model_are_those_of_its_maps() -> None:
    # q and o 32x32, k and v 16x32, FFN 3 of 48x32, two layers; 320 tokens
    assert task.own_flops(tiny_lms.model("llama")) == 2 * (2 * (2 * 1024 + 2 * 512 + 3 * 1536) + 320 * 32)
