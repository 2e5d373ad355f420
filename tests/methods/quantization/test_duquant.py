"""DuQuant leaves the logits alone before it rounds, and each of its settings does what it says."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import llama_variants
import pytest
import torch
from torch import Tensor

from methods.quantization import cache, permutation, rotation
from methods.quantization.cache import CacheRule
from methods.quantization.duquant import DuQuant
from methods.quantization.layerwise import Site
from methods.quantization.linear import quantized_maps
from methods.quantization.plain import Rtn
from suite.api import Context
from suite.models.llama_like import llama_like
from tasks.quantization.contract import Calibration, Precision, Quantizer

CHAINS = ("", "R", "P", "RP", "PR", "RR", "RPR")
EXACT = Precision(16, 16, 16)
FOUR = Precision(4, 4, 4)
EVERY_CHAIN = ("heads that share keys", "biases")
SHAPES: dict[str, dict[str, Any]] = {
    "heads that share keys": {},
    "a head of its own": {"kv_heads": 4},
    "biases": {"bias": True},
    "heads of 48": {"heads": 2, "kv_heads": 1, "head_dim": 48},
    "heads of 64": {"heads": 2, "kv_heads": 1, "head_dim": 64},
    "heads of 128": {"heads": 2, "kv_heads": 2, "head_dim": 128},
}


def transformed(
    model: Any, method: Quantizer, hadamard: int = 0, precision: Precision = EXACT, seed: int = 0
) -> Any:
    """A copy of the model behind a method, and behind Hadamard matrices on queries and keys."""
    found = copy.deepcopy(model)
    method.quantize(found, Calibration(llama_variants.tokens(), None), precision, Context(seed=seed))
    cache.install(llama_like(found), CacheRule(hadamard=hadamard))
    return found


def largest_difference(model: Any, method: DuQuant) -> float:
    """Of the logits behind a method, without and with Hadamard matrices on queries and keys."""
    ids, block = (
        llama_variants.tokens(1, 11, seed=5),
        llama_like(model).head_dim & -llama_like(model).head_dim,
    )
    expected, found = llama_variants.logits(model, ids), transformed(model, method)
    plain = llama_variants.difference(llama_variants.logits(found, ids), expected)
    cache.install(llama_like(found), CacheRule(hadamard=block))
    return max(plain, llama_variants.difference(llama_variants.logits(found, ids), expected))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_subset_of_the_transforms_leaves_the_logits_alone(shape: str) -> None:
    model = llama_variants.model(**SHAPES[shape])
    for chain, alpha in itertools.product(CHAINS if shape in EVERY_CHAIN else ("RPR",), (None, 0.6)):
        assert largest_difference(model, DuQuant(chain=chain, alpha=alpha, steps=3)) < 1e-4


@pytest.mark.parametrize("shape", ["heads that share keys", "biases", "heads of 48"])
def test_in_float64_they_leave_them_alone_to_1e_10(shape: str) -> None:
    model = llama_variants.model(**SHAPES[shape], dtype=torch.float64)
    with llama_variants.norms_in_float64():
        for chain, alpha in (("RPR", 0.6), ("RPR", None), ("", 0.6), ("P", None)):
            assert largest_difference(model, DuQuant(chain=chain, alpha=alpha, steps=3)) < 1e-10


@pytest.mark.parametrize(
    ("kind", "rotation"),
    [
        ("qwen2", "greedy"),
        ("qwen3", "hadamard"),
        ("mistral", "random"),
        ("gemma", "greedy"),
        ("gemma3", "greedy"),
    ],
)
def test_other_models_built_like_llama_compute_the_same_too(kind: str, rotation: str) -> None:
    model = llama_variants.model(kind)
    ids = llama_variants.tokens(2, 19, seed=5)
    found = transformed(model, DuQuant(rotation=rotation, steps=3), 8)
    expected = llama_variants.logits(model, ids)
    assert llama_variants.difference(llama_variants.logits(found, ids), expected) < 1e-4


def test_maps_that_read_one_activation_share_its_transforms() -> None:
    found = llama_like(transformed(llama_variants.model(), DuQuant(steps=6)))
    for block in found.blocks:
        inputs = {site: {id(m.inputs) for m in block.readers(site)} for site in ("qkv", "out", "ffn", "down")}
        assert [len(ids) for ids in inputs.values()] == [1, 1, 1, 1]
        assert len(set.union(*inputs.values())) == 4


def test_a_seed_gives_the_same_codes_and_another_one_others() -> None:
    model = llama_variants.model()
    weights = [
        [m.weight for _, m in quantized_maps(transformed(model, DuQuant(steps=6), precision=FOUR, seed=seed))]
        for seed in (0, 0, 1)
    ]
    assert all(torch.equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))


@pytest.mark.parametrize("chain", CHAINS[1:])
def test_links_are_fitted_to_what_the_ones_before_give(chain: str) -> None:
    model = llama_variants.model(layers=1)
    method = DuQuant(chain=chain, alpha=None, steps=9, reduce="concat")
    context = Context(seed=3)
    seen: dict[str, Tensor] = {}
    handle = (
        llama_like(model)
        .blocks[0]
        .linear("mlp.down_proj")
        .register_forward_pre_hook(lambda _, args: seen.update(down=args[0].flatten(0, 1)))
    )
    llama_variants.logits(model, llama_variants.tokens())
    handle.remove()
    found = transformed(model, method, seed=3)
    links = llama_like(found).blocks[0].linear("mlp.down_proj").inputs.transforms
    rows, rng = seen["down"], context.rng("rotation 0.down")
    for letter, link in zip(chain, links, strict=True):
        if letter == "R":
            begin = rotation.start(16, rng)[None]
            matrix = rotation.greedy(rotation.blocks(rows, 16)[None], begin, 9).matrix[0]
            assert torch.allclose(link.matrix, matrix, atol=1e-5)
            rows = rotation.rotate(rows, matrix)
        else:
            order = permutation.zigzag(rows.abs().amax(0), 16)
            assert torch.equal(link.order, order)
            rows = rows[:, order]


def test_the_peak_of_no_activation_rises() -> None:
    model = llama_variants.model()
    found = transformed(model, DuQuant(alpha=None, steps=20))
    before, after = {}, {}
    for store, these in ((before, model), (after, found)):
        for block in llama_like(these).blocks:
            for site, path in (("qkv", "self_attn.q_proj"), ("down", "mlp.down_proj")):

                def keep(module: Any, args: Any, key: Any = (block.index, site), to: Any = store) -> None:
                    x = args[0]
                    to[key] = (module.inputs(x) if hasattr(module, "inputs") else x).abs().max()

                block.linear(path).register_forward_pre_hook(keep)
    ids = llama_variants.tokens()
    llama_variants.logits(model, ids), llama_variants.logits(found, ids)
    assert all(after[key] <= before[key] * (1 + 1e-5) for key in before)


def gaussian_inputs(seed: int, outliers: float) -> Any:
    """A model of one layer whose q, k and v read Gaussian numbers, two channels of them `outliers` times
    larger and met by weights that much smaller, so that what the maps give is the same for all `outliers`.
    """
    made = llama_variants.model(width=64, heads=8, layers=1, seed=seed)
    block = llama_like(made).blocks[0]
    with torch.no_grad():
        gain = made.model.layers[0].input_layernorm.weight
        gain.fill_(1.0)[[3, 20]] = outliers
        for name in ("q_proj", "k_proj", "v_proj"):
            block.linear(f"self_attn.{name}").weight[:, [3, 20]] /= outliers
    return made


def queries(model: Any) -> Tensor:
    kept: list[Tensor] = []
    linear = llama_like(model).blocks[0].linear("self_attn.q_proj")
    handle = linear.register_forward_hook(lambda _, args, out: kept.append(out))
    llama_variants.logits(model, llama_variants.tokens(16, 32, seed=5))
    handle.remove()
    return kept[0]


@pytest.mark.parametrize("seed", range(3))
def test_without_outliers_it_is_as_good_as_rounding_and_with_them_far_better(seed: int) -> None:
    # Without clips, whose ratios are for large models and cost Gaussian numbers a fifth more error.
    unclipped = DuQuant(act_clip=1.0, weight_clip=1.0)
    errors = {}
    for outliers in (1.0, 40.0):
        model = gaussian_inputs(seed, outliers)
        exact = queries(model)
        for method in (Rtn(), unclipped):
            found = transformed(model, method, precision=Precision(4, 4, 16), seed=seed)
            errors[type(method), outliers] = float((queries(found) - exact).norm() / exact.norm())
    assert errors[DuQuant, 1.0] == pytest.approx(errors[Rtn, 1.0], rel=0.1)
    assert errors[DuQuant, 40.0] == pytest.approx(errors[DuQuant, 1.0], rel=0.1)
    assert errors[Rtn, 40.0] > 4 * errors[DuQuant, 40.0]


@pytest.mark.parametrize("bits", [6, 8])
def test_from_six_bits_on_nothing_is_clipped(bits: int) -> None:
    model = llama_variants.model()
    found = [
        transformed(model, method, precision=Precision(bits, bits, bits))
        for method in (DuQuant(steps=4), DuQuant(steps=4, act_clip=1.0, weight_clip=1.0))
    ]
    logits = [llama_variants.logits(f, llama_variants.tokens(seed=5)) for f in found]
    assert torch.equal(*logits)


def test_at_four_bits_the_clips_are_the_grids() -> None:
    (_, linear), *_ = quantized_maps(transformed(llama_variants.model(), DuQuant(steps=4), precision=FOUR))
    whole, *_ = quantized_maps(transformed(llama_variants.model(), DuQuant(steps=4)))
    grid, weight = linear.parts[0].grid, whole[1].weight
    assert grid is not None and linear.inputs.rule.clip == 0.9
    assert torch.allclose(grid.scale, 0.8 * (weight.amax(1) - weight.amin(1))[:, None] / 15)


@pytest.mark.parametrize("reduce", ["mean", "max"])
def test_a_pseudo_sequence_is_what_the_first_rotation_is_fitted_to(reduce: str) -> None:
    model = llama_variants.model(layers=1)
    method = DuQuant(chain="P", alpha=None, reduce=reduce)
    hidden = model.get_input_embeddings()(llama_variants.tokens()).detach()
    if reduce == "mean":
        small = hidden.mean(0)
    else:
        index = hidden.abs().argmax(0)
        small = torch.stack(
            [
                torch.stack([hidden[index[t, c], t, c] for c in range(hidden.shape[2])])
                for t in range(hidden.shape[1])
            ]
        )
    norm = llama_like(model).blocks[0].before_attention
    expected = permutation.zigzag(norm(small).detach().abs().amax(0), 32)
    found = transformed(model, method)
    assert torch.equal(
        llama_like(found).blocks[0].linear("self_attn.q_proj").inputs.transforms[0].order, expected
    )


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("rotation", "givens", "rotation 'givens': one of"),
        ("order", "up", "order 'up'"),
        ("block", 48, "block is 48; give a power of two"),
        ("block", 0, "block is 0"),
        ("chain", "RXR", "chain 'RXR'"),
        ("steps", -1, "steps -1"),
        ("peak", "norm", "peak 'norm'"),
        ("reduce", "sum", "reduce 'sum'"),
        ("quirk", "column", "quirk 'column'"),
    ],
)
def test_a_setting_that_is_none_is_named(field: str, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DuQuant(**{field: value})


def test_gptq_and_learned_clips_see_all_windows_where_rotations_see_their_mean() -> None:
    model = llama_variants.model()
    base: dict[str, Any] = {"alpha": None, "steps": 4, "weight_clip": 1.0}
    plain = transformed(model, DuQuant(**base), precision=FOUR)
    for more in ({"rounding": "gptq"}, {"lwc_epochs": 1}):
        found = transformed(model, DuQuant(**base, **more), precision=FOUR)
        for site in ("self_attn.q_proj", "mlp.down_proj"):
            one, other = (llama_like(m).blocks[0].linear(site) for m in (plain, found))
            # The first block's rotations are the same, as its pseudo-sequence is; its weights are not.
            links = one.inputs.transforms.state_dict(), other.inputs.transforms.state_dict()
            assert links[0] and all(torch.equal(links[0][name], links[1][name]) for name in links[0])
            assert not torch.equal(one.weight, other.weight)


def test_the_label_of_a_site_names_its_stream() -> None:
    llama = llama_like(llama_variants.model())
    empty: Any = None
    site = Site(llama, llama.blocks[1], "down", empty, FOUR, Context(seed=0))
    assert (site.label, site.width) == ("1.down", 48)
