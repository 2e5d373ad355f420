"""L2P: a pool of prompts with keys; those nearest to a picture's query are put before its tokens.

    chosen = the `top` keys of largest cosine to the class token of the encoder without a prompt
    features = mean of the outputs of the chosen prompts' tokens
    L = CE over the classes of the task - pull sum over chosen keys of cos(query, key)

Source: Wang et al. (2022), "Learning to Prompt for Continual Learning", equations 3 to 5, and LAMDA-PILOT
(models/l2p.py, backbone/vit_l2p.py, settings of exps/l2p.json), after the PyTorch port of JH-LEE-KR. As
there, all pictures of a training batch get the prompts that most of them chose. There a test batch votes as
well; as the pictures of a test batch may all be of one task, their vote would tell it, and here each test
picture chooses for itself unless `majority` is "always".
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
from suite.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from suite.models.training import Streams


class L2PLearner(PromptLearner):
    """prompts: prompt (pool, length, width), key (pool, width)."""

    def initial(self, streams: Streams) -> dict[str, Tensor]:
        m, width = self.method, self.encoder.width
        prompt = uniform(streams, "prompt", m.pool, m.length, width)
        return {"prompt": prompt, "key": uniform(streams, "key", m.pool, width)}

    def chosen(self, queries: Tensor, vote: bool) -> Tensor:
        """(n, top) numbers of prompts."""
        found = nearest(self.prompts["key"], queries, self.method.top)
        return majority(found, self.method.pool) if vote else found

    def prompted(self, tokens: Tensor, chosen: Tensor) -> Tensor:
        """(n, width) mean output of the prompts' tokens."""
        prompts = self.prompts["prompt"][chosen].flatten(1, 2)
        return self.encoder.outputs(tokens, prompts)[:, 1 : 1 + prompts.shape[1]].mean(1)

    def studied(self, lesson: Lesson, tokens: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        chosen = self.chosen(queries, vote=True)
        pull = similarity(self.prompts["key"], queries, chosen)
        return self.prompted(tokens, chosen), -self.method.pull * pull

    def read(self, tokens: Tensor, queries: Tensor) -> Tensor:
        return self.prompted(tokens, self.chosen(queries, self.method.majority == "always"))

    @property
    def chunk(self) -> int:
        return self.method.batch if self.method.majority == "always" else AT_ONCE


@dataclass(frozen=True)
class L2P(Prompting):
    """pool: number of prompts. length: tokens of a prompt. top: prompts for a picture. pull: weight of the
    keys' similarity. majority: of which batches the pictures vote on their prompts; "always" in test
    batches of `batch` pictures as well.
    """

    makes: ClassVar[type[PromptLearner]] = L2PLearner

    pool: int = 10
    length: int = 5
    top: int = 5
    pull: float = 0.1
    majority: Literal["train", "always"] = "train"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "pool", "length", "top")
        at_least(self, 0, "pull")
        if self.top > self.pool:
            raise UsageError(f"top must be at most pool = {self.pool}, not {self.top}")
