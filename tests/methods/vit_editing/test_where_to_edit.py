"""The paper's editor as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from methods.vit_editing.hypernetwork import Hypernetwork
from methods.vit_editing.masks import top_k
from methods.vit_editing.where_to_edit import STATE, TRACE, WhereToEdit
from tasks.vit_editing.contract import Pictures, ReplacedWeights, Workshop
from tests.methods.vit_editing import mask_vits as vits

EDITOR = WhereToEdit(
    lr=2e-3, steps=6, layers=1, iterations=4, pairs=2, inner=2, outer=2, net_lr=1e-3, cosine=10, every=2
)


def shop(folder: Path | None = None, **more: Any) -> Workshop:
    return Workshop(
        Pictures(vits.pictures(12, seed=8), torch.zeros(12, dtype=torch.int64)), 3, folder, **more
    )


def test_the_papers_settings_are_the_defaults() -> None:
    one = WhereToEdit()
    assert (one.lr, one.steps, one.enough, one.layers, one.iterations) == (2e-5, 100, 0.01, 3, 7000)
    assert (one.pairs, one.inner, one.outer, one.temperature, one.sparsity) == (8, 5, 10, 5.0, 1.0)
    assert (one.inner_lr, one.mask_lr, one.net_lr, one.passes, one.cosine) == (1e-3, 0.1, 1e-4, 4, 20_000)
    assert one.values == (0.75, 0.5, 0.25, 0.1, 0.05)


def test_a_killed_meta_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    model = vits.tiny()
    told: list[int] = []
    whole = EDITOR.prepare(model, shop(report=lambda label, done, total: told.append(done)))
    assert told == [0, 1, 2, 3, 4] and whole[TRACE].shape == (4, 3)

    def kill(label: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        EDITOR.prepare(model, shop(tmp_path, report=kill))
    assert (tmp_path / STATE).is_file()
    told.clear()
    again = EDITOR.prepare(model, shop(tmp_path, report=lambda label, done, total: told.append(done)))
    assert told == [2, 3, 4]
    assert set(again) == set(whole) and all(torch.equal(again[name], whole[name]) for name in whole)


def test_the_rate_is_torchs_cosine() -> None:
    value = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([value], lr=EDITOR.net_lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EDITOR.cosine)
    for step in range(12):
        assert EDITOR.rate(step) == pytest.approx(schedule.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        schedule.step()


def test_a_state_of_other_settings_or_a_damaged_one_counts_for_nothing(tmp_path: Path) -> None:
    model, short = vits.tiny(), replace(EDITOR, iterations=2)
    one = short.prepare(model, shop(tmp_path))
    (tmp_path / STATE).write_bytes(b"no tensors")
    assert torch.equal(short.prepare(model, shop(tmp_path))[TRACE], one[TRACE])
    told: list[int] = []
    other = replace(short, net_lr=2e-3)
    other.prepare(model, shop(tmp_path, report=lambda label, done, total: told.append(done)))
    assert told[0] == 0


def test_units_are_the_best_of_the_mean_of_the_pictures_masks() -> None:
    model = vits.tiny()
    prepared = replace(EDITOR, iterations=1).prepare(model, shop())
    failure = vits.failures(model, 1, 2)[0]
    network = Hypernetwork(vits.WIDTH, 4, vits.HIDDEN, 1).loaded(prepared)
    tokens = model.tokens(model.stream(failure.x), 0)
    scores = network(tokens).mean(0, keepdim=True)
    for density in EDITOR.values:
        found = EDITOR.edit(model, prepared, failure, density)
        assert torch.equal(found.units, top_k(scores, density)[0])  # type: ignore[arg-type]
    strict = replace(EDITOR, strict_greater=True).edit(model, prepared, failure, 0.25).units
    assert strict is not None and int(strict.sum()) == 23


def test_edits_together_are_those_alone_and_stack_up() -> None:
    model = vits.tiny()
    prepared = replace(EDITOR, iterations=1).prepare(model, shop())
    failures = vits.failures(model, 3)
    together = EDITOR.edit_many(model, prepared, failures, 0.5)
    for failure, one in zip(failures, together, strict=True):
        alone = EDITOR.edit(model, prepared, failure, 0.5)
        assert isinstance(alone, ReplacedWeights) and isinstance(one, ReplacedWeights)
        assert all(torch.allclose(one.weights[n], v, atol=1e-5) for n, v in alone.weights.items())
    both = EDITOR.edit(model, prepared, failures[1], 0.5, before=together[0])
    # The mask reads the unedited model's token, so it is that of the edit alone.
    assert torch.equal(both.units, together[1].units)  # type: ignore[arg-type]
    assert both.distance > 0 and both.touched >= together[0].touched


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="pairs"):
        WhereToEdit(pairs=0)
