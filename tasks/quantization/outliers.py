"""Outliers put into a small language model without changing what it computes (DuQuant's two kinds).

Small models have no outliers, so that every quantizer looks alike on them. Two changes of weights bring them
in; in exact arithmetic the logits stay what they were.

normal: the residual stream is written in another orthonormal basis, a few of whose axes are its own principal
directions, so that a few channels are large in nearly every token. The gains of the norms are multiplied
into the linear maps that read them, since a gain commutes with no rotation; this is QuaRot's rotation, used
the other way round. massive: the FFN gets a pair of neurons, h and r h, whose columns w and -w / r in the
down projection cancel; both are huge on the first token and near zero elsewhere. A rescaling of channels, as
smoothing does, cannot remove the second kind without making the columns large.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from suite.errors import UsageError
from suite.models._calls import device_of, evaluating
from suite.models.anatomy import anatomy

Kind = Literal["none", "normal", "massive"]

RATIO = 0.37
"""Of the second neuron to the first. Far from a fraction with a small denominator: otherwise both would fall
equally near to the levels of a grid and their rounding errors would cancel as well."""
OPEN = 10.0
"""What the gate sees on the first token; silu(10) is 10 to 5 parts in 100,000, and silu(-10) nearly 0."""
RIDGE = 1e-6
"""Of the mean square of the FFN's inputs, which the norm before it keeps near 1."""
BATCH = 8
"""Calibration windows that run together."""


def with_outliers(
    model: Any,
    kind: Kind,
    ids: Tensor,
    seed: int,
    *,
    channels: int = 4,
    magnitude: float = 1400.0,
    layers: Sequence[int] = (1,),
    units: int | None = None,
) -> Any:
    """A copy of `model` with the same logits and with outliers of a kind; "none" is a plain copy.

    ids: calibration windows (N, T), which should begin as the windows of the later measurement do, with BOS
    say: "massive" learns from them what a first token looks like. seed: of the basis and of the columns.
    channels: how many axes follow principal directions, in the order of their size and at random places.
    magnitude, layers: the larger neuron on the first token (mean over windows), and the layers that get a
    pair. units: by how many neurons every FFN grows, 2 or more, those beyond the pair zero; by default the
    largest power of two up to 128 that divides the FFN's width, so that blocks still fit.
    How far normal outliers stand out is what the model's principal directions give, and no setting raises it.
    There, embeddings that are tied are tied no longer, since only the last map has a gain to take in.
    Raises UsageError for a model that is not built like Llama's, ValueError for settings out of range.
    """
    if kind not in ("none", "normal", "massive"):
        raise ValueError(f"outliers '{kind}': none, normal or massive")
    if ids.ndim != 2 or not ids.numel():
        raise ValueError(f"calibration ids are windows (N, T), not {tuple(ids.shape)}")
    changed = copy.deepcopy(model)
    if kind == "none":
        return changed
    blocks = _blocks(changed)
    ids = ids.to(device_of(changed))
    if kind == "normal":
        _untie(changed)
        basis = spiky_basis(_second_moment(changed, ids), channels, seed)
        _fuse_gains(changed, blocks)
        _rotate(changed, blocks, basis)
    else:
        _add_pairs(changed, blocks, ids, seed, magnitude, layers, units)
    return changed


def spiky_basis(moment: Tensor, channels: int, seed: int) -> Tensor:
    """An orthogonal matrix (d, d), float64, by whose columns a row vector is multiplied.

    `channels` of its columns, at places drawn by the seed, are the eigenvectors of the largest eigenvalues of
    `moment` (d, d); the others are a random basis of what is left, so that their channels are about equal.
    """
    width = len(moment)
    if not 1 <= channels < width:
        raise ValueError(f"{channels} outlier channels: at least 1 and fewer than the {width} of the model")
    draw = torch.Generator().manual_seed(seed)
    top = torch.linalg.eigh(moment.double().cpu()).eigenvectors.flip(1)[:, :channels]
    rest = torch.randn(width, width - channels, generator=draw, dtype=torch.float64)
    # Twice, since a projection done once leaves a rounding error behind.
    for _ in range(2):
        rest = rest - top @ (top.T @ rest)
        rest = torch.linalg.qr(rest).Q
    return torch.cat([top, rest], 1)[:, torch.randperm(width, generator=draw)]


def _blocks(model: Any) -> list[Any]:
    """The layers of a model built like Llama: RMS norms with plain gains before attention and gated FFN."""
    body = anatomy(model)
    blocks = [layer.block for layer in body.layers]
    wanted = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
    wanted += ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
    name = type(model).__name__
    for block in blocks:
        for path in wanted:
            if not isinstance(_part(block, path), nn.Linear):
                raise UsageError(
                    f"{name}: its layers have no linear {path}; outliers need a model like Llama"
                )
        norms = [child for child, module in block.named_children() if "norm" in type(module).__name__.lower()]
        if sorted(norms) != ["input_layernorm", "post_attention_layernorm"]:
            raise UsageError(
                f"{name}: its layers have the norms {', '.join(norms)}; Llama's have another two"
            )
    if not isinstance(model.get_output_embeddings(), nn.Linear) or not hasattr(body.owners[-1], "norm"):
        raise UsageError(f"{name}: no last norm and linear map to the vocabulary; outliers need both")
    for norm in _norms(model, blocks):
        _check_norm(name, norm)
    return blocks


def _part(block: nn.Module, path: str) -> nn.Module | None:
    try:
        return block.get_submodule(path)
    except AttributeError:
        return None


def _norms(model: Any, blocks: Sequence[Any]) -> Iterator[Any]:
    for block in blocks:
        yield from (block.input_layernorm, block.post_attention_layernorm)
    yield anatomy(model).owners[-1].norm


def _check_norm(name: str, norm: Any) -> None:
    """UsageError unless the norm is x / rms(x) times its weight (Gemma's adds 1 to it, BLOOM's shifts)."""
    x = torch.linspace(-1, 2, len(norm.weight), device=norm.weight.device, dtype=norm.weight.dtype)[
        None, None
    ]
    with torch.no_grad():
        plain = x.float() / x.float().square().mean().sqrt() * norm.weight.float()
        if not torch.allclose(norm(x).float(), plain, rtol=0.02, atol=1e-3):
            raise UsageError(f"{name}: {type(norm).__name__} is no RMS norm with a plain gain, as Llama's is")


def _untie(model: Any) -> None:
    """Gives the last map a weight of its own, and has the configuration say so."""
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if head.weight is embedding.weight:
        head.weight = nn.Parameter(head.weight.detach().clone(), head.weight.requires_grad)
    model.config.tie_word_embeddings = False
    # transformers keeps here what it ties again when it saves.
    if hasattr(model, "all_tied_weights_keys"):
        model.all_tied_weights_keys = {}


def _readers(block: Any) -> tuple[tuple[Any, tuple[Any, ...]], ...]:
    """(norm, the linear maps that read it), twice."""
    attention, ffn = block.self_attn, block.mlp
    return (
        (block.input_layernorm, (attention.q_proj, attention.k_proj, attention.v_proj)),
        (block.post_attention_layernorm, (ffn.gate_proj, ffn.up_proj)),
    )


@contextmanager
def _inputs(modules: Sequence[Any]) -> Iterator[dict[int, Tensor]]:
    """The last input of each module by its number, as a model runs."""
    seen: dict[int, Tensor] = {}
    handles = []
    for k, module in enumerate(modules):

        def keep(_: nn.Module, args: tuple[Any, ...], k: int = k) -> None:
            seen[k] = args[0].detach()

        handles.append(module.register_forward_pre_hook(keep))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _second_moment(model: Any, ids: Tensor) -> Tensor:
    """Mean over layers and tokens of x^T x for x = stream / rms(stream), the inputs without gains; (d, d)."""
    norms = list(_norms(model, [layer.block for layer in anatomy(model).layers]))
    total, count = torch.zeros((), dtype=torch.float64), 0
    with evaluating(model), _inputs(norms) as seen:
        for rows in ids.split(BATCH):
            model(input_ids=rows, use_cache=False)
            for x in seen.values():
                flat = x.flatten(0, -2).double()
                flat = flat / flat.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-12)
                total = total + (flat.T @ flat).cpu()
                count += len(flat)
    return total / count


@torch.no_grad()
def _fuse_gains(model: Any, blocks: Sequence[Any]) -> None:
    """Norm gains into the columns of the maps that read them; the gains are 1 afterwards."""
    pairs = [pair for block in blocks for pair in _readers(block)]
    for norm, readers in [*pairs, (anatomy(model).owners[-1].norm, (model.get_output_embeddings(),))]:
        for linear in readers:
            linear.weight.copy_(linear.weight.double() * norm.weight.to(linear.weight.device).double())
        norm.weight.fill_(1.0)


@torch.no_grad()
def _rotate(model: Any, blocks: Sequence[Any], basis: Tensor) -> None:
    """Writes the residual stream h as h @ basis: what reads it undoes that, what writes it does it."""

    def turn(weight: Tensor, *, output: bool = False) -> None:
        q = basis.to(weight.device)
        weight.copy_(q.T @ weight.double() if output else weight.double() @ q)

    turn(model.get_input_embeddings().weight)
    turn(model.get_output_embeddings().weight)
    for block in blocks:
        for _, readers in _readers(block):
            for linear in readers:
                turn(linear.weight)
        for linear in (block.self_attn.o_proj, block.mlp.down_proj):
            turn(linear.weight, output=True)
            if linear.bias is not None:
                turn(linear.bias, output=True)


@torch.no_grad()
def _add_pairs(
    model: Any,
    blocks: Sequence[Any],
    ids: Tensor,
    seed: int,
    magnitude: float,
    layers: Sequence[int],
    units: int | None,
) -> None:
    width = blocks[0].mlp.down_proj.in_features
    units = max(2, math.gcd(width, 128)) if units is None else units
    if units < 2 or magnitude <= 0:
        raise ValueError(f"{units} units of magnitude {magnitude}: 2 or more, above 0")
    if not layers or any(not 0 <= layer < len(blocks) for layer in layers):
        raise ValueError(f"layers {list(layers)}: the model has layers 0 to {len(blocks) - 1}")
    rows = {layer: _firing(model, blocks[layer].mlp, ids, magnitude) for layer in layers}
    draw = torch.Generator().manual_seed(seed)
    for layer, block in enumerate(blocks):
        # All layers grow alike: the configuration has one width for all.
        gate, up, down = _widen(block.mlp, units)
        if layer in rows:
            found_gate, found_up = rows[layer]
            # As long as a usual column, in a random direction.
            column = torch.randn(down.shape[0], generator=draw, dtype=torch.float64)
            column *= float(down[:, :width].double().norm(dim=0).median() / column.norm())
            with torch.no_grad():
                gate[width : width + 2] = found_gate.to(gate)
                up[width] = found_up.to(up)
                up[width + 1] = (RATIO * found_up).to(up)
                down[:, width] = column.to(down)
                down[:, width + 1] = (-column / RATIO).to(down)
    model.config.get_text_config().intermediate_size = width + units


def _firing(model: Any, ffn: Any, ids: Tensor, magnitude: float) -> tuple[Tensor, Tensor]:
    """Rows (d,) of gate and up, float64, for a neuron that is `magnitude` on first tokens, near 0 on others.

    Ridge regressions on the FFN's inputs: the gate to OPEN on first tokens and -OPEN on others, where silu
    closes it; up to 1 and 0.
    """
    width = ffn.gate_proj.in_features
    gram = torch.zeros(width, width, dtype=torch.float64, device=ids.device)
    cross = torch.zeros(width, 2, dtype=torch.float64, device=ids.device)
    firsts = []
    with evaluating(model), _inputs([ffn]) as seen:
        for rows in ids.split(BATCH):
            model(input_ids=rows, use_cache=False)
            x = seen[0].double().to(ids.device)
            # First tokens weigh as much as all others together.
            weight = torch.ones(x.shape[1], dtype=torch.float64, device=x.device)
            weight[0] = max(1, x.shape[1] - 1)
            target = torch.tensor([[-OPEN, 0.0]], dtype=torch.float64, device=x.device).repeat(x.shape[1], 1)
            target[0] = torch.tensor([OPEN, 1.0])
            gram += torch.einsum("btd,bte,t->de", x, x, weight)
            cross += torch.einsum("btd,te,t->de", x, target, weight)
            firsts.append(x[:, 0])
    ridge = RIDGE * gram.diagonal().mean()
    gate, up = torch.linalg.solve(gram + ridge * torch.eye(width).to(gram), cross).T
    first = torch.cat(firsts)
    fired = (ffn.act_fn(first @ gate) * (first @ up)).mean()
    if not float(fired) > 0:
        raise ValueError("no direction tells first tokens from others; give windows that begin alike")
    return gate, up * (magnitude / fired)


@torch.no_grad()
def _widen(ffn: Any, units: int) -> tuple[Tensor, Tensor, Tensor]:
    """Zero neurons behind the others; the weights of gate, up and down afterwards."""
    for linear in (ffn.gate_proj, ffn.up_proj):
        linear.weight = _grown(linear.weight, units, 0)
        if linear.bias is not None:
            linear.bias = _grown(linear.bias, units, 0)
        linear.out_features += units
    ffn.down_proj.weight = _grown(ffn.down_proj.weight, units, 1)
    ffn.down_proj.in_features += units
    if hasattr(ffn, "intermediate_size"):
        ffn.intermediate_size += units
    return ffn.gate_proj.weight, ffn.up_proj.weight, ffn.down_proj.weight


def _grown(parameter: Any, by: int, dim: int) -> nn.Parameter:
    """The parameter with `by` zeros, or rows or columns of zeros, behind it."""
    shape = list(parameter.shape)
    shape[dim] = by
    return nn.Parameter(torch.cat([parameter, parameter.new_zeros(shape)], dim), parameter.requires_grad)
