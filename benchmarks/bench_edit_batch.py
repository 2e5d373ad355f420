"""Masked edits of a vision transformer: 32 independent failures in one run, beside one by one.

    python benchmarks/bench_edit_batch.py [--random] [--device cuda] [--check]

Budget: at least 5 times as many edits a second as the way that the paper's code goes (a deep copy of the
module, whole pictures, torch.optim.RMSprop), over the paper's five densities together. The model is the one
that editors are measured on at small, vit-32-cifar10 (32 px, a convolutional stem, 6 blocks of width 96);
`--random` takes a plain ViT of width 128 with random weights, which has less to save (4 to 5 times). Pictures
are noise; each edit takes 10 steps. The weights of both ways are compared: at most 1e-5 apart. Also printed:
one by one through the written-out forward pass, and a run in which any weight of the FFNs may change.
`--check` exits 1 below the budget.
"""

from __future__ import annotations

import argparse
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
from tasks.vit_editing.classifier import Classifier, classifier

EDITS, STEPS, PLAIN = 32, 10, 3
BUDGET = 5.0
DENSITIES = (0.75, 0.5, 0.25, 0.1, 0.05)
HOW = Descent(steps=STEPS, enough=0.0)


def random() -> Classifier:
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


def clock(model: Classifier) -> float:
    """Seconds of the processor, or on another device of the wall behind all that was asked of it."""
    if model.device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def main() -> int:
    """Time every way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--random", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    model = random() if chosen.random else classifier("vit-32-cifar10")
    model.module.to(chosen.device)
    blocks = model.middle()
    names = [name for k in blocks for name in model.blocks[k].matrices]
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (EDITS, 32, 32, 3), generator=generator, dtype=torch.uint8)
    y = torch.randint(0, 10, (EDITS, 1), generator=generator)
    scores = torch.rand((EDITS, len(names), len(model.parameter(names[0]))), generator=generator)
    x, y, scores = (part.to(model.device) for part in (x, y, scores))
    slow = fast = 0.0
    for density in (*DENSITIES, 1.0):
        masks = top_k(scores, density)
        start = clock(model)
        truth = [plain(model, names, x[e : e + 1], y[e], masks[e].float()) for e in range(PLAIN)]
        seconds = {"as released": (clock(model) - start) / PLAIN}
        start = clock(model)
        for e in range(PLAIN):
            streams = model.kept(x[e : e + 1], blocks[0])[None]
            descend(Trunk.of(model, blocks), streams, y[e : e + 1], masks[e : e + 1], HOW)
        seconds["one by one"] = (clock(model) - start) / PLAIN
        start = clock(model)
        trunk = Trunk.of(model, blocks)
        found = descend(trunk, trunk.stream(x)[:, None], y, masks, HOW)
        seconds["batched"] = (clock(model) - start) / EDITS
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
    print(f"ratio over the densities of the paper: {slow / fast:.1f} (budget {BUDGET:g})")
    return int(chosen.check and slow / fast < BUDGET)


if __name__ == "__main__":
    raise SystemExit(main())
