"""ROME: the value that a key is mapped to in one FFN is replaced by a rank-one change of its second matrix.

    k* = mean over the picture and its augmentations of the class token's post-activation hidden units
    v* = W k + b + delta,  delta = argmin of
         mean CE(y) over the picture and its augmentations
         + kl KL(p_delta || p) over the augmentations + decay |delta| / |v|^2
    W' = W + (v* - W k)(C^-1 k*)^T / ((C^-1 k*)^T k),  C = E[k k^T] over training pictures

Source: Meng et al. (2022), section 3.1. Steps, rate, weights, clamp and the stop at a loss
of 0.05, and the direction of KL, are those of EasyEdit (hparams/ROME, models/rome/compute_v.py); the last of
its steps is not taken there, so that 20 mean 19, and here.

Deviations (a language-model recipe carried over): the subject's last token is the class token; random
prefixes are shifted copies of another brightness; the prompt "{subject} is a" that must keep its answer is
those copies too, so that its weight pulls against the edit and is the knob of how far it goes. C is estimated
on training pictures with a small multiple of its mean diagonal added. The change acts on all tokens, so that
the constraint W' k = v* holds and the picture may still not be right. Several pictures: one constraint each.
lr, clamp and decay belong to the size of v in a language model; where |v| is about 1, decay = 0.5 holds an
edit back so much that it fails, and 0 with a smaller lr is the better choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.vit_editing.rival_grouped import Grouped
from suite.errors import UsageError
from tasks.vit_editing.contract import Edited, Failure, Prepared, ReplacedWeights, Workshop

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.vit_editing.contract import Classifier, Weights


@dataclass(frozen=True, kw_only=True)
class ROME(Grouped):
    """block: -1 for the last of the middle ones. kl: used where the knob is the number of steps.

    knobs: weights of KL, or numbers of steps (`trades`); EasyEdit's are 0.0625 and 20, the others are ours.
    copies: augmentations. samples: training pictures of C, of the class token or of all tokens (`seen`).
    ridge: added to C, in shares of its mean diagonal. batch: edits at once.
    """

    knobs: str = "0.0625,1,4,8,16"
    trades: Literal["kl", "steps"] = "kl"
    block: int = -1
    kl: float = 0.0625
    steps: int = 20
    lr: float = 0.5
    clamp: float = 4.0
    decay: float = 0.5
    enough: float = 0.05
    copies: int = 4
    samples: int = 2000
    seen: Literal["class", "all"] = "class"
    ridge: float = 1e-3
    batch: int = 24

    def __post_init__(self) -> None:
        if min(self.steps, self.samples, self.batch) < 1 or self.copies < 0:
            raise UsageError("steps, samples and batch must be at least 1 and copies at least 0")
        if self.ridge <= 0 or self.lr <= 0 or self.clamp <= 0:
            raise UsageError("ridge, lr and clamp must be above 0")

    def prepare(self, model: Classifier, workshop: Workshop) -> Prepared:
        """second (hidden, hidden): C of the block's keys, float64."""
        import torch

        from methods.vit_editing.rank_one import second_moment
        from methods.vit_editing.rival_streams import one_block, read_by

        x = workshop.training.x
        picked = x[torch.randperm(len(x), generator=workshop.generator("rome"))[: self.samples]]
        tokens = slice(0, 1) if self.seen == "class" else slice(None)
        told, done = 0.0, 0
        for part in read_by(model, picked, one_block(self.block, model)):
            keys = part.keys[:, tokens]
            told = told + second_moment(keys.flatten(0, 1)) * len(keys)
            done += len(keys)
            workshop.report("second moment of keys", done, len(picked))
        second = torch.as_tensor(told) / done
        return {
            "second": second
            + self.ridge * second.diagonal().mean() * torch.eye(len(second)).to(second.device)
        }

    def edits(
        self,
        model: Classifier,
        prepared: Prepared,
        failures: list[Failure],
        knob: float,
        before: Edited | None,
    ) -> list[Edited]:
        import torch

        from methods.vit_editing.rank_one import associated
        from methods.vit_editing.rival_streams import augmented, current, inherited, one_block, passed

        weights = inherited(before)
        block = one_block(self.block, model)
        matrix, bias = model.blocks[block].matrices[1], f"{model.blocks[block].fc2}.bias"
        x = torch.stack([augmented(f.x, self.copies, f.seed) for f in failures])  # (E, k, 1 + copies, ...)
        y = torch.stack([f.y for f in failures])
        with torch.no_grad():
            part = passed(model, model.kept(x.flatten(0, 2), block), block, weights)
        keys = part.keys[:, 0].unflatten(0, x.shape[:3])
        w = current(model, weights, matrix)
        values = keys[:, :, 0] @ w.T  # (E, k, d), without the bias, which no edit changes
        sizes = (values + current(model, weights, bias)).norm(dim=2)
        delta, taken = self._deltas(
            model, block, part.after.unflatten(0, x.shape[:3]), y, sizes, knob, weights
        )
        edits: list[Edited] = []
        earlier = before if isinstance(before, ReplacedWeights) else None
        for i, steps in enumerate(taken):
            targets, means = values[i] + delta[i], keys[i].mean(1)
            new = associated(w, keys[i, :, 0], targets, prepared["second"], means)
            edits.append(ReplacedWeights(model, {matrix: new}, before=earlier, steps=steps))
        return edits

    def _deltas(
        self,
        model: Classifier,
        block: int,
        after: Tensor,
        y: Tensor,
        sizes: Tensor,
        knob: float,
        weights: Weights,
    ) -> tuple[Tensor, list[int]]:
        """delta (E, k, d) of streams (E, k, 1 + copies, T, d) behind the block, and the steps of edits."""
        import torch
        from torch.nn import functional as F

        from methods.vit_editing.rival_descent import descend
        from methods.vit_editing.rival_streams import with_token

        kl, steps = (knob, self.steps) if self.trades == "kl" else (self.kl, int(knob))
        shape, flat = after.shape[:3], after.flatten(0, 2)
        truth = y[:, :, None].expand(shape).flatten()
        with torch.no_grad():
            old = model.logits_from(flat, block + 1, weights).log_softmax(1)
        delta = after.new_zeros(*shape[:2], after.shape[4], requires_grad=True)

        def losses() -> tuple[Tensor, Tensor]:
            moved = flat[:, 0] + delta[:, :, None].expand(*shape, -1).flatten(0, 2)
            new = model.logits_from(with_token(flat, moved), block + 1, weights).log_softmax(1)
            loss = F.nll_loss(new, truth, reduction="none").view(shape).mean((1, 2))
            if shape[2] > 1:
                pulled = (new.exp() * (new - old)).sum(1).view(shape)[:, :, 1:]
                loss = loss + kl * pulled.mean((1, 2))
            # The norm has no gradient at 0, where every descent starts.
            length = (delta.square().sum(2) + 1e-12).sqrt()
            loss = loss + self.decay * (length / sizes**2).mean(1)
            return loss, loss.detach() < self.enough

        def project() -> None:
            most = self.clamp * sizes
            delta.mul_((most / delta.norm(dim=2).clamp(min=1e-12)).clamp(max=1)[:, :, None])

        taken = descend([delta], losses, torch.optim.Adam([delta], lr=self.lr), steps - 1, project)
        return delta.detach(), taken
