"""OmniQuant: learned scales and learned clips, block by block (arXiv 2308.13137).

    X W^T = (X / s)(W s)^T,    s learned from SmoothQuant's start (LET);    grids' ends learned (LWC)

Scales are folded into norms, values and up projections, so that nothing is added online. Of the paper's
learned transformations, shifts are left out: models like Llama have no biases to take them in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from suite.api import Context
from tasks.quantization.contract import EXACT, Calibration, Precision, Quantized, Quantizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from methods.quantization.layerwise import Lesson, Recipe, Site
    from methods.quantization.learned import Fitting
    from methods.quantization.training import Course


@dataclass(frozen=True)
class OmniQuant(Quantizer):
    """OmniQuant; defaults are the released code's.

    alpha: of the smoothing from which scales start. epochs, batch: over the calibration windows, windows a
    step. let_lr, lwc_lr: learning rates of scales and clips. down: a scale before the down projection too,
    which the released code does not have. augmented: the error against the float block on the rounded stream
    counts as well (`aug_loss`).
    """

    alpha: float = 0.5
    epochs: int = 20
    batch: int = 1
    let_lr: float = 5e-3
    lwc_lr: float = 1e-2
    down: bool = False
    augmented: bool = False

    def __post_init__(self) -> None:
        check(self.epochs, self.batch, let_lr=self.let_lr, lwc_lr=self.lwc_lr)

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """Scales start from the float model's inputs; each block is trained on what the rounded ones give."""
        from methods.quantization.layerwise import Recipe, quantize

        recipe = Recipe(smooth=self._smooth, learn=self.learn)
        return quantize(model, calibration, precision, ctx, recipe)

    def _smooth(self, site: Site) -> Tensor | None:
        from methods.quantization.smoothing import factors

        return factors(site, self.alpha) if self.down or site.name != "down" else None

    def learn(self, sites: Mapping[str, Site], recipe: Recipe, lesson: Lesson) -> Course:
        """Trains a block and puts its quantized maps in place."""
        from methods.quantization.learned import teach
        from methods.quantization.training import Schedule

        schedule = Schedule(self.epochs, self.batch, augmented=self.augmented)
        return teach(sites, lesson, self.fitting(sites, recipe), schedule)

    def fitting(self, sites: Mapping[str, Site], recipe: Recipe) -> Fitting:
        """What is learned of a block."""
        from methods.quantization import learned
        from methods.quantization.links import ScaleLink

        found = learned.fitting(sites, recipe, self.lwc_lr)
        scales = {name: ScaleLink(site) for name, site in sites.items() if self.down or name != "down"}
        for name, link in scales.items():
            found.links[name] = [link]
        found.rates.append(([link.factors for link in scales.values()], self.let_lr))
        scale_keys(sites, found, self.let_lr)
        return found


def scale_keys(sites: Mapping[str, Site], what: Fitting, rate: float) -> None:
    """Adds learned factors of keys, undone in the queries, where they can matter and pass what lies between.

    They matter where keys are rounded. They do not pass norms of queries and keys (Qwen3, Gemma 3), nor an
    embedding that turns a part of the channels only.
    """
    import torch
    from torch import nn

    from methods.quantization.links import PairLink

    site = sites["qkv"]
    llama, attention = site.llama, site.block.module.self_attn
    config = llama.model.config.get_text_config()
    partial = getattr(config, "partial_rotary_factor", None) or 1.0
    if site.precision.cache >= EXACT or hasattr(attention, "q_norm") or partial != 1:
        return
    device = site.weights[0].device
    factors = nn.Parameter(torch.ones(llama.kv_heads, llama.head_dim // 2, device=device))
    what.rows["self_attn.q_proj"] = PairLink(factors, llama.heads, query=True)
    what.rows["self_attn.k_proj"] = PairLink(factors, llama.heads, query=False)
    what.rates.append(([factors], rate))


def check(epochs: int, batch: int, **rates: float) -> None:
    """ValueError for a schedule that cannot be run."""
    if epochs < 0:
        raise ValueError(f"epochs is {epochs}: 0 or more")
    if batch < 1:
        raise ValueError(f"batch is {batch}: at least 1 window a step")
    for name, rate in rates.items():
        if rate <= 0:
            raise ValueError(f"{name} is {rate}: a learning rate above 0")
