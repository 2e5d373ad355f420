"""The training that all prompt learners share, and how a prompt is chosen from a pool."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from methods.cldyb.gradient import MAIN, Batch, GradientLearner, Lesson, at_least
from suite.errors import UsageError
from tasks.cldyb.contract import Backbone, ContinualLearner, Learner, TaskData

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.cldyb.network import Network
    from methods.cldyb.prompt_network import Adam, PromptNetwork
    from suite.models.training import Streams

AT_ONCE = 64
"""Pictures that go through the encoder at once when nothing is trained."""
KEPT_BYTES = 2**29
"""Embedded pictures of a task are kept up to this size; beyond, they are embedded anew in every batch."""


class PromptLearner(GradientLearner):
    """A frozen encoder, and a network of prompts and a head, which alone make the state.

    A subclass says which prompts there are and what the head reads under them. In a lesson `Batch.x` has
    numbers of rows of the task, whose pictures are embedded and whose queries (class tokens of the encoder
    without a prompt) are computed once.
    """

    method: Any
    images: Tensor
    tokens: Tensor | None = None
    queries: Tensor

    def __init__(self, method: Any, backbone: Backbone, seed: int) -> None:
        from methods.cldyb.prompt_network import PromptNetwork
        from methods.cldyb.prompted import PromptedEncoder
        from suite.models.training import Streams

        self.method = method
        self.encoder = PromptedEncoder(backbone.fresh(), backbone.width)
        self.check()
        self._network = PromptNetwork(backbone.width, self.initial(Streams(seed)))
        self.networks = {MAIN: self._network}
        self.memory = {}

    @property
    def network(self) -> PromptNetwork:
        return self._network

    @property
    def prompts(self) -> nn.ParameterDict:
        return self.network.prompts

    def check(self) -> None:
        """UsageError where the settings ask for blocks that the encoder lacks."""

    @abstractmethod
    def initial(self, streams: Streams) -> dict[str, Tensor]:
        """The prompts before all learning, by name."""

    @abstractmethod
    def read(self, tokens: Tensor, queries: Tensor) -> Tensor:
        """(n, width) what the head reads of test pictures."""

    @abstractmethod
    def studied(self, lesson: Lesson, tokens: Tensor, queries: Tensor) -> tuple[Tensor, Tensor | float]:
        """(n, width) what the head reads of training pictures, and what is added to the cross-entropy."""

    def learn(self, task: TaskData, seed: int) -> None:
        try:
            super().learn(task, seed)
        finally:
            self.tokens = None

    def prepare(self, task: TaskData, seen: tuple[int, ...], streams: Streams) -> Lesson:
        import torch

        lesson = super().prepare(task, seen, streams)
        n = len(task.x)
        one = self.encoder.tokens(task.x[:1])
        self.images = task.x
        if n * one.numel() * one.element_size() <= KEPT_BYTES:
            self.tokens = self.encoder.tokens(task.x)
        rows = torch.arange(n, device=task.x.device)
        self.queries = torch.cat([self.encoder.queries(self.embedded(r)) for r in rows.split(AT_ONCE)])
        return lesson._replace(examples=Batch(rows, lesson.examples.y))

    def embedded(self, rows: Tensor) -> Tensor:
        """(len(rows), T, width) tokens of pictures of the task."""
        return self.encoder.tokens(self.images[rows]) if self.tokens is None else self.tokens[rows]

    def optimizer(self, network: Network) -> Adam:
        from methods.cldyb.prompt_network import Adam

        return Adam(dict(network.named_parameters()), self.method.lr)

    def loss(self, lesson: Lesson, batch: Batch) -> Tensor:
        features, more = self.studied(lesson, self.embedded(batch.x), self.queries[batch.x])
        return self.cross_entropy(lesson, self.network.head(features), batch.y) + more

    @property
    def chunk(self) -> int:
        """Test pictures that are read together."""
        return AT_ONCE

    def representation(self, x: Tensor) -> Tensor:
        """(n, width) what the head reads of pictures."""
        import torch

        found = []
        with torch.no_grad():
            for part in x.split(self.chunk):
                tokens = self.encoder.tokens(part)
                found.append(self.read(tokens, self.encoder.queries(tokens)))
        return torch.cat(found)

    def logits(self, x: Tensor) -> Tensor:
        return self.network.scores(self.representation(x))


@dataclass(frozen=True)
class Prompting(ContinualLearner):
    """Settings of all prompt learners. The cross-entropy is over the classes of the task alone."""

    makes: ClassVar[type[PromptLearner]]

    reads = "images"
    over = "new"

    epochs: int = 5
    batch: int = 16
    lr: float = 0.001875

    def __post_init__(self) -> None:
        at_least(self, 1, "epochs", "batch")
        positive(self, "lr")

    def begin(self, backbone: Backbone, seed: int) -> Learner:
        return self.makes(self, backbone, seed)


def positive(method: object, *names: str) -> None:
    """UsageError for a field that is 0 or below."""
    for name in names:
        if (value := getattr(method, name)) <= 0:
            raise UsageError(f"{name} must be positive, not {value:g}")


def uniform(streams: Streams, purpose: str, *shape: int) -> Tensor:
    """Independent and uniform in [-1, 1), as the released codes draw prompts and keys."""
    import torch

    return torch.rand(shape, generator=streams.torch(purpose)) * 2 - 1


def nearest(keys: Tensor, queries: Tensor, top: int) -> Tensor:
    """(n, top) numbers of the keys (p, d) with the largest cosine to each query (n, d), the largest first."""
    from torch.nn import functional as F

    return (F.normalize(queries, dim=1) @ F.normalize(keys, dim=1).T).topk(top, dim=1).indices


def majority(chosen: Tensor, pool: int) -> Tensor:
    """(n, k) numbers below `pool`, all rows of which are the k most frequent in `chosen` (n, k); of equally
    frequent ones the lowest first.
    """
    counts = chosen.flatten().bincount(minlength=pool)
    return counts.argsort(descending=True, stable=True)[: chosen.shape[1]].expand(len(chosen), -1)


def similarity(keys: Tensor, queries: Tensor, chosen: Tensor) -> Tensor:
    """Sum of the cosines of each query (n, d) and its chosen keys, meaned over queries: a scalar."""
    from torch.nn import functional as F

    return (F.normalize(keys, dim=1)[chosen] * F.normalize(queries, dim=1)[:, None]).sum() / len(queries)
