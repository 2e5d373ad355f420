"""Learners that train a head, and an encoder where they read images, by stochastic gradient descent.

One routine serves all. A method changes what it must: `start` before the first step of a task, `epoch`
before an epoch, `loss` of a batch, `stepped` after a step, `finish` after the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from methods.cldyb.memory import admit, columns
from suite.errors import MethodError, UsageError
from tasks.cldyb.contract import Backbone, ContinualLearner, Learner, State, TaskData

if TYPE_CHECKING:
    from torch import Tensor

    from methods.cldyb.network import SGD, Network
    from suite.models.training import Streams

MAIN = "network"


class Batch(NamedTuple):
    """x: examples as the learner reads them. y: (n,) columns of the head."""

    x: Tensor
    y: Tensor


class Lesson(NamedTuple):
    """A task while it is learned: its examples, the number of classes before it, and its random streams."""

    examples: Batch
    old: int
    streams: Streams


def batches(examples: Batch, size: int, order: Sequence[int] | None = None) -> Iterator[Batch]:
    """The examples in that order, `size` at a time; the last batch may be smaller."""
    import torch

    n = len(examples.y)
    rows = torch.arange(n) if order is None else torch.as_tensor(order)
    for part in rows.to(examples.y.device).split(size):
        yield Batch(examples.x[part], examples.y[part])


class GradientLearner(Learner):
    """networks: everything trained or averaged, by name; the one called "network" is trained.

    memory: the other tensors that learning leaves; replaced, never changed in place, once a task is learned.
    """

    answering = MAIN
    """The network that answers."""

    def __init__(self, method: Any, backbone: Backbone) -> None:
        from methods.cldyb.network import Network

        self.method = method
        encoder = backbone.fresh() if method.reads == "images" else None
        self.networks = {MAIN: Network(encoder, backbone.width, method.head)}
        self.memory: dict[str, Tensor] = {}

    @property
    def network(self) -> Network:
        return self.networks[MAIN]

    def learn(self, task: TaskData, seed: int) -> None:
        import torch

        from suite.models.training import Streams

        seen = admit(self.seen, task)
        streams = Streams(seed)
        with torch.random.fork_rng(devices=[]):
            streams.seed_global("learn")
            lesson = self.prepare(task, seen, streams)
            self.start(lesson)
            self._train(lesson)
            self.finish(lesson)
        if not all(bool(p.isfinite().all()) for p in self.network.parameters()):
            raise MethodError(f"training diverged on classes {task.classes}: lower lr or the strength")
        self.seen = seen

    def prepare(self, task: TaskData, seen: tuple[int, ...], streams: Streams) -> Lesson:
        """The lesson of a task, with rows for its classes in every head."""
        rows = self.network.head.fresh(len(task.classes), streams.torch("head"))
        for network in self.networks.values():
            network.head.grow(rows)
        return Lesson(Batch(task.x, columns(task.y, seen)), len(self.seen), streams)

    def _train(self, lesson: Lesson) -> None:
        optimizer = self.optimizer(self.network)
        for number in range(self.method.epochs):
            self.epoch(lesson, number)
            self.network.train()
            order = lesson.streams.numpy("order", number).permutation(len(lesson.examples.y))
            for batch in batches(lesson.examples, self.method.batch, order):
                optimizer.step(self.loss(lesson, batch))
                self.stepped(lesson, batch)

    def optimizer(self, network: Network) -> SGD:
        """A new one: none outlives its task."""
        from methods.cldyb.network import SGD

        m = self.method
        return SGD(network.parameters(), m.lr, m.momentum, m.weight_decay)

    def start(self, lesson: Lesson) -> None:
        """Before the first step of a task; the head has its new rows."""

    def epoch(self, lesson: Lesson, number: int) -> None:
        """Before epoch `number` of a task."""

    def loss(self, lesson: Lesson, batch: Batch) -> Tensor:
        """What a step lowers."""
        return self.cross_entropy(lesson, self.network(batch.x), batch.y)

    def stepped(self, lesson: Lesson, batch: Batch) -> None:
        """After a step on `batch`."""

    def finish(self, lesson: Lesson) -> None:
        """After the last step of a task."""

    def first(self, lesson: Lesson) -> int:
        """The first column that the cross-entropy looks at."""
        return lesson.old if self.method.over == "new" else 0

    def cross_entropy(self, lesson: Lesson, logits: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
        """Over the columns that the method's `over` names."""
        from torch.nn import functional as F

        first = self.first(lesson)
        return F.cross_entropy(logits[:, first:], y - first, reduction=reduction)

    def logits(self, x: Tensor) -> Tensor:
        return self.networks[self.answering].scores(x)

    def representation(self, x: Tensor) -> Tensor:
        return self.networks[self.answering].features(x)

    def state(self) -> State:
        weights = {f"{n}/{key}": v for n, net in self.networks.items() for key, v in net.copied().items()}
        return {**weights, **{f"memory/{name}": value for name, value in self.memory.items()}}

    def restore(self, state: State, seen: Sequence[int]) -> None:
        for name, network in self.networks.items():
            network.load(part(state, f"{name}/"))
        self.memory = part(state, "memory/")
        self.seen = tuple(seen)


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose name starts so, under the rest of their name."""
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class Gradient(ContinualLearner):
    """Settings of all gradient learners; the values are LAMDA-PILOT's for fine-tuning (exps/finetune.json).

    lr: constant. head: of linear or cosine scores. over: the cross-entropy compares the new classes alone
    or all seen so far. reads: "features" trains a head, "images" the encoder with it.
    """

    makes: ClassVar[type[GradientLearner]] = GradientLearner

    epochs: int = 20
    batch: int = 128
    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 2e-4
    head: Literal["linear", "cosine"] = "linear"
    over: Literal["new", "seen"] = "seen"
    reads: Literal["features", "images"] = "features"

    def __post_init__(self) -> None:
        at_least(self, 1, "epochs", "batch")
        at_least(self, 0, "momentum", "weight_decay")
        if self.lr <= 0:
            raise UsageError(f"lr must be positive, not {self.lr:g}")

    def begin(self, backbone: Backbone, seed: int) -> Learner:
        return self.makes(self, backbone)


def at_least(method: object, least: float, *names: str) -> None:
    """UsageError for a field below `least`."""
    for name in names:
        if (value := getattr(method, name)) < least:
            raise UsageError(f"{name} must be at least {least:g}, not {value:g}")
