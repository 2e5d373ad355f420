"""PrefixQuant: tokens that draw outliers stand before every input, where nothing rounds them (2410.05265).

A few tokens, the first of a text and delimiters, have activations hundreds of times those of others. Keys and
values of such tokens are computed once by the float model and put before every input as a prefix; the model
then makes no more of them in the text itself, and what is rounded has no outliers of that kind.

Left out is what the paper does beside: one fixed grid for all tokens (here each token has its own, found when
the model runs) and training of the rounded blocks. Which tokens and how many is found by the rule written at
`outlier_tokens`, after the paper's as far as it is known here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from methods.quantization.duquant import WIDE
from suite.api import Context
from tasks.quantization.contract import EXACT, Calibration, Precision, Quantized, Quantizer

if TYPE_CHECKING:
    from torch import Tensor

    from suite.models.llama_like import LlamaLike

BATCH = 8
"""Windows that run together."""


@dataclass(frozen=True)
class PrefixQuant(Quantizer):
    """A float prefix of outlier tokens; behind it rounding to the nearest, in QuaRot's basis or without.

    threshold: how many times the median a token's largest input of a down projection is, for an outlier.
    rotate: whether the model is rotated as QuaRot does it; a model with norms behind its maps cannot be.
    act_clip, cache_clip: shares of the range below 6 bits. search: the clip of each weight grid by its
    squared error. At 16 bits throughout there is no prefix, since nothing needs its protection.
    """

    threshold: float = 64.0
    rotate: bool = True
    act_clip: float = 1.0
    cache_clip: float = 1.0
    search: bool = True

    def __post_init__(self) -> None:
        if self.threshold <= 1:
            raise ValueError(f"threshold is {self.threshold}: more than 1 median")
        for name in ("act_clip", "cache_clip"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: a share of the range, above 0, at most 1")

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """The prefix from the float model's activations; its model is a `Prefixed`."""
        import torch

        from methods.quantization import quarot
        from methods.quantization.cache import CacheRule
        from methods.quantization.layerwise import Recipe, quantize, round_to_nearest
        from methods.quantization.linear import InputRule
        from methods.quantization.prefixed import KeysValues, Prefixed, keys_and_values
        from suite.models.llama_like import llama_like

        llama = llama_like(model)
        exact = min(precision.weights, precision.activations, precision.cache) >= EXACT
        ids: list[int] = [] if exact else self.tokens(llama, calibration)
        kept: list[KeysValues] = []
        if self.rotate:
            quarot.refuse(llama)
            basis = quarot.random_basis(llama.width, ctx.rng("stream"))

        def prepare(now: LlamaLike) -> None:
            if self.rotate:
                quarot.rotate(now, basis)
            if ids:
                kept.append(keys_and_values(now, torch.tensor(ids)))

        steps: dict[str, Any] = {"transforms": quarot.online} if self.rotate else {}
        wide, clip = precision.cache >= EXACT, self.cache_clip if precision.cache < WIDE else 1.0
        size = quarot.power_of_two_in(llama.head_dim) if self.rotate and not wide else 0
        narrow = self.act_clip if precision.activations < WIDE else 1.0
        recipe = Recipe(
            prepare=prepare,
            inputs=lambda site: InputRule(site.precision.activations, narrow),
            round=round_to_nearest(search=self.search),
            cache=CacheRule(precision.cache, clip, clip, hadamard=size, exact=len(ids)),
            **steps,
        )
        found = quantize(model, calibration, precision, ctx, recipe)
        if not ids:
            return found
        attention = 4.0 * len(ids) * llama.heads * llama.head_dim * len(llama.blocks)
        prefixed = Prefixed(found.model, torch.tensor(ids), kept[0])
        return replace(found, model=prefixed, online_flops=found.online_flops + attention)

    def tokens(self, llama: LlamaLike, calibration: Calibration) -> list[int]:
        """The prefix's token ids, BOS last; found once for all precisions."""
        from suite.models._calls import need_prefix

        def find() -> list[int]:
            peaks = down_peaks(llama, calibration.windows)
            return outlier_tokens(
                calibration.windows, peaks, self.threshold, need_prefix(calibration.tokenizer)
            )

        found: list[int] = calibration.once(("prefix", self.threshold), find)
        return found


def down_peaks(llama: LlamaLike, windows: Tensor) -> Tensor:
    """The largest magnitude among each token's inputs of each down projection, (layers, N, T)."""
    import torch

    from suite.models._calls import device_of, evaluating

    peaks: list[list[Tensor]] = [[] for _ in llama.blocks]
    handles = []
    for block, of_block in zip(llama.blocks, peaks, strict=True):

        def note(_: Any, args: tuple[Any, ...], into: list[Tensor] = of_block) -> None:
            into.append(args[0].abs().amax(-1).float().cpu())

        handles.append(block.readers("down")[0].register_forward_pre_hook(note))
    try:
        with evaluating(llama.model):
            for rows in windows.split(BATCH):
                llama.body(input_ids=rows.to(device_of(llama.model)), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return torch.stack([torch.cat(of_block) for of_block in peaks])


def outlier_tokens(windows: Tensor, peaks: Tensor, threshold: float, bos: int) -> list[int]:
    """The tokens of the prefix: as many as a window has outliers in the mean, rounded up, BOS the last.

    A token is an outlier where in any layer its peak is more than `threshold` times the layer's median over
    all tokens. BOS takes the place of a window's first token, which is an outlier whatever it is; the others
    are those that are outliers most often, the smaller id first among equals. windows: (N, T) ids; peaks:
    (layers, N, T).
    """
    outlier = (peaks > threshold * peaks.flatten(1).median(1).values[:, None, None]).any(0)
    count = -(-int(outlier.sum()) // len(windows))
    inside = windows[:, 1:][outlier[:, 1:].to(windows.device)].tolist()
    often = Counter(int(token) for token in inside if int(token) != bos)
    ranked = sorted(often, key=lambda token: (-often[token], token))
    return [*ranked[: max(0, count - 1)], bos]
