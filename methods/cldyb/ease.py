"""EASE: an adapter for every task, and the mean of every class in the feature space of every adapter.

    training: the new adapter with a cosine head of the new classes alone, which is thrown away
    w_cs: mean feature of class c under adapter s, measured where s is not younger than the class, else
    w_cs = sum over classes k of tasks s .. t of softmax_k(cos(w_cj, w_kj)) w_ks,   j the task of c
    logit of c = cos(f_j, w_cj) + (alpha / t) sum over s != j of cos(f_s, w_cs),   t tasks before the last

Source: Zhou et al. (2024), "Expandable subspace ensemble for pre-trained model-based class-incremental
learning"; the formulas are those of the code in LAMDA-PILOT (models/ease.py, backbone/linears.py,
exps/ease.json: recalc_sim, use_reweight).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.cldyb.adapt_base import AdaptingLearner, Bottlenecked
from methods.cldyb.gradient import Batch, GradientLearner, Lesson, at_least, part
from methods.cldyb.memory import columns
from methods.cldyb.simplecil import class_means
from tasks.cldyb.contract import TaskData

if TYPE_CHECKING:
    from torch import Tensor

    from suite.models.training import Streams


def synthesised(prototypes: Tensor, task_of: Tensor, anew: bool = True) -> Tensor:
    """Prototypes (C, T, d) with the entries of classes in younger adapters' spaces filled in.

    anew: all such entries from all classes of the younger tasks, as the code does; else those of the last
    adapter alone, from its own classes.
    """
    from torch.nn import functional as F

    out, tasks = prototypes.clone(), prototypes.shape[1]
    for j in range(tasks - 1):
        old = task_of == j
        for s in range(j + 1, tasks) if anew else [tasks - 1]:
            later = task_of >= s
            here, there = F.normalize(prototypes[old, j], dim=1), F.normalize(prototypes[later, j], dim=1)
            out[old, s] = (here @ there.T).softmax(dim=1) @ prototypes[later, s]
    return out


def ensembled(features: Tensor, prototypes: Tensor, task_of: Tensor, alpha: float) -> Tensor:
    """(n, C) logits of features (n, T, d) under each adapter and prototypes (C, T, d)."""
    from torch.nn import functional as F

    f, w = F.normalize(features, dim=2), F.normalize(prototypes, dim=2)
    cosines = (f.transpose(0, 1) @ w.permute(1, 2, 0)).permute(1, 2, 0)
    own = cosines.gather(2, task_of[None, :, None].expand(len(f), -1, 1)).squeeze(2)
    others = features.shape[1] - 1
    return own + alpha / others * (cosines.sum(2) - own) if others else own


class EASELearner(AdaptingLearner):
    """memory: adapter.TASK.NAME, prototypes (C, T, d), task_of (C,). The head is empty between tasks."""

    def prepare(self, task: TaskData, seen: tuple[int, ...], streams: Streams) -> Lesson:
        """The columns of the lesson are the new classes alone."""
        self.adapted.draw(streams.torch("parts"))
        self.network.head.grow(self.rows(len(task.classes), streams.torch("head")))
        return Lesson(Batch(self.host.kept(task.x), columns(task.y, task.classes)), 0, streams)

    def finish(self, lesson: Lesson) -> None:
        import torch

        from methods.cldyb.network import Head

        x, y = lesson.examples
        count, width = self.network.head.weight.shape
        task = self.tasks
        for name, value in self.parts.state_dict().items():
            self.memory[f"adapter.{task}.{name}"] = value.clone()
        found = self.spaces(x)
        means = torch.stack([class_means(f, y, count) for f in found.unbind(1)], dim=1).float()
        last = torch.full((count,), task)
        if "prototypes" in self.memory:
            old = self.memory["prototypes"]
            old = torch.cat([old, old.new_zeros(len(old), 1, width)], dim=1)
            means, last = torch.cat([old, means]), torch.cat([self.memory["task_of"], last])
        self.memory["prototypes"] = synthesised(means, last, self.method.anew)
        self.memory["task_of"] = last
        self.network.head = Head(width, self.method.head)

    @property
    def tasks(self) -> int:
        """How many adapters are kept."""
        return len({name.split(".")[1] for name in self.memory if name.startswith("adapter.")})

    def spaces(self, x: Tensor) -> Tensor:
        """(n, T, d) features of pictures or tokens under every adapter."""
        import torch

        tokens = x if x.ndim == 3 else self.host.kept(x)
        found = [self.under(tokens, part(self.memory, f"adapter.{t}.")) for t in range(self.tasks)]
        return torch.stack(found, dim=1)

    def logits(self, x: Tensor) -> Tensor:
        if not self.seen:
            return self.network.scores(x)
        prototypes, task_of = self.memory["prototypes"], self.memory["task_of"]
        return ensembled(self.spaces(x), prototypes, task_of, self.method.alpha)


@dataclass(frozen=True)
class EASE(Bottlenecked):
    """alpha: the weight of the other adapters' spaces. anew: see `synthesised`."""

    makes: ClassVar[type[GradientLearner]] = EASELearner

    batch: int = 48
    lr: float = 0.025
    weight_decay: float = 5e-4
    head: Literal["linear", "cosine"] = "cosine"
    alpha: float = 0.1
    anew: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "alpha")
