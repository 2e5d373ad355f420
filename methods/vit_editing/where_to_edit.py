"""Learning Where to Edit Vision Transformers (NeurIPS 2024, arXiv 2411.01948): a hypernetwork tells from the
class token which hidden units of the middle FFNs to edit; RMSprop then edits those alone.

Follows the released code (meta_train.py, editing/hprdmask.py). The defaults are those that its README trains
and edits with: 8 pairs, 3 blocks, the checkpoint of iteration 7,000. Differences: exactly
floor(density * units) units are kept unless `strict_greater` is set; attention has the paper's 128 a head
where the model is at least 256 wide, and about 32 a head in smaller ones; rectangles are drawn as shares of
the grid. On top of an earlier edit the hypernetwork still reads the token of the unedited model, from which
it has learned.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from methods.vit_editing.mask_editor import MaskedEditor, chosen

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from methods.vit_editing.bilevel import Bilevel
    from methods.vit_editing.hypernetwork import Hypernetwork
    from methods.vit_editing.mask_trunk import Trunk
    from tasks.vit_editing.contract import Classifier, Failure, Prepared, Workshop

STATE = "where_to_edit.safetensors"
TRACE = "trace"
"""Of every iteration: cross-entropy to the targets, mean of the targets, loss at the end of the search."""


@dataclass(frozen=True, kw_only=True)
class WhereToEdit(MaskedEditor):
    """The paper's editor; knob: the share of units that may change.

    layers, heads: blocks of the hypernetwork and their heads, 0 for as wide heads as the paper's. iterations,
    pairs: of meta-training. inner, inner_lr, outer, mask_lr, sparsity, temperature: of the search for targets
    (`Bilevel`). net_lr, passes, cosine: rate of the hypernetwork's RMSprop, its steps on each batch, and the
    iterations over which the rate falls to 0 as a cosine. every: iterations between states written to disk.
    """

    layers: int = 3
    heads: int = 0
    iterations: int = 7000
    pairs: int = 8
    inner: int = 5
    inner_lr: float = 1e-3
    outer: int = 10
    mask_lr: float = 0.1
    sparsity: float = 1.0
    temperature: float = 5.0
    net_lr: float = 1e-4
    passes: int = 4
    cosine: int = 20_000
    every: int = 25

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = (self.layers, self.pairs, self.inner, self.outer, self.passes, self.cosine, self.every)
        if min(counts) < 1 or self.iterations < 0:
            raise ValueError(
                "layers, pairs, inner, outer, passes, cosine and every are at least 1 and iterations at "
                f"least 0, not {counts} and {self.iterations}"
            )

    @property
    def bilevel(self) -> Bilevel:
        """How targets are found."""
        from methods.vit_editing.bilevel import Bilevel

        return Bilevel(
            self.inner,
            self.inner_lr,
            self.outer,
            self.mask_lr,
            self.sparsity,
            temperature=self.temperature,
        )

    def prepare(self, model: Classifier, workshop: Workshop) -> Prepared:
        """Meta-trains the hypernetwork on pseudo failures made of the training pictures; its tensors. A run
        that was killed goes on from the last state in the workshop's folder and gives the same bits.
        """
        import torch

        from methods.vit_editing.hypernetwork import Hypernetwork
        from methods.vit_editing.mask_trunk import Trunk

        trunk = Trunk.of(model, chosen(model, self.blocks))
        first = workshop.generator("hypernetwork")
        network = Hypernetwork.seeded(first, *self._sizes(trunk)).to(model.device)
        optimizer = torch.optim.RMSprop(network.parameters(), lr=self.net_lr)
        state = _State(workshop.folder, f"{self!r} {workshop.seed} {self._sizes(trunk)}")
        trace = state.restore(network, optimizer)
        for step in range(len(trace), self.iterations):
            workshop.report("meta-training", step, self.iterations)
            draw = workshop.generator(f"meta-training {step}")
            for group in optimizer.param_groups:
                group["lr"] = self.rate(step)
            trace.append(self._iteration(trunk, workshop.training.x, network, optimizer, draw))
            if (step + 1) % self.every == 0:
                state.save(network, optimizer, trace)
        workshop.report("meta-training", self.iterations, self.iterations)
        return {**network.held(), TRACE: torch.tensor(trace).view(-1, 3)}

    def scores(
        self, trunk: Trunk, prepared: Prepared, failures: Sequence[Failure], streams: Tensor, labels: Tensor
    ) -> Tensor:
        import torch

        from methods.vit_editing.hypernetwork import Hypernetwork

        network = Hypernetwork(*self._sizes(trunk)).loaded(prepared).to(trunk.model.device)
        first = trunk.blocks[0]
        with torch.no_grad():
            h = streams.flatten(0, 1)
            if trunk.weights:
                h = trunk.model.kept(torch.cat([failure.x for failure in failures]), first)
            return network(trunk.model.tokens(h, first)).unflatten(0, tuple(labels.shape)).mean(1)

    def rate(self, step: int) -> float:
        """Of the hypernetwork's RMSprop at an iteration."""
        return 0.5 * self.net_lr * (1 + math.cos(math.pi * step / self.cosine))

    def _sizes(self, trunk: Trunk) -> tuple[int, int, int, int, int]:
        return trunk.model.width, len(trunk.rows), trunk.hidden, self.layers, self.heads

    def _iteration(
        self,
        trunk: Trunk,
        pictures: Tensor,
        network: Hypernetwork,
        optimizer: torch.optim.Optimizer,
        draw: torch.Generator,
    ) -> tuple[float, float, float]:
        """One batch of pairs: targets, then `passes` steps of the hypernetwork; what `TRACE` holds."""
        import torch

        from methods.vit_editing.bilevel import search, uniform
        from methods.vit_editing.cutmix import mixtures
        from methods.vit_editing.hypernetwork import taught

        model, first = trunk.model, trunk.blocks[0]
        size = model.images.size
        grid = size // patch_of(model)
        base, mixed = mixtures(pictures, self.pairs, grid, size, draw)
        h = model.kept(torch.cat([base, mixed]), first)
        with torch.no_grad():
            before, behind = h.split(self.pairs)
            teacher = torch.softmax(model.logits_from(before, first) / self.temperature, -1)
            tokens = model.tokens(behind, first)
        found = search(trunk, trunk.middle(behind), teacher, uniform(self.pairs, trunk, draw), self.bilevel)
        loss = taught(network, optimizer, tokens, found.target, self.passes)
        return loss, float(found.target.mean()), float(found.loss.mean())


def patch_of(model: Classifier) -> int:
    """Pixels a side of a patch."""
    return int(model.module.config.patch_size)


class _State:
    """Where meta-training stands, in a file of the workshop's folder; without a folder nothing is kept."""

    def __init__(self, folder: Path | None, identity: str) -> None:
        self.path, self.identity = None if folder is None else folder / STATE, identity

    def save(
        self,
        network: Hypernetwork,
        optimizer: torch.optim.Optimizer,
        trace: Sequence[tuple[float, float, float]],
    ) -> None:
        """The rename makes the file whole or absent."""
        if self.path is None:
            return
        from safetensors.torch import save_file

        tensors = network.held()
        for i, state in optimizer.state_dict()["state"].items():
            tensors[f"square.{i}"] = state["square_avg"].clone()
        about = {"identity": self.identity, "trace": json.dumps(trace)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        save_file(tensors, part, about)
        part.replace(self.path)

    def restore(
        self,
        network: Hypernetwork,
        optimizer: torch.optim.Optimizer,
    ) -> list[tuple[float, float, float]]:
        """Load what was saved by a training of the same settings; the trace of the iterations done. A file
        that cannot be read counts for nothing.
        """
        import torch
        from safetensors import SafetensorError, safe_open

        from methods.vit_editing.hypernetwork import PARTS

        if self.path is None or not self.path.is_file():
            return []
        try:
            with safe_open(self.path, "pt") as file:
                about = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
        except SafetensorError:
            return []
        if about.get("identity") != self.identity:
            return []
        trace = [(row[0], row[1], row[2]) for row in json.loads(about["trace"])]
        network.load_state_dict({k[len(PARTS) :]: v for k, v in tensors.items() if k.startswith(PARTS)})
        held = optimizer.state_dict()
        steps = torch.tensor(float(len(trace)))
        squares = {int(k[7:]): v for k, v in tensors.items() if k.startswith("square.")}
        held["state"] = {i: {"step": steps.clone(), "square_avg": v} for i, v in squares.items()}
        optimizer.load_state_dict(held)
        return trace
