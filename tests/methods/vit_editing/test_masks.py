"""The exact choice of units, and the masks that need no training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from methods.vit_editing.mask_editor import MaskedEditor, chosen
from methods.vit_editing.mask_trunk import Trunk
from methods.vit_editing.masks import GradientMask, RandomMask, kept_units, top_k, unit_gradients
from methods.vit_editing.spt import SPT
from suite.errors import UsageError
from tasks.vit_editing.contract import ReplacedWeights
from tests.methods.vit_editing import mask_vits as vits

EDITORS = [RandomMask(lr=2e-3, steps=6), GradientMask(lr=2e-3, steps=6), SPT(lr=2e-3, steps=6)]
SCORES = st.lists(st.integers(0, 5), min_size=12, max_size=12)


def test_kept_units_of_the_paper() -> None:
    """floor(density * 18,432), worked out by hand."""
    assert [kept_units(d, 18_432) for d in (0.75, 0.5, 0.25, 0.1, 0.05)] == [13_824, 9_216, 4_608, 1_843, 921]
    assert kept_units(0.29, 100) == 29  # 0.29 * 100 is a little less than 29 in binary


@settings(max_examples=60, deadline=None)
@given(SCORES, st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_top_k_is_exact_nested_and_takes_the_best(scores: list[int], one: float, other: float) -> None:
    values = torch.tensor(scores, dtype=torch.float32).view(1, 2, 6)
    small, large = (top_k(values, d) for d in sorted((one, other)))
    assert int(small.sum()) == kept_units(min(one, other), 12)
    assert not bool((small & ~large).any())
    best = sorted(range(12), key=lambda i: (-scores[i], i))[: int(small.sum())]
    assert small.flatten().nonzero()[:, 0].tolist() == sorted(best)


@settings(max_examples=40, deadline=None)
@given(SCORES, st.sampled_from([0.1, 0.25, 0.5, 1.0]))
def test_strict_greater_drops_the_last_kept_score(scores: list[int], density: float) -> None:
    values = torch.tensor(scores, dtype=torch.float32).view(1, 2, 6)
    k = kept_units(density, 12)
    limit = sorted(scores, reverse=True)[k - 1]
    found = top_k(values, density, strict_greater=True).flatten().tolist()
    assert found == [score > limit for score in scores]
    assert sum(found) <= k - 1


def test_strict_greater_of_different_scores_keeps_one_unit_fewer() -> None:
    scores = torch.rand((2, 4, 50), generator=torch.Generator().manual_seed(0))
    assert top_k(scores, 0.25, strict_greater=True).sum((1, 2)).tolist() == [49, 49]


@pytest.mark.parametrize("power", [1, 2])
def test_unit_gradients_are_those_of_autograd_on_the_module(power: int) -> None:
    model = vits.tiny()
    failures = vits.failures(model, 3, 2)
    trunk = Trunk.of(model, vits.BLOCKS)
    streams = torch.stack([trunk.stream(failure.x) for failure in failures])
    found = unit_gradients(trunk, streams, torch.stack([failure.y for failure in failures]), power)
    for e, failure in enumerate(failures):
        weights = {name: model.parameter(name).clone().requires_grad_() for name in trunk.rows}
        F.cross_entropy(model.logits(failure.x, weights), failure.y).backward()
        for row, name in enumerate(trunk.rows):
            expected = weights[name].grad.abs().pow(power).sum(0 if row % 2 else 1)  # type: ignore[union-attr]
            assert torch.allclose(found[e, row], expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("editor", EDITORS, ids=lambda e: type(e).__name__)
def test_masks_are_exact_and_nested_over_the_sweep(editor: MaskedEditor) -> None:
    model = vits.tiny()
    failure = vits.failures(model, 1)[0]
    shares = sorted(editor.values)
    assert shares == [0.05, 0.1, 0.25, 0.5, 0.75]
    masks = [replace(editor, steps=0).edit(model, {}, failure, share).units for share in shares]
    for share, mask, larger in zip(shares, masks, [*masks[1:], None], strict=True):
        assert mask is not None and int(mask.sum()) == kept_units(share, 4 * vits.HIDDEN)
        assert larger is None or not bool((mask & ~larger).any())


@pytest.mark.parametrize("editor", EDITORS, ids=lambda e: type(e).__name__)
def test_edits_are_independent_of_order_and_company(editor: MaskedEditor) -> None:
    model = vits.tiny()
    failures = [*vits.failures(model, 3), *vits.failures(model, 2, 2)]
    together = replace(editor, together=2).edit_many(model, {}, failures, 0.25)
    backwards = editor.edit_many(model, {}, failures[::-1], 0.25)[::-1]
    for failure, one, other in zip(failures, together, backwards, strict=True):
        alone = editor.edit(model, {}, failure, 0.25)
        for found in (one, other, alone):
            assert isinstance(found, ReplacedWeights) and found.start == vits.BLOCKS[0]
            assert torch.equal(found.units, one.units)  # type: ignore[arg-type]
            assert all(
                torch.allclose(value, one.weights[name], atol=1e-5)  # type: ignore[attr-defined]
                for name, value in found.weights.items()
            )


def test_an_edit_on_top_of_another_starts_from_its_weights() -> None:
    """The second is a descent of the model that the first left."""
    model, edited = vits.tiny(), vits.tiny()
    editor = GradientMask(lr=2e-3, steps=6)
    first, second = vits.failures(model, 2)
    one = editor.edit(model, {}, first, 0.25)
    assert isinstance(one, ReplacedWeights)
    both = editor.edit(model, {}, second, 0.25, before=one)
    with torch.no_grad():
        for name, value in one.weights.items():
            edited.parameter(name).copy_(value)
    alone = editor.edit(edited, {}, second, 0.25)
    assert isinstance(both, ReplacedWeights) and isinstance(alone, ReplacedWeights)
    assert torch.equal(both.units, alone.units)  # type: ignore[arg-type]
    assert all(torch.allclose(both.weights[n], alone.weights[n], atol=1e-5) for n in alone.weights)


def test_random_masks_follow_the_seed_of_the_failure() -> None:
    model = vits.tiny()
    failure = vits.failures(model, 1)[0]
    editor = RandomMask(steps=0)
    one, again = (editor.edit(model, {}, failure, 0.25).units for _ in range(2))
    other = editor.edit(model, {}, failure._replace(seed=77), 0.25).units
    assert torch.equal(one, again) and not torch.equal(one, other)  # type: ignore[arg-type]


@pytest.mark.parametrize("editor", EDITORS, ids=lambda e: type(e).__name__)
def test_no_unit_kept_changes_nothing(editor: MaskedEditor) -> None:
    model = vits.tiny()
    failure = vits.failures(model, 1)[0]
    one = editor.edit(model, {}, failure, 0.0)
    x = vits.pictures(6, seed=3)
    assert (one.touched, one.distance) == (0, 0.0)
    assert torch.equal(
        one.logits_from(model.kept(x, one.start)), model.logits_from(model.kept(x, one.start), one.start)
    )


def test_blocks_by_name_and_number() -> None:
    model = vits.tiny()
    assert chosen(model, "") == (2, 3) and chosen(model, "early") == (0, 1)
    assert chosen(model, "late") == (2, 3) and chosen(model, "3, 1") == (1, 3)
    for bad in ("4", "-1", "x", "1,,2"):
        with pytest.raises(UsageError, match="0 to 3"):
            chosen(model, bad)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="share"):
        RandomMask(knobs="0.5,2")
    with pytest.raises(ValueError, match="lr"):
        SPT(lr=0)
