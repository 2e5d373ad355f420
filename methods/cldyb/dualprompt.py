"""DualPrompt: prefixes that all tasks share in the first blocks, and prefixes of a task in the next ones.

    train on task t: its own prefix, which begins where that of task t - 1 ended, and its key
    test: the prefix whose key has the largest cosine to the class token of the encoder without a prompt
    L = CE over the classes of the task - pull cos(query, key)

Source: Wang et al. (2022), "DualPrompt", equations 3 to 8, and LAMDA-PILOT (models/dualprompt.py, settings of
exps/dualprompt.json), after the PyTorch port of JH-LEE-KR. Two differences. The port reshapes the chosen
prefixes where axes should be exchanged, so that half of a batch has the keys' prefix for its values too, and
the other half the values' for its keys; here they are as in the paper. And a test batch votes there, see l2p.
With more tasks than prefixes in the pool a batch takes the prefix that most of its pictures choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.cldyb.gradient import Lesson, at_least
from methods.cldyb.prompt_training import (
    AT_ONCE,
    Prompting,
    PromptLearner,
    majority,
    nearest,
    similarity,
    uniform,
)

if TYPE_CHECKING:
    from torch import Tensor

    from methods.cldyb.prompted import Prefixes
    from suite.models.training import Streams


class DualPromptLearner(PromptLearner):
    """prompts: general (G, 2, length, width) and expert (E, 2, pool, length, width), keys' prefix first and
    then values'; key (pool, width). memory: tasks (), how many were learned.
    """

    def check(self) -> None:
        self.encoder.needs(
            self.method.general_layers + self.method.expert_layers, "general and expert layers"
        )

    def initial(self, streams: Streams) -> dict[str, Tensor]:
        m, width = self.method, self.encoder.width
        return {
            "general": uniform(streams, "general", m.general_layers, 2, m.general_length, width),
            "expert": uniform(streams, "expert", m.expert_layers, 2, m.pool, m.length, width),
            "key": uniform(streams, "key", m.pool, width),
        }

    @property
    def tasks(self) -> int:
        return int(self.memory.get("tasks", 0))

    def start(self, lesson: Lesson) -> None:
        """The task's prefix begins as that of the task before."""
        super().start(lesson)
        if 0 < self.tasks < self.method.pool:
            expert = self.prompts["expert"].detach()
            expert[:, :, self.tasks] = expert[:, :, self.tasks - 1]

    def finish(self, lesson: Lesson) -> None:
        import torch

        super().finish(lesson)
        self.memory["tasks"] = torch.tensor(self.tasks + 1)

    def chosen(self, queries: Tensor, vote: bool) -> Tensor:
        """(n, 1) numbers of prefixes."""
        found = nearest(self.prompts["key"], queries, 1)
        return majority(found, self.method.pool) if vote else found

    def prefixes(self, chosen: Tensor) -> Prefixes:
        """By block; chosen (n, 1)."""
        general, expert = self.prompts["general"], self.prompts["expert"]
        found: dict[int, tuple[Tensor, Tensor]] = {}
        for number, (keys, values) in enumerate(general):
            found[number] = (keys.expand(len(chosen), -1, -1), values.expand(len(chosen), -1, -1))
        for number, (keys, values) in enumerate(expert, len(general)):
            found[number] = (keys[chosen[:, 0]], values[chosen[:, 0]])
        return found

    def studied(self, lesson: Lesson, tokens: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        own = self.tasks < self.method.pool
        chosen = self.chosen(queries, vote=True)
        chosen = chosen.new_full(chosen.shape, self.tasks) if own else chosen
        pull = similarity(self.prompts["key"], queries, chosen)
        return self.encoder.outputs(tokens, prefixes=self.prefixes(chosen))[:, 0], -self.method.pull * pull

    def read(self, tokens: Tensor, queries: Tensor) -> Tensor:
        chosen = self.chosen(queries, self.method.majority == "always")
        return self.encoder.outputs(tokens, prefixes=self.prefixes(chosen))[:, 0]

    @property
    def chunk(self) -> int:
        return self.method.batch if self.method.majority == "always" else AT_ONCE


@dataclass(frozen=True)
class DualPrompt(Prompting):
    """general_layers: blocks, from the first, with the shared prefix; expert_layers: as many after them
    with the task's. length, general_length: tokens of a prefix. pool: number of tasks with a prefix of
    their own. pull, majority: as in L2P.
    """

    makes: ClassVar[type[PromptLearner]] = DualPromptLearner

    epochs: int = 5
    batch: int = 24
    lr: float = 0.001
    pool: int = 10
    length: int = 5
    expert_layers: int = 3
    general_length: int = 5
    general_layers: int = 2
    pull: float = 0.1
    majority: Literal["train", "always"] = "train"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "pool", "length", "general_length", "expert_layers")
        at_least(self, 0, "pull", "general_layers")
