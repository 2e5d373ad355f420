"""T-Patcher: how a unit starts, what it leaves alone, its losses by hand, and a literal descent."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.vit_editing.rival_patches import Patched, hardest, memory_loss
from methods.vit_editing.tpatcher import TPatcher
from suite.errors import UsageError
from tasks.vit_editing.contract import Failure, ReplacedWeights
from tests.methods.vit_editing import rival_vits as vits

MODEL = vits.tiny()
EDITOR = TPatcher(samples=30, steps=6)
PREPARED = EDITOR.prepare(MODEL, vits.workshop(40))
LAST = MODEL.blocks[-1]


def query(x: Tensor) -> Tensor:
    """What the last fc1 reads at the class token, from a hook on a copy."""
    module, seen = copy.deepcopy(MODEL.module), []
    module.get_submodule(LAST.fc1).register_forward_hook(lambda m, a, o: seen.append(a[0][:, 0]))
    with torch.no_grad():
        module(MODEL.prepared(x))
    return torch.cat(seen)


def test_the_memory_is_what_the_last_ffn_reads() -> None:
    wanted = query(vits.workshop(40).training.x)
    distances = torch.cdist(PREPARED["memory"], wanted, compute_mode="donot_use_mm_for_euclid_dist")
    assert PREPARED["memory"].shape == (30, vits.WIDTH)
    assert bool((distances.min(1).values < 1e-4).all())


def test_a_unit_starts_with_activation_1_and_adds_nothing() -> None:
    """A failure that is none stops before the first step."""
    x = vits.pictures(1)
    failure = Failure(x, vits.answers(MODEL, x), 0)
    edited: Any = TPatcher(enough=1e9, quiet=1e9).edit(MODEL, PREPARED, failure, 1.0)
    assert edited.steps == 0
    u = query(x)[0]
    assert abs(float(u @ edited.keys[0] + edited.biases[0]) - 1) < 1e-5
    more = vits.pictures(4, seed=7)
    torch.testing.assert_close(vits.logits(MODEL, edited, more), MODEL.logits(more), rtol=0, atol=1e-5)


def test_an_unasked_unit_changes_nothing_under_relu() -> None:
    model = vits.tiny()
    model.module.get_submodule(LAST.fc1.rpartition(".")[0]).activation_fn = nn.ReLU()
    x = vits.pictures(8, seed=7)
    keys, values = torch.ones(1, vits.WIDTH), torch.arange(vits.WIDTH)[None] / 4.0
    # The bias lies below what any token of some pictures asks for, and above what those of others do.
    asked = torch.cat([reads @ keys[0] for reads in _reads(model, x)]).view(8, -1)
    bias = -asked[:, 0].median()
    told = vits.logits(model, Patched(model, keys, bias[None], values, keys, 0), x)
    silent = asked[:, 0] + bias <= 0
    plain = model.logits(x)
    assert 0 < int(silent.sum()) < 8
    torch.testing.assert_close(told[silent], plain[silent], rtol=0, atol=1e-5)
    assert bool(((told - plain).abs().amax(1) > 1e-3)[~silent].any())


def _reads(model: Any, x: Tensor) -> Tensor:
    module, seen = copy.deepcopy(model.module), []
    module.get_submodule(LAST.fc1).register_forward_hook(lambda m, a, o: seen.append(a[0]))
    with torch.no_grad():
        module(model.prepared(x))
    return seen[0]


def test_losses_by_hand() -> None:
    e = math.exp
    assert abs(float(hardest(torch.tensor([0.0, -1.0, 2.0]), 2)) - (e(2) + 1) / 2) < 1e-5
    assert abs(float(hardest(torch.tensor([0.0]), 5)) - 1) < 1e-6
    seen, asked = torch.tensor([[0.0, -2.0, -3.0]]), torch.tensor([[1.0]])
    # Differences to what is asked, plus 3: 2, 0, -1; above -3: 3, 1, 0; the two largest of each.
    wanted = (e(2) + e(0)) / 2 + (e(3) + e(1)) / 2
    assert abs(float(memory_loss(seen, asked, 3.0, -3.0, 2)) - wanted) < 1e-4
    two = memory_loss(seen, torch.tensor([[1.0, 0.0]]), 3.0, -3.0, 3)
    wanted = (e(3) + e(2) + e(1)) / 3 + (e(3) + e(1) + e(0)) / 3
    assert abs(float(two) - wanted) < 1e-4


def literal(failure: Failure, m: float, editor: TPatcher) -> tuple[list[Tensor], int]:
    """A copy of the module whose last FFN has one more row and column, whole pictures, torch's optimizer."""
    u, memory = query(failure.x), PREPARED["memory"]
    key = u.mean(0, keepdim=True)
    key = (key / key.square().sum()).requires_grad_(True)
    bias = torch.zeros(1, requires_grad=True)
    value = torch.zeros(1, vits.WIDTH, requires_grad=True)
    gain = torch.full((1, vits.WIDTH), editor.gain, requires_grad=True)
    optimizer = torch.optim.Adam([key, bias, value, gain], lr=editor.lr, weight_decay=editor.decay)
    names = (LAST.matrices[0], f"{LAST.fc1}.bias", LAST.matrices[1])
    taken = 0
    for _ in range(editor.steps):
        old = [MODEL.parameter(name) for name in names]
        wide = [torch.cat([old[0], key]), torch.cat([old[1], bias]), torch.cat([old[2], (value * gain).T], 1)]
        weights = dict(zip(names, wide, strict=True))
        logits = torch.func.functional_call(MODEL.module, weights, (MODEL.prepared(failure.x),)).logits
        asked = u @ key[0] + bias
        awake = torch.exp(editor.margin - asked).topk(min(5, len(asked))).values.mean()
        loss = F.cross_entropy(logits, failure.y)
        right = bool((logits.argmax(1) == failure.y).all())
        if right and loss <= editor.enough and awake <= editor.quiet:
            break
        seen = memory @ key[0] + bias
        apart = torch.exp(seen[:, None] - asked[None] + 3).flatten()
        memory_part = apart.topk(min(editor.hardest, len(apart))).values.mean()
        memory_part = memory_part + torch.exp(seen + 3).topk(min(editor.hardest, len(seen))).values.mean()
        optimizer.zero_grad()
        (loss + editor.alc * awake + m * memory_part).backward()
        optimizer.step()
        taken += 1
    return [key.detach(), bias.detach(), (value * gain).detach()], taken


@pytest.mark.parametrize("each", [1, 2])
def test_edits_at_once_are_those_of_literal_descents(each: int) -> None:
    editor = TPatcher(steps=12, lr=0.05, enough=1.2, quiet=0.5, hardest=10)
    asked = vits.failures(MODEL, 3, each=each)
    found: list[Any] = editor.edit_many(MODEL, PREPARED, asked, 0.01)
    for failure, edited in zip(asked, found, strict=True):
        wanted, steps = literal(failure, 0.01, editor)
        assert edited.steps == steps
        for got, want in zip((edited.keys, edited.biases, edited.values), wanted, strict=True):
            torch.testing.assert_close(got, want, rtol=0, atol=2e-4)


def test_units_add_up() -> None:
    first, second = vits.failures(MODEL, 2)
    one: Any = EDITOR.edit(MODEL, PREPARED, first, 1.0)
    both: Any = EDITOR.edit(MODEL, PREPARED, second, 1.0, before=one)
    assert torch.equal(both.keys[:1], one.keys) and torch.equal(both.values[:1], one.values)
    assert (both.added, both.touched, both.start) == (2 * (2 * vits.WIDTH + 1), 0, vits.DEPTH - 1)
    # The picture edited before is in the memory of the later unit, which is pushed below it.
    torch.testing.assert_close(both.queries, torch.cat([query(first.x), query(second.x)]), rtol=0, atol=1e-5)
    u = query(vits.pictures(3, seed=7))
    alone = [
        Patched(MODEL, both.keys[k : k + 1], both.biases[k : k + 1], both.values[k : k + 1], u, 0)
        for k in (0, 1)
    ]
    torch.testing.assert_close(both.adds(u), alone[0].adds(u) + alone[1].adds(u), rtol=0, atol=1e-5)
    with pytest.raises(UsageError, match="ReplacedWeights"):
        EDITOR.edit(MODEL, PREPARED, first, 1.0, before=ReplacedWeights(MODEL, {}))


def test_the_contract_is_kept() -> None:
    vits.keeps_the_contract(MODEL, EDITOR, PREPARED, 1.0, vits.failures(MODEL, 3))
