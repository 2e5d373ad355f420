"""A ViT whose patches are embedded by a few convolutions instead of one (Xiao et al., "Early convolutions
help transformers see better", NeurIPS 2021): on few pictures it learns far more than a plain one.

Blocks, names and the classifier are those of transformers' ViT; only `patch_embeddings.projection` is another
module. Importing this module makes the class known to the Auto classes of transformers.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForImageClassification, ViTConfig, ViTForImageClassification

MODEL_TYPE = "conv_vit"
WIDTHS = (32, 64, 128)


class Stem(nn.Sequential):
    """(B, 3, S, S) to (B, hidden, S / patch, S / patch), patch a multiple of 4.

    The first convolution strides patch / 2 over windows of twice that, the third strides 2; each has a batch
    norm and a ReLU behind it. A map of each place by itself ends it.
    """

    def __init__(self, patch: int, hidden: int) -> None:
        stride, (narrow, middle, wide) = patch // 2, WIDTHS
        super().__init__(
            *_conv(3, narrow, kernel=2 * stride, stride=stride, padding=stride // 2),
            *_conv(narrow, middle),
            *_conv(middle, wide, stride=2),
            *_conv(wide, wide),
            nn.Conv2d(wide, hidden, 1),
        )

    @property
    def weight(self) -> Tensor:
        """Of the last map; transformers looks here for the precision of the model."""
        last: nn.Conv2d = self[-1]
        return last.weight


def _conv(
    wide_in: int, wide_out: int, *, kernel: int = 3, stride: int = 1, padding: int = 1
) -> list[nn.Module]:
    return [
        nn.Conv2d(wide_in, wide_out, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(wide_out),
        nn.ReLU(),
    ]


class ConvViTConfig(ViTConfig):
    """The settings of a ViT; patch_size is 4 or a multiple of it."""

    model_type = MODEL_TYPE


class ConvViTForImageClassification(ViTForImageClassification):
    """A ViTForImageClassification with the stem of this module: (B, 3, S, S) to logits."""

    config_class = ConvViTConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.vit.embeddings.patch_embeddings.projection = Stem(config.patch_size, config.hidden_size)
        self.post_init()


AutoConfig.register(MODEL_TYPE, ConvViTConfig)
AutoModelForImageClassification.register(ConvViTConfig, ConvViTForImageClassification)
