"""OmniQuant: its scales fold away, its start is SmoothQuant with clips, and training lowers the error."""

from __future__ import annotations

import copy
from typing import Any

import block_lessons
import pytest
import tiny_lms
import torch

from methods.quantization import calibrate, learned
from methods.quantization.layerwise import Recipe, quantize, round_to_nearest
from methods.quantization.omniquant import OmniQuant
from methods.quantization.smoothing import factors
from suite.api import Context
from tasks.quantization.contract import Precision

SHORT = OmniQuant(epochs=6, batch=2)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gemma3"])
@pytest.mark.parametrize("down", [False, True])
def test_whatever_is_learned_leaves_the_float_model_alone(kind: str, down: bool, monkeypatch: Any) -> None:
    model, ids = tiny_lms.model(kind), block_lessons.ids()
    method = OmniQuant(epochs=1, down=down)
    found, courses = block_lessons.courses(monkeypatch, method, model, ids, block_lessons.EXACT)
    assert block_lessons.difference(found.model, model, ids) < 1e-4
    assert [course.epochs for course in courses] == [(), ()]
    learned = block_lessons.unrounded(monkeypatch, method, model, ids, 0.05)
    assert block_lessons.difference(learned, model, ids) < 1e-4


def test_without_epochs_it_is_smoothquant_on_grids_clipped_by_sigmoid_4(monkeypatch: Any) -> None:
    model, ids = tiny_lms.model("qwen2"), block_lessons.ids()
    found, courses = block_lessons.courses(monkeypatch, OmniQuant(epochs=0, down=True), model, ids)
    recipe = Recipe(
        smooth=lambda site: factors(site, 0.5),
        round=round_to_nearest(float(torch.tensor(4.0).sigmoid())),
    )
    wanted = quantize(
        copy.deepcopy(model), block_lessons.calibration(ids), block_lessons.FOUR, Context(seed=0), recipe
    )
    assert block_lessons.difference(found.model, wanted.model, ids) == 0
    assert all(course.before == course.after for course in courses)
    assert (found.weight_bits, found.activation_bits, found.online_flops) == (
        wanted.weight_bits,
        wanted.activation_bits,
        0.0,
    )


def test_training_lowers_the_error_of_blocks_of_a_real_model(monkeypatch: Any) -> None:
    model, text = block_lessons.stories()
    _, courses = block_lessons.courses(monkeypatch, SHORT, model, text)
    assert courses[0].after < courses[0].before
    assert all(course.after <= course.before for course in courses)


def test_the_same_seed_gives_the_same_model(monkeypatch: Any) -> None:
    model, ids = tiny_lms.model("llama"), block_lessons.ids(2, 8)
    found, again = (block_lessons.courses(monkeypatch, SHORT, model, ids)[0].model for _ in range(2))
    assert block_lessons.difference(again, found, ids) == 0


def test_what_is_put_in_place_is_what_was_trained(monkeypatch: Any) -> None:
    model, text = block_lessons.stories()
    errors: list[tuple[float, float]] = []
    original = learned.settle

    def settle(sites: Any, what: Any) -> None:
        original(sites, what)
        lesson = lessons[-1]
        with torch.no_grad():
            out = calibrate.run(sites["qkv"].block, lesson.rounded, lesson.call)
        errors.append((float((out - lesson.wanted).square().mean()), trained[-1].after))

    lessons: list[Any] = []
    trained: list[Any] = []
    learn = learned.learn

    def noted(sites: Any, lesson: Any, *rest: Any) -> Any:
        lessons.append(lesson)
        trained.append(learn(sites, lesson, *rest))
        return trained[-1]

    monkeypatch.setattr(learned, "settle", settle)
    monkeypatch.setattr(learned, "learn", noted)
    block_lessons.courses(monkeypatch, SHORT, model, text)
    # Folding rounds in float, which moves a few entries to the next level.
    assert [a for a, _ in errors] == pytest.approx([b for _, b in errors], rel=0.02)


def test_keys_are_scaled_only_where_that_can_matter(monkeypatch: Any) -> None:
    paths: list[set[str]] = []
    original = OmniQuant.fitting

    def fitting(self: Any, *given: Any) -> Any:
        found = original(self, *given)
        paths.append(set(found.rows))
        return found

    monkeypatch.setattr(OmniQuant, "fitting", fitting)
    ids = block_lessons.ids()
    for kind, precision in (
        ("llama", block_lessons.FOUR),
        ("llama", Precision(4, 4)),
        ("gemma3", block_lessons.FOUR),
    ):
        OmniQuant(epochs=0).quantize(
            tiny_lms.model(kind), block_lessons.calibration(ids), precision, Context(seed=0)
        )
    both = {"self_attn.q_proj", "self_attn.k_proj"}
    assert paths[::2] == [both, set(), set()]


@pytest.mark.parametrize(
    ("fields", "line"),
    [({"epochs": -1}, "epochs is -1"), ({"batch": 0}, "batch is 0"), ({"let_lr": 0.0}, "let_lr is 0.0")],
)
def test_schedules_that_cannot_be_run(fields: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        OmniQuant(**fields)
