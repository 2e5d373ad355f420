"""Masked edits of a vision transformer: 32 independent failures in one run, beside one by one.

    python benchmarks/bench_edit_batch.py

Budget: at least 5 times as many edits a second as the way that the paper's code goes (a deep copy of the
module, whole pictures, torch.optim.RMSprop), over the paper's five densities together. The model has the
shape of the project's small classifiers (32 px, patch 4, 6 blocks of width 128) and random weights; each edit
takes 10 steps. The weights of both ways are compared: at most 1e-5 apart. Also printed: one by one through
the written-out forward pass, and a run in which any weight of the FFNs may change.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import ViTConfig, ViTForImageClassification

from methods.vit_editing.descent import Descent, descend
from methods.vit_editing.mask_trunk import Trunk
from methods.vit_editing.masks import top_k
from suite.models.registry import Images
from tasks.vit_editing.classifier import Classifier

EDITS, STEPS, PLAIN = 32, 10, 3
DENSITIES = (0.75, 0.5, 0.25, 0.1, 0.05)
HOW = Descent(steps=STEPS, enough=0.0)


def small() -> Classifier:
    """A classifier with random weights."""
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=4,
        image_size=32,
        patch_size=4,
        num_labels=10,
        initializer_range=0.1,
    )
    images = Images(32, (0.5,) * 3, (0.5,) * 3)
    return Classifier.of(ViTForImageClassification(config), images, [str(k) for k in range(10)])


def plain(
    model: Classifier, names: Sequence[str], picture: Tensor, label: Tensor, masks: Tensor
) -> list[Tensor]:
    """One edit as the released code goes. masks: (rows, hidden)."""
    module = copy.deepcopy(model.module)
    values = [module.get_parameter(name).requires_grad_() for name in names]
    optimizer = torch.optim.RMSprop(values, lr=HOW.lr)
    x = model.prepared(picture)
    for _ in range(STEPS):
        logits = module(x).logits
        loss = F.cross_entropy(logits, label)
        if bool((logits.argmax(-1) == label).all()) and float(loss.detach()) <= HOW.enough:
            break
        optimizer.zero_grad()
        loss.backward()
        for row, value in enumerate(values):
            value.grad *= masks[row][None] if row % 2 else masks[row][:, None]
        optimizer.step()
    return [value.detach() for value in values]


def main() -> None:
    """Time every way in seconds of the processor."""
    torch.set_num_threads(1)
    model = small()
    blocks = model.middle()
    names = [name for k in blocks for name in model.blocks[k].matrices]
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (EDITS, 32, 32, 3), generator=generator, dtype=torch.uint8)
    y = torch.randint(0, 10, (EDITS, 1), generator=generator)
    scores = torch.rand((EDITS, len(names), 512), generator=generator)
    slow = fast = 0.0
    for density in (*DENSITIES, 1.0):
        masks = top_k(scores, density)
        start = time.process_time()
        truth = [plain(model, names, x[e : e + 1], y[e], masks[e].float()) for e in range(PLAIN)]
        seconds = {"as released": (time.process_time() - start) / PLAIN}
        start = time.process_time()
        for e in range(PLAIN):
            streams = model.kept(x[e : e + 1], blocks[0])[None]
            descend(Trunk.of(model, blocks), streams, y[e : e + 1], masks[e : e + 1], HOW)
        seconds["one by one"] = (time.process_time() - start) / PLAIN
        start = time.process_time()
        trunk = Trunk.of(model, blocks)
        found = descend(trunk, trunk.stream(x)[:, None], y, masks, HOW)
        seconds["batched"] = (time.process_time() - start) / EDITS
        apart = max(
            float((found[e].weights[name] - truth[e][i]).abs().max())
            for e in range(PLAIN)
            for i, name in enumerate(names)
        )
        told = ", ".join(f"{name} {1 / s:.1f}/s" for name, s in seconds.items())
        ratio = seconds["as released"] / seconds["batched"]
        print(f"density {density}: {told}; ratio {ratio:.1f}; weights {apart:.1e} apart")
        if density in DENSITIES:
            slow, fast = slow + seconds["as released"], fast + seconds["batched"]
    print(f"ratio over the densities of the paper: {slow / fast:.1f} (budget 5)")


if __name__ == "__main__":
    main()
