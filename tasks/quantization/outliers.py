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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from suite.models._calls import device_of, evaluating
from suite.models.llama_like import (
    LlamaLike,
    fuse_gains,
    llama_like,
    norm_readers,
    rotate_stream,
    units_that_fit,
    widen,
)

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
    llama = llama_like(changed)
    ids = ids.to(device_of(changed))
    if kind == "normal":
        llama.refuse_norms_behind("rotation of the stream")
        basis = spiky_basis(_second_moment(llama, ids), channels, seed)
        fuse_gains(llama)
        rotate_stream(llama, basis)
    else:
        _add_pairs(llama, ids, seed, magnitude, layers, units)
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


def _second_moment(llama: LlamaLike, ids: Tensor) -> Tensor:
    """Mean over layers and tokens of x^T x for x = stream / rms(stream), the inputs without gains; (d, d)."""
    model, norms = llama.model, [norm for norm, _ in norm_readers(llama)]
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
def _add_pairs(
    llama: LlamaLike, ids: Tensor, seed: int, magnitude: float, layers: Sequence[int], units: int | None
) -> None:
    width, blocks = llama.neurons, llama.blocks
    units = units_that_fit(width) if units is None else units
    if units < 2 or magnitude <= 0:
        raise ValueError(f"{units} units of magnitude {magnitude}: 2 or more, above 0")
    if not layers or any(not 0 <= layer < len(blocks) for layer in layers):
        raise ValueError(f"layers {list(layers)}: the model has layers 0 to {len(blocks) - 1}")
    rows = {layer: _firing(llama.model, blocks[layer].module.mlp, ids, magnitude) for layer in layers}
    draw = torch.Generator().manual_seed(seed)
    widen(llama, units)  # all layers alike: the configuration has one width for all
    for layer in sorted(rows):
        gate, up = (linear.weight for linear in blocks[layer].readers("ffn"))
        (down,) = (linear.weight for linear in blocks[layer].readers("down"))
        found_gate, found_up = rows[layer]
        # As long as a usual column, in a random direction.
        column = torch.randn(down.shape[0], generator=draw, dtype=torch.float64)
        column *= float(down[:, :width].double().norm(dim=0).median() / column.norm())
        gate[width : width + 2] = found_gate.to(gate)
        up[width] = found_up.to(up)
        up[width + 1] = (RATIO * found_up).to(up)
        down[:, width] = column.to(down)
        down[:, width + 1] = (-column / RATIO).to(down)


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
