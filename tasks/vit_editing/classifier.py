"""A vision transformer as an editor sees it: its blocks by name, and what it answers under other weights.

Everything is functional: a set of replaced weights is a mapping from parameter names to tensors, and the
original module is never changed, so that every edit starts from the same weights. A forward pass can begin at
any block from a kept stream, since an edit of late blocks leaves the early ones as they were.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from suite.errors import UsageError
from suite.models.registry import Images
from tasks.vit_editing.written import Written, misfit

Weights = Mapping[str, Tensor]
"""Replaced parameters by their names in the whole module."""

FFN = (("mlp.fc1", "mlp.fc2"), ("intermediate.dense", "output.dense"))
"""Names of the two maps of a block's FFN: transformers 5 and timm; transformers 4."""
ATTENTION = (
    ("attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj"),
    (
        "attention.attention.query",
        "attention.attention.key",
        "attention.attention.value",
        "attention.output.dense",
    ),
)
NORMS = ("layernorm", "norm")
HEADS = ("classifier", "head")
BATCH = 128


@dataclass(frozen=True)
class Block:
    """Names of modules in one block. fc1: (hidden, d) and fc2: (d, hidden) of the FFN; attention: query, key,
    value and output maps, empty where they are not four maps of their own. norms: all layer norms, in order.
    """

    name: str
    fc1: str
    fc2: str
    attention: tuple[str, ...]
    norms: tuple[str, ...]

    @property
    def matrices(self) -> tuple[str, str]:
        """Names of the two weight matrices of the FFN, in the order of parameters."""
        return f"{self.fc1}.weight", f"{self.fc2}.weight"


@dataclass(frozen=True, eq=False)
class Classifier:
    """module: a transformers ViT with a head, in evaluation mode, its parameters without gradients.

    images: size and normalisation of its input. classes: their names in the order of logits. blocks: from the
    first to the last. embeddings, norm, head: names of the modules before and behind them; the head reads the
    class token behind the norm.
    """

    module: nn.Module
    images: Images
    classes: tuple[str, ...]
    blocks: tuple[Block, ...]
    embeddings: str
    norm: str
    head: str

    @classmethod
    def of(cls, module: nn.Module, images: Images, classes: Sequence[str]) -> Classifier:
        """UsageError for a module whose blocks, norm or head are not found by their names."""
        stem = _stem(module)
        found = sorted(
            (int(told[1]), name)
            for name, _ in module.named_modules()
            if (told := re.fullmatch(rf"{re.escape(stem)}\.(\d+)", name))
        )
        blocks = tuple(_block(module, name) for _, name in found)
        root = stem.rpartition(".")[0]
        root = root.removesuffix(".encoder").removesuffix("encoder")
        dotted = f"{root}." if root else ""
        held = dict(module.named_modules())
        norm = next((dotted + name for name in NORMS if dotted + name in held), None)
        head = next((name for name in HEADS if isinstance(held.get(name), nn.Linear)), None)
        embeddings = f"{dotted}embeddings"
        if norm is None or head is None or embeddings not in held:
            raise UsageError(
                f"{type(module).__name__}: no embeddings, last norm and linear head were found by name; an "
                "editor works on a ViTForImageClassification of transformers"
            )
        module.requires_grad_(False).eval()
        if hasattr(module, "set_attn_implementation"):
            module.set_attn_implementation("eager")  # vmap has no rule for the fused kernels
        return cls(module, images, tuple(classes), blocks, embeddings, norm, head)

    @property
    def depth(self) -> int:
        """How many blocks there are."""
        return len(self.blocks)

    @property
    def width(self) -> int:
        """Of the stream."""
        return int(self._part(self.head).in_features)

    @property
    def device(self) -> torch.device:
        """Where its weights are, and all that an editor is given and makes."""
        return self.parameter(f"{self.head}.weight").device

    def parameter(self, name: str) -> Tensor:
        """The original parameter."""
        return self.module.get_parameter(name)

    def middle(self) -> tuple[int, ...]:
        """Numbers of the blocks edited by default: 7, 8, 9 of twelve, as released, and the same share
        of another depth, floor(0.6 L) to floor(0.8 L), of six blocks 3 and 4.
        """
        return tuple(range(6 * self.depth // 10, 8 * self.depth // 10 + 1))

    def prepared(self, pictures: Tensor) -> Tensor:
        """(n, H, W, 3) of 0 to 255, uint8 or float, from wherever they are, to (n, 3, size, size) as the
        model was trained on.
        """
        x = pictures.to(self.device).permute(0, 3, 1, 2).float() / 255
        if tuple(x.shape[2:]) != (self.images.size, self.images.size):
            x = F.interpolate(x, (self.images.size,) * 2, mode="bicubic", antialias=True).clamp(0, 1)
        mean, std = (x.new_tensor(v).view(1, 3, 1, 1) for v in (self.images.mean, self.images.std))
        return (x - mean) / std

    def stream(self, pictures: Tensor, at: int = 0, weights: Weights | None = None) -> Tensor:
        """(n, H, W, 3) pictures to the stream (n, T, d) before block `at`; at = depth: behind the last."""
        h: Tensor = self._call(self.embeddings, weights, self.prepared(pictures))
        return self.through(h, 0, at, weights)

    def through(self, h: Tensor, start: int, stop: int, weights: Weights | None = None) -> Tensor:
        """The stream (n, T, d) before block `start` to that before block `stop`."""
        if self.misfit:
            return self.through_modules(h, start, stop, weights)
        return self.written(weights).through(h, start, stop)

    def through_modules(self, h: Tensor, start: int, stop: int, weights: Weights | None = None) -> Tensor:
        """`through` by calls of the modules themselves, so that their hooks are called."""
        for block in self.blocks[start:stop]:
            h = _first(self._call(block.name, weights, h))
        return h

    def tokens(self, h: Tensor, start: int, weights: Weights | None = None) -> Tensor:
        """The stream before block `start` to the normed class token (n, d) that the head reads."""
        if not self.misfit:
            return self.written(weights).tokens(h, start)
        last = self.through_modules(h, start, self.depth, weights)
        token: Tensor = self._call(self.norm, weights, last)[:, 0]
        return token

    def logits_from(
        self, h: Tensor, start: int, weights: Weights | None = None, mapped: bool = False
    ) -> Tensor:
        """The stream (n, T, d) before block `start` to logits (n, classes); differentiable. mapped: within
        torch.func.vmap over weights.

        Blocks are written out where they can be (`written`), and no hook of a module is called.
        """
        if self.misfit:
            return self.by_module(h, start, weights)
        return self.written(weights, mapped).logits(h, start)

    def by_module(self, h: Tensor, start: int, weights: Weights | None = None) -> Tensor:
        """`logits_from` by calls of the modules themselves, so that their hooks are called."""
        last = self.through_modules(h, start, self.depth, weights)
        logits: Tensor = self._call(self.head, weights, self._call(self.norm, weights, last)[:, 0])
        return logits

    def written(self, weights: Weights | None = None, mapped: bool = False) -> Written:
        """The blocks written out, for a model without `misfit`."""
        return Written(self, weights or {}, mapped)

    @cached_property
    def misfit(self) -> str:
        """Why the blocks cannot be written out (`written.misfit`); empty where they can."""
        return misfit(self)

    def logits(self, pictures: Tensor, weights: Weights | None = None) -> Tensor:
        """(n, H, W, 3) pictures to logits (n, classes), all at once."""
        return self.logits_from(self.stream(pictures, 0, weights), 0, weights)

    @torch.no_grad()
    def kept(self, pictures: Tensor, at: int) -> Tensor:
        """`stream` of the original weights, in batches and without gradients."""
        return torch.cat([self.stream(part, at) for part in pictures.split(BATCH)])

    def _part(self, name: str) -> Any:
        return self.module.get_submodule(name)

    def _call(self, name: str, weights: Weights | None, given: Tensor) -> Any:
        """A submodule under the replaced weights that lie in it."""
        part, prefix = self._part(name), f"{name}."
        own = {k.removeprefix(prefix): w for k, w in (weights or {}).items() if k.startswith(prefix)}
        return functional_call(part, own, (given,)) if own else part(given)


def classifier(name: str, size: int = 0, device: str = "cpu") -> Classifier:
    """The classifier of a vision model by name, as `suite.models.load` loads it. size: pixels a side, 0 for
    the model's own. device: where it is put. UsageError for a model that is no ViT with a head; DataError for
    one not at hand.
    """
    from suite.models import load

    loaded = load(name, device=device)
    config = getattr(loaded.model, "config", None)
    if loaded.images is None or config is None or not getattr(config, "id2label", None):
        raise UsageError(f"model '{name}' is no image classifier with named classes")
    images = Images(size or loaded.images.size, loaded.images.mean, loaded.images.std)
    names = [config.id2label[k] for k in sorted(config.id2label, key=int)]
    return Classifier.of(loaded.model.float(), images, names)


def _stem(module: nn.Module) -> str:
    """The name of the list of blocks: the only numbered children that have an FFN."""
    stems = {
        told[1]
        for name, _ in module.named_modules()
        for fc1, _ in FFN
        if (told := re.fullmatch(rf"(.+)\.\d+\.{re.escape(fc1)}", name))
    }
    if len(stems) != 1:
        raise UsageError(
            f"{type(module).__name__}: {len(stems)} lists of transformer blocks were found by name, not one"
        )
    return stems.pop()


def _block(module: nn.Module, name: str) -> Block:
    parts = dict(module.get_submodule(name).named_modules())
    held = set(parts)
    fc1, fc2 = next(pair for pair in FFN if pair[0] in held and pair[1] in held)
    attention = next((names for names in ATTENTION if set(names) <= held), ())
    norms = tuple(f"{name}.{one}" for one, part in parts.items() if isinstance(part, nn.LayerNorm))
    return Block(name, f"{name}.{fc1}", f"{name}.{fc2}", tuple(f"{name}.{one}" for one in attention), norms)


def _first(found: Any) -> Tensor:
    """Blocks of older transformers give a tuple."""
    h: Tensor = found[0] if isinstance(found, tuple) else found
    return h
