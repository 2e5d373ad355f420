"""Activation hooks against edited weights and forwards, on a tiny random model of each architecture."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from suite.errors import MethodError, UsageError
from suite.models.anatomy import anatomy
from suite.models.hooks import Add, Patch, Read, Scale, head, hooked, neuron, residual

WIDTH, HEADS, NEURONS, LAYERS, VOCABULARY = 16, 4, 24, 3, 40
SIZES = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": NEURONS,
}
TOKENS = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
GROUPED = {"num_key_value_heads": 2}
PIXELS = {"image_size": 8, "patch_size": 4}
POSITIONS = {"max_position_embeddings": 32}


class Kind(NamedTuple):
    """An architecture: class, sizes, and where its parts are, written down by hand."""

    name: str
    settings: dict[str, Any]
    blocks: str
    heads_into: str
    neurons_into: str
    head_dim: int = WIDTH // HEADS
    transposed: bool = False
    within: str = ""


LLAMA = ("model.layers", "self_attn.o_proj", "mlp.down_proj")
KINDS = [
    Kind("LlamaForCausalLM", SIZES | TOKENS | GROUPED, *LLAMA),
    Kind("MistralForCausalLM", SIZES | TOKENS | GROUPED, *LLAMA),
    Kind("Qwen2ForCausalLM", SIZES | TOKENS | GROUPED, *LLAMA),
    Kind("Qwen3ForCausalLM", SIZES | TOKENS | GROUPED | {"head_dim": 6}, *LLAMA, head_dim=6),
    Kind("Gemma3ForCausalLM", SIZES | TOKENS | GROUPED | {"head_dim": 8}, *LLAMA, head_dim=8),
    Kind(
        "GPT2LMHeadModel",
        {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_inner": NEURONS, "n_positions": 32} | TOKENS,
        *("transformer.h", "attn.c_proj", "mlp.c_proj"),
        transposed=True,
    ),
    Kind(
        "GPTNeoXForCausalLM",
        SIZES | TOKENS | POSITIONS,
        *("gpt_neox.layers", "attention.dense", "mlp.dense_4h_to_h"),
    ),
    Kind(
        "OPTForCausalLM",
        {"ffn_dim": NEURONS, "word_embed_proj_dim": WIDTH} | SIZES | TOKENS | POSITIONS,
        *("model.decoder.layers", "self_attn.out_proj", "fc2"),
    ),
    Kind("PhiForCausalLM", SIZES | TOKENS | POSITIONS, "model.layers", "self_attn.dense", "mlp.fc2"),
    Kind(
        "BertModel",
        SIZES | TOKENS | POSITIONS,
        *("encoder.layer", "attention.output.dense", "output.dense"),
    ),
    Kind("ViTModel", SIZES | PIXELS, "layers", "attention.o_proj", "mlp.fc2"),
    Kind("Dinov2Model", SIZES | PIXELS | {"mlp_ratio": 2}, "encoder.layer", "attention.o_proj", "mlp.fc2"),
    Kind(
        "T5ForConditionalGeneration",
        {"d_model": WIDTH, "d_kv": 5, "d_ff": NEURONS, "num_layers": LAYERS, "num_heads": HEADS} | TOKENS,
        *("decoder.block", "layer.0.SelfAttention.o", "layer.2.DenseReluDense.wo"),
        head_dim=5,
        within="decoder",
    ),
]
TEXT = [kind for kind in KINDS if "ForCausalLM" in kind.name or "LMHead" in kind.name]
LEFT = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])


@cache
def build(name: str) -> Any:
    import transformers

    kind = next(k for k in KINDS if k.name == name)
    torch.manual_seed(0)
    cls = getattr(transformers, name)
    model = cls(cls.config_class(**kind.settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # norms and biases too, whose starts hide mistakes
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def inputs(kind: Kind, padded: bool = False) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    if "image_size" in kind.settings:
        return {"pixel_values": torch.randn(2, 3, 8, 8, generator=generator)}
    ids = torch.randint(3, VOCABULARY, (2, 5), generator=generator)
    more = {"decoder_input_ids": ids.flip(1)} if kind.name.startswith("T5") else {}
    return {"input_ids": ids, "attention_mask": LEFT if padded else torch.ones_like(ids)} | more


def output(model: Any, kind: Kind, padded: bool = False) -> Tensor:
    out = model(**inputs(kind, padded))
    found: Tensor = out.logits if hasattr(out, "logits") else out.last_hidden_state
    return found


def parts(model: Any, kind: Kind, layer: int) -> tuple[Any, Any, Any]:
    block = model.get_submodule(f"{kind.blocks}.{layer}")
    return block, block.get_submodule(kind.heads_into), block.get_submodule(kind.neurons_into)


def hold(kind: Kind, linear: Any, columns: slice | int, factor: float) -> None:
    """Multiply the weights that read some inputs of a linear map."""
    with torch.no_grad():
        weight = linear.weight.T if kind.transposed else linear.weight
        weight[:, columns] *= factor


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def test_sizes_are_found(kind: Kind) -> None:
    body = anatomy(build(kind.name), within=kind.within)
    neurons = 2 * WIDTH if "mlp_ratio" in kind.settings else NEURONS
    assert (len(body.layers), body.heads, body.head_dim, body.neurons) == (
        LAYERS,
        HEADS,
        kind.head_dim,
        neurons,
    )


@torch.no_grad()
def test_zeroing_a_head_equals_zeroing_the_weights_that_read_it(kind: Kind) -> None:
    model = build(kind.name)
    with hooked(model, Scale(head(1, 2), 0.0), within=kind.within):
        got = output(model, kind)
    other = copy.deepcopy(model)
    hold(kind, parts(other, kind, 1)[1], slice(2 * kind.head_dim, 3 * kind.head_dim), 0.0)
    torch.testing.assert_close(got, output(other, kind))
    assert not torch.allclose(got, output(model, kind))


@torch.no_grad()
def test_scaling_a_neuron_equals_scaling_the_weights_that_read_it(kind: Kind) -> None:
    model = build(kind.name)
    neurons = anatomy(model, within=kind.within).neurons
    changing = [k for k in range(neurons) if _fires(model, kind, k)][:2]
    with hooked(model, Scale(neuron(1, changing), 3.0), within=kind.within):
        got = output(model, kind)
    other = copy.deepcopy(model)
    for k in changing:
        hold(kind, parts(other, kind, 1)[2], k, 3.0)
    torch.testing.assert_close(got, output(other, kind))
    assert not torch.allclose(got, output(model, kind))


def _fires(model: Any, kind: Kind, k: int) -> bool:
    """Whether a neuron of layer 1 is ever above 0, as one behind a ReLU need not be."""
    with hooked(model, reading := Read(neuron(1, k)), within=kind.within):
        output(model, kind)
    return bool((reading.value != 0).any())


@torch.no_grad()
def test_adding_after_a_layer_equals_a_forward_that_adds_by_hand(kind: Kind) -> None:
    model, vector = build(kind.name), torch.linspace(-1, 1, WIDTH)
    with hooked(model, Add(residual(1), vector), within=kind.within):
        got = output(model, kind)
    other = copy.deepcopy(model)
    block = parts(other, kind, 1)[0]
    plain: Callable[..., Any] = block.forward

    def adding(*args: Any, **kwargs: Any) -> Any:
        out = plain(*args, **kwargs)
        return out + vector if isinstance(out, Tensor) else (out[0] + vector, *out[1:])

    block.forward = adding
    torch.testing.assert_close(got, output(other, kind))
    assert not torch.allclose(got, output(model, kind))


@torch.no_grad()
def test_what_is_read_has_its_shape_and_put_back_changes_no_bit(kind: Kind) -> None:
    model = build(kind.name)
    sites = [head(0), head(1, 3), head(2, [2, 0]), neuron(0), neuron(1, 5), neuron(2, [7, 1]), residual(1)]
    reads = [Read(site) for site in sites]
    with hooked(model, *reads, within=kind.within) as body:
        before = output(model, kind)
    rows, tokens = reads[-1].value.shape[:2]
    per_token = [(HEADS, kind.head_dim), (kind.head_dim,), (2, kind.head_dim), (body.neurons,), (), (2,)]
    assert [r.value.shape for r in reads] == [(rows, tokens, *s) for s in [*per_token, (WIDTH,)]]
    patches = [Patch(read.site, read.value, may_be_noop=True) for read in reads]
    with hooked(model, *patches, within=kind.within):
        after = output(model, kind)
    assert torch.equal(before, after)
    assert all(patch.reached and not patch.changed for patch in patches)


@torch.no_grad()
def test_patching_from_another_input_changes_only_what_depends_on_it(kind: Kind) -> None:
    """With every layer's heads and neurons taken from another row, and the stream before them, all is the
    other row's."""
    model = build(kind.name)
    with hooked(model, reading := Read(residual(1)), within=kind.within):
        plain = output(model, kind)
    swapped = Patch(residual(1), reading.value.flip(0))
    with hooked(model, swapped, within=kind.within):
        got = output(model, kind)
    if kind.name.startswith("T5"):  # whose later layers look at the encoder too
        assert not torch.equal(got, plain)
    else:
        torch.testing.assert_close(got, plain.flip(0))


@torch.no_grad()
@pytest.mark.parametrize("kind", TEXT, ids=lambda kind: kind.name)
def test_in_a_left_padded_batch_positions_are_those_of_the_unpadded_row(kind: Kind) -> None:
    model, vector = build(kind.name), torch.linspace(-1, 1, WIDTH)
    given = inputs(kind, padded=True)
    for at in ("last", 0, 1, -2, "all"):
        edits = [Add(residual(0), vector, at=at), Scale(head(1, 1), 2.0, at=at), Scale(neuron(2), 2.0, at=at)]
        positions = LEFT.cumsum(1).sub(1).clamp(min=0)
        aligned = {} if kind.name.startswith("OPT") else {"position_ids": positions}
        with hooked(model, *edits):
            batch = model(**given, **aligned).logits[0, 2:]
        with hooked(model, *edits):
            alone = model(input_ids=given["input_ids"][:1, 2:]).logits[0]
        torch.testing.assert_close(batch, alone, atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("kind", TEXT, ids=lambda kind: kind.name)
def test_generating_with_a_cache_edits_every_new_token_as_a_forward_without_does(kind: Kind) -> None:
    model, vector = build(kind.name), 3 * torch.linspace(-1, 1, WIDTH)
    given = inputs(kind, padded=True)
    edits = [Add(residual(1), vector), Scale(head(0, 2), -2.0), Scale(neuron(2), 3.0)]
    reading = Read(residual(2), at="last")
    more: Any = {"max_new_tokens": 4, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    with hooked(model, *edits, reading):
        cached = model.generate(**given, **more)
    with hooked(model, *edits):
        assert torch.equal(cached, model.generate(**given, **more, use_cache=False))
    assert not torch.equal(cached, model.generate(**given, **more))
    assert [value.shape for value in reading.values] == [(2, WIDTH)] * 4
    mask = torch.cat([LEFT, torch.ones(2, 3, dtype=torch.long)], 1)
    positions = {} if kind.name.startswith("OPT") else {"position_ids": mask.cumsum(1).sub(1).clamp(min=0)}
    with hooked(model, *edits, whole := Read(residual(2))):
        model(input_ids=cached[:, :-1], attention_mask=mask, **positions)
    torch.testing.assert_close(torch.stack(reading.values, 1), whole.value[:, 4:], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_position_in_the_prompt_is_edited_once_while_generating() -> None:
    model = build("LlamaForCausalLM")
    given = inputs(KINDS[0], padded=True)
    edit, reading = Add(residual(0), torch.ones(WIDTH), at=1), Read(residual(0), at=1)
    with hooked(model, edit, reading):
        model.generate(**given, max_new_tokens=3, do_sample=False, eos_token_id=None, pad_token_id=0)
    assert len(reading.values) == 1


@torch.no_grad()
def test_a_query_head_is_its_attention_over_the_values_it_shares() -> None:
    import transformers

    settings = KINDS[0].settings
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**settings, attn_implementation="eager"))
    with hooked(model.eval(), reading := Read(head(1))):
        out = model(**inputs(KINDS[0]), output_attentions=True, output_hidden_states=True)
    layer = model.model.layers[1]
    values = layer.self_attn.v_proj(layer.input_layernorm(out.hidden_states[1])).reshape(2, 5, 2, 4)
    for h in range(HEADS):
        torch.testing.assert_close(reading.value[:, :, h], out.attentions[1][:, h] @ values[:, :, h // 2])


@torch.no_grad()
def test_a_neuron_is_the_gated_activation() -> None:
    model = build("LlamaForCausalLM")
    mlp = model.model.layers[0].mlp
    with hooked(model, reading := Read(neuron(0, 7))):
        kept: list[Tensor] = []
        handle = mlp.register_forward_pre_hook(lambda module, args: kept.append(args[0]))
        output(model, KINDS[0])
        handle.remove()
    x = kept[0]
    expected = nn.functional.silu(x @ mlp.gate_proj.weight[7]) * (x @ mlp.up_proj.weight[7])
    torch.testing.assert_close(reading.value, expected)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # by peft
@torch.no_grad()
def test_hooks_find_the_heads_and_neurons_of_an_adapted_model() -> None:
    import peft

    torch.manual_seed(3)
    targets = ["o_proj", "down_proj"]
    lora = peft.LoraConfig(r=2, target_modules=targets, init_lora_weights=False)
    adapted = peft.get_peft_model(copy.deepcopy(build("LlamaForCausalLM")), lora).eval()
    with hooked(adapted, Scale(head(1, 2), 0.0), Scale(neuron(0, 3), 2.0)):
        got = output(adapted, KINDS[0])
    merged = adapted.merge_and_unload()
    hold(KINDS[0], merged.model.layers[1].self_attn.o_proj, slice(8, 12), 0.0)
    hold(KINDS[0], merged.model.layers[0].mlp.down_proj, 3, 2.0)
    torch.testing.assert_close(got, output(merged, KINDS[0]), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_after_a_failed_call_positions_are_those_of_the_next_one() -> None:
    model, given = build("LlamaForCausalLM"), inputs(KINDS[0], padded=True)
    with hooked(model, reading := Read(residual(0), at="last")):
        with pytest.raises(IndexError):
            model(input_ids=torch.full((2, 5), VOCABULARY + 1), attention_mask=LEFT.flip(1))
        model(**given)
    with hooked(model, alone := Read(residual(0), at="last")):
        model(**given)
    assert torch.equal(reading.value, alone.value)


@torch.no_grad()
def test_operations_at_one_place_happen_in_order_and_inner_ones_last() -> None:
    model, vector = build("LlamaForCausalLM"), torch.linspace(-1, 1, WIDTH)
    first, between, last = Read(residual(0)), Read(residual(0)), Read(residual(0))
    with (
        hooked(model, first, Add(residual(0), vector), between),
        hooked(model, Scale(residual(0), 2.0), last),
    ):
        output(model, KINDS[0])
    torch.testing.assert_close(between.value, first.value + vector)
    torch.testing.assert_close(last.value, 2 * (first.value + vector))


@torch.no_grad()
def test_several_edits_of_one_layer_meet_in_one_call() -> None:
    model = build("LlamaForCausalLM")
    values = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    edits = [
        Patch(head(1, [3, 0]), values),
        Add(head(1, 2), 1.0),
        Patch(neuron(1, [4, 2]), torch.tensor([5.0, 6.0])),
    ]
    with hooked(model, *edits, heads := Read(head(1)), neurons := Read(neuron(1)), plain := Read(head(1, 1))):
        output(model, KINDS[0])
    assert torch.equal(heads.value[:, :, 3], values[0].expand(2, 5, 4))
    assert torch.equal(heads.value[:, :, 0], values[1].expand(2, 5, 4))
    assert torch.equal(heads.value[:, :, 1], plain.value)
    assert neurons.value[:, :, 4].unique().tolist() == [5.0] and neurons.value[:, :, 2].unique().tolist() == [
        6.0
    ]


def test_gradients_reach_a_factor_and_an_added_vector() -> None:
    """Against differences of the loss, in a model that computes in double precision throughout."""
    gpt2 = next(k for k in KINDS if k.name == "GPT2LMHeadModel")
    model = copy.deepcopy(build(gpt2.name)).double()
    factor = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    vector = torch.zeros(WIDTH, dtype=torch.float64, requires_grad=True)

    def loss(f: Tensor, v: Tensor) -> Tensor:
        edits = [Scale(head(0, 1), f), Add(residual(1), v, at="last", may_be_noop=True)]
        with hooked(model, *edits):
            return output(model, gpt2, padded=True).logsumexp(-1)[:, -1].sum()

    loss(factor, vector).backward()
    assert factor.grad is not None and vector.grad is not None
    step, unit = 1e-6, torch.eye(WIDTH, dtype=torch.float64)[3]
    with torch.no_grad():
        by_factor = (loss(factor + step, vector) - loss(factor - step, vector)) / (2 * step)
        by_vector = (loss(factor, vector + step * unit) - loss(factor, vector - step * unit)) / (2 * step)
    torch.testing.assert_close(factor.grad, by_factor, atol=1e-7, rtol=1e-5)
    torch.testing.assert_close(vector.grad[3], by_vector, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("at", ["all", "last", [0, -1], LEFT.bool()])
def test_the_gradient_at_an_activation_is_that_of_a_vector_added_there(at: Any) -> None:
    model = build("LlamaForCausalLM")
    with hooked(model, reading := Read(head(1, 2), at=at, detach=False)):
        plain = output(model, KINDS[0], padded=True)
    (gradient,) = torch.autograd.grad(plain[:, -1].logsumexp(-1).sum(), reading.value)
    added = torch.zeros_like(reading.value, requires_grad=True)
    with hooked(model, Add(head(1, 2), added, at=at, may_be_noop=True)):
        same = output(model, KINDS[0], padded=True)
    (expected,) = torch.autograd.grad(same[:, -1].logsumexp(-1).sum(), added)
    torch.testing.assert_close(gradient, expected)
    assert torch.equal(plain, same) and torch.equal(plain, output(model, KINDS[0], padded=True))
    assert gradient.abs().sum() > 0


def test_a_reading_keeps_no_graph_unless_asked() -> None:
    model = build("LlamaForCausalLM")
    with hooked(model, reading := Read(residual(0))):
        output(model, KINDS[0])
    assert not reading.value.requires_grad


@torch.no_grad()
@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (Scale(head(0, 1), 1.0), "Scale at head 1 of layer 0, positions all, changed nothing"),
        (
            Add(residual(1), torch.zeros(WIDTH), at="last"),
            "Add at residual stream after layer 1, positions last",
        ),
        (Scale(neuron(0, 3), 2.0, at=17), "neuron 3 of layer 0, positions 17, was never reached"),
        (Read(head(0), at=17), "Read at head .all. of layer 0, positions 17, was never reached"),
    ],
)
def test_an_operation_that_did_nothing_is_an_error(edit: Any, line: str) -> None:
    model = build("LlamaForCausalLM")
    with pytest.raises(MethodError, match=line), hooked(model, edit):
        output(model, KINDS[0])
    assert not _hooks(model)


@torch.no_grad()
def test_an_edit_is_judged_by_its_own_block_alone() -> None:
    model, edit = build("LlamaForCausalLM"), Scale(head(0, 1), 0.0)
    with hooked(model, edit):
        output(model, KINDS[0])
    with pytest.raises(MethodError, match="never reached"), hooked(model, edit):
        pass


def _hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@torch.no_grad()
def test_after_an_error_nothing_is_left_on_the_model() -> None:
    model = build("LlamaForCausalLM")
    before = output(model, KINDS[0])
    with pytest.raises(ZeroDivisionError), hooked(model, Scale(head(0, 1), 0.0)):
        _ = 1 / 0
    with pytest.raises(UsageError, match="does not fit"), hooked(model, Add(residual(0), torch.ones(3))):
        output(model, KINDS[0])
    assert not _hooks(model)
    assert torch.equal(before, output(model, KINDS[0]))


@pytest.mark.parametrize(
    ("site", "line"),
    [
        (head(3), "layers 0 to 2"),
        (head(-1), "layers 0 to 2"),
        (head(0, HEADS), "heads 0 to 3"),
        (neuron(0, [1, 1]), "named once"),
        (neuron(0, []), "named once"),
        (neuron(0, NEURONS), "neurons 0 to 23"),
    ],
)
def test_a_place_that_the_model_lacks_is_refused(site: Any, line: str) -> None:
    with pytest.raises(UsageError, match=line), hooked(build("LlamaForCausalLM"), Read(site)):
        pass


def test_an_unknown_architecture_and_two_stacks_are_one_line() -> None:
    with pytest.raises(UsageError, match="Linear: no stack of blocks"):
        anatomy(nn.Linear(2, 2))
    with pytest.raises(UsageError, match="2 stacks.*encoder.block, decoder.block.*within=NAME"):
        anatomy(build("T5ForConditionalGeneration"))
    with pytest.raises(UsageError, match="within 'middle'"):
        anatomy(build("LlamaForCausalLM"), within="middle")
