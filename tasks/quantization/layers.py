"""How far a quantized model's layers are from the float model's, each by itself and all together.

The two halves of a layer, attention and FFN, add to the residual stream, and what they add is compared.
A comparison of single linear maps would depend on what a method has moved from one map into its neighbours
(a scale, a rotation); what a half adds does not, up to a change of the stream's own basis, which is read off
the embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from suite.errors import MethodError
from suite.models._calls import device_of, evaluating
from suite.models.llama_like import LlamaLike, llama_like

SAME = 1e-3
"""How far the quantized model's embeddings may be from a rotation of the float model's, relatively."""
CHUNK = 1 << 21
"""Logits taken to float64 at a time: 16 MiB."""


class Errors(NamedTuple):
    """By layer, |Q - F| / |F| over all tokens. attention, ffn: of what a half adds, given the float model's
    stream; stream: of the stream behind the layer as the quantized model runs by itself. kl: mean divergence
    of its next-token distribution from the float one, in nats.
    """

    attention: tuple[float, ...]
    ffn: tuple[float, ...]
    stream: tuple[float, ...]
    kl: float


@dataclass
class Streams:
    """The stream of one batch at each layer: before it, between its halves, behind it; (B, T, d) each."""

    before: dict[int, Tensor] = field(default_factory=dict)
    between: dict[int, Tensor] = field(default_factory=dict)
    behind: dict[int, Tensor] = field(default_factory=dict)


def errors(model: Any, quantized: Any, windows: Tensor, batch: int = 8) -> Errors:
    """Errors of a quantized model on windows (N, T). UsageError for models that are not built like Llama,
    MethodError where the quantized stream is no rotation of the float one.
    """
    one, other = llama_like(model), llama_like(quantized)
    basis = stream_basis(model, quantized)
    sums = {part: [_Ratio() for _ in one.blocks] for part in ("attention", "ffn", "stream")}
    divergence = tokens = 0.0
    with evaluating(model), evaluating(quantized):
        for rows in windows.split(batch):
            ids = rows.to(device_of(model))
            with recorded(one) as exact:
                logits = model(input_ids=ids, use_cache=False).logits
            with recorded(other) as free:
                divergence += _kl(logits, quantized(input_ids=ids, use_cache=False).logits)
            tokens += ids.numel()
            with forced(other, exact, basis) as given:
                quantized(input_ids=ids, use_cache=False)
            for k in range(len(one.blocks)):
                added = exact.between[k] - exact.before[k], exact.behind[k] - exact.between[k]
                halves = given.between[k] - given.before[k], given.behind[k] - given.between[k]
                sums["attention"][k].add(halves[0], _turned(added[0], basis))
                sums["ffn"][k].add(halves[1], _turned(added[1], basis))
                sums["stream"][k].add(free.behind[k], _turned(exact.behind[k], basis))
    by_part = {part: tuple(ratio.value for ratio in ratios) for part, ratios in sums.items()}
    return Errors(**by_part, kl=divergence / tokens)


def stream_basis(model: Any, quantized: Any) -> Tensor | None:
    """The matrix (d, d) by which the quantized model's stream is the float one's, None where they are alike.

    Least squares over the rows of the embeddings and of the map to the vocabulary, the last norm's gains in
    the latter: embeddings alone leave it open where there are fewer tokens than channels. MethodError where
    no matrix does it, or more than one.
    """
    one, other = (m.get_input_embeddings().weight.detach().cpu() for m in (model, quantized))
    if one.shape != other.shape:
        raise MethodError(
            f"embeddings {tuple(other.shape)} of a model quantized from {tuple(one.shape)}: other stream"
        )
    # Compared as they are first: in float64 those of a large vocabulary fill gigabytes.
    if torch.equal(one, other) or _apart(other, one) <= SAME:
        return None
    ends = [(one.double(), other.double()), (_last_map(model), _last_map(quantized))]
    # Both ends count alike, however large their rows are.
    sizes = [float(torch.linalg.norm(exact)) for exact, _ in ends]
    stacked = [torch.cat([pair[k] / size for pair, size in zip(ends, sizes, strict=True)]) for k in (0, 1)]
    found = torch.linalg.lstsq(*stacked, driver="gelsy")
    basis: Tensor = found.solution
    if any(_apart(exact @ basis, turned) > SAME for exact, turned in ends):
        raise MethodError("the quantized model's embeddings are no linear map of the float model's")
    if int(found.rank) < len(basis):
        raise MethodError(
            f"the stream's basis cannot be told: embeddings and the map to the vocabulary have rank "
            f"{int(found.rank)}, the stream has {len(basis)} channels"
        )
    return basis


def _last_map(model: Any) -> Tensor:
    """The map to the vocabulary with the gains of the norm before it, (V, d) float64."""
    llama = llama_like(model)
    weight: Tensor = model.get_output_embeddings().weight.detach().double().cpu()
    return weight * llama.gain(llama.last_norm).detach().double().cpu()


def _apart(x: Tensor, reference: Tensor) -> float:
    """|x - reference| / |reference|."""
    return float(torch.linalg.norm(x - reference)) / float(torch.linalg.norm(reference))


@contextmanager
def recorded(llama: LlamaLike) -> Iterator[Streams]:
    """The stream as the model runs."""
    seen = Streams()
    with _hooked(llama, seen, lambda where, k, x: x):
        yield seen


@contextmanager
def forced(llama: LlamaLike, exact: Streams, basis: Tensor | None) -> Iterator[Streams]:
    """Each half of each layer is given the stream `exact` in the model's own basis."""
    seen = Streams()

    def put(where: str, k: int, x: Tensor) -> Tensor:
        return _turned(getattr(exact, where)[k], basis).to(x)

    with _hooked(llama, seen, put):
        yield seen


@contextmanager
def _hooked(llama: LlamaLike, seen: Streams, put: Callable[[str, int, Tensor], Tensor]) -> Iterator[None]:
    """Records the stream of every layer; what `put` gives takes the place of what comes before a half.

    Between the halves that is what the norm before the FFN gets; beside it the stream goes on as it was, so
    that what comes out less that is what the FFN adds.
    """
    handles = []
    for k, block in enumerate(llama.blocks):

        def before(_: nn.Module, args: Any, kwargs: Mapping[str, Any], k: int = k) -> Any:
            x = args[0] if args else kwargs["hidden_states"]
            seen.before[k] = y = put("before", k, x)
            return ((y, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": y})

        def between(_: nn.Module, args: Any, k: int = k) -> Any:
            seen.between[k] = args[0]
            return (put("between", k, args[0]), *args[1:])

        def behind(_: nn.Module, args: Any, output: Any, k: int = k) -> None:
            seen.behind[k] = output[0] if isinstance(output, tuple) else output

        handles += [
            block.module.register_forward_pre_hook(before, with_kwargs=True),
            block.before_ffn.register_forward_pre_hook(between),
            block.module.register_forward_hook(behind),
        ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass
class _Ratio:
    """|difference| / |reference| over batches, in float64."""

    difference: float = 0.0
    reference: float = 0.0

    def add(self, output: Tensor, reference: Tensor) -> None:
        exact = reference.double()
        self.difference += float((output.double() - exact).square().sum())
        self.reference += float(exact.square().sum())

    @property
    def value(self) -> float:
        """0 where both are zero, as what an FFN of zeros adds; else infinite for a reference of zero."""
        if not self.reference:
            return float("inf") if self.difference else 0.0
        return float((self.difference / self.reference) ** 0.5)


def _turned(x: Tensor, basis: Tensor | None) -> Tensor:
    return x if basis is None else x.double() @ basis.to(x.device)


def _kl(exact: Tensor, other: Tensor) -> float:
    """Sum over tokens of KL(exact || other) between the distributions of logits (B, T, V)."""
    total = 0.0
    rows = max(1, CHUNK // exact.shape[-1])
    for a, b in zip(exact.flatten(0, 1).split(rows), other.flatten(0, 1).split(rows), strict=True):
        p, q = a.double().log_softmax(-1), b.double().log_softmax(-1)
        total += float((p.exp() * (p - q)).sum())
    return total
