"""HiDe-Prompt: which task a picture is of, which class within the task, and which class of all, learned
apart.

1. Task inference: on features without a prompt, a map x + MLP(x) with a norm and a head; trained on the
   task's classes, then aligned on features drawn from a Gaussian for every class so far. The task of the
   class that it answers chooses the prefix at test.
2. Within the task: a prefix of its own in the first blocks,
   L = CE over the classes of the task + contrast CE(M M^T / 0.8, identity),
   M the stored means of older classes and the batch's features. It begins where the task before ended, and
   (1 - momentum) p_t + momentum mean(p_1 .. p_t-1) takes its place in training and afterwards.
3. Over all classes: the head is aligned on features drawn from the Gaussians of prompted features.

Source: Wang et al. (2023), "Hierarchical Decomposition of Prompt-Based Continual Learning", section 4,
algorithm 1, and the released code (engines/hide_tii_engine.py, hide_promtp_wtp_and_tap_engine.py; settings
of training_scripts/train_cifar100_vit.sh for one device, which has batches of 24 on each of 8). Rates there
are multiplied by batch / 256, but that of the head's alignment. The code's configuration clusters a class
into 10 centroids; here a class has one Gaussian, as in the paper. Its reshaping of prefixes is left out,
see dualprompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.cldyb.gradient import Batch, Lesson, at_least, batches
from methods.cldyb.prompt_training import AT_ONCE, Prompting, PromptLearner, positive, uniform
from tasks.cldyb.contract import Backbone

if TYPE_CHECKING:
    from torch import Tensor

    from methods.cldyb.network import Network
    from methods.cldyb.prompt_network import Adam
    from methods.cldyb.prompted import Prefixes
    from suite.models.training import Streams

INFERENCE = "inference"
TEMPERATURE = 0.8


def contrast(means: Tensor, features: Tensor) -> Tensor:
    """CE of M M^T / 0.8 against the identity, M the means (c, d) above the features (n, d): a scalar."""
    import torch
    from torch.nn import functional as F

    both = torch.cat([means, features])
    return F.cross_entropy(both @ both.T / TEMPERATURE, torch.arange(len(both), device=both.device))


class HiDePromptLearner(PromptLearner):
    """networks: the prompts' and, on queries, "inference". prompts: prefix (layers, 2, tasks, length, width).

    memory: task (C,) of every column; mean.KIND (C, width) and spread.KIND (C, width, width) or (C, width) of
    "plain" and "prompted" features.
    """

    descent: Adam

    def __init__(self, method: HiDePrompt, backbone: Backbone, seed: int) -> None:
        from methods.cldyb.network import Network
        from methods.cldyb.prompt_network import Residual
        from suite.models.training import Streams

        super().__init__(method, backbone, seed)
        self.networks[INFERENCE] = Network(Residual(backbone.width, Streams(seed)), backbone.width)

    def check(self) -> None:
        self.encoder.needs(self.method.layers, "layers")

    def initial(self, streams: Streams) -> dict[str, Tensor]:
        import torch

        return {"prefix": torch.zeros(self.method.layers, 2, 0, self.method.length, self.encoder.width)}

    def start(self, lesson: Lesson) -> None:
        """Learns to infer tasks, and adds the prefix of this one."""
        import torch

        super().start(lesson)
        self._learn_inference(lesson)
        old = self.prompts["prefix"].detach()
        new = old[:, :, -1:]
        if not old.shape[2]:
            new = uniform(lesson.streams, "prefix", *old.shape[:2], 1, *old.shape[3:])
        self.network.put("prefix", torch.cat([old, new], dim=2))

    def _learn_inference(self, lesson: Lesson) -> None:
        from methods.cldyb.prompt_gaussians import align
        from methods.cldyb.prompt_network import Adam

        m, network = self.method, self.networks[INFERENCE]
        examples = Batch(self.queries, lesson.examples.y)
        descent = Adam(dict(network.named_parameters()), m.inference_lr, clip=m.clip)
        network.train()
        for number in range(m.inference_epochs):
            order = lesson.streams.numpy("inference", number).permutation(len(examples.y))
            for batch in batches(examples, m.batch, order):
                descent.step(self.cross_entropy(lesson, network(batch.x), batch.y))
        self._keep("plain", self.queries, lesson)
        if lesson.old:
            align(
                network,
                self.memory["mean.plain"],
                self.memory["spread.plain"],
                old=lesson.old,
                each=m.batch,
                epochs=m.align_epochs,
                lr=m.align_lr * m.batch / 256,
                streams=lesson.streams,
                purpose="align plain",
            )

    def _keep(self, kind: str, features: Tensor, lesson: Lesson) -> None:
        """Stores the Gaussian of every class of the task; features (n, width) in the order of its
        examples.
        """
        import torch

        from methods.cldyb.prompt_gaussians import gaussian

        y = lesson.examples.y
        found = [
            gaussian(features[y == column], self.method.spread)
            for column in range(lesson.old, int(y.max()) + 1)
        ]
        for name, new in zip(("mean", "spread"), map(torch.stack, zip(*found, strict=True)), strict=True):
            old = self.memory.get(f"{name}.{kind}")
            self.memory[f"{name}.{kind}"] = new if old is None else torch.cat([old, new])

    def optimizer(self, network: Network) -> Adam:
        from methods.cldyb.prompt_network import Adam

        named = dict(network.named_parameters())
        factors = {name: self.method.head_factor for name in named if name.startswith("head.")}
        self.descent = Adam(named, self.method.lr, factors=factors, clip=self.method.clip)
        return self.descent

    def epoch(self, lesson: Lesson, number: int) -> None:
        self.descent.lr = self.method.lr * 0.1 ** (number // self.method.decay_epochs)

    def own(self) -> Tensor:
        """(layers, 2, length, width) the last task's prefix with its momentum."""
        prefix = self.prompts["prefix"]
        if prefix.shape[2] == 1:
            return prefix[:, :, 0]
        past = prefix[:, :, :-1].detach().mean(2)
        return (1 - self.method.momentum) * prefix[:, :, -1] + self.method.momentum * past

    def prompted(self, tokens: Tensor, prefix: Tensor) -> Tensor:
        """(n, width) class tokens; prefix (layers, 2, n or 1, length, width)."""
        n = len(tokens)
        found: Prefixes = {
            number: (keys.expand(n, -1, -1), values.expand(n, -1, -1))
            for number, (keys, values) in enumerate(prefix)
        }
        return self.encoder.outputs(tokens, prefixes=found)[:, 0]

    def studied(self, lesson: Lesson, tokens: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        features = self.prompted(tokens, self.own()[:, :, None])
        means = self.memory.get("mean.prompted", features[:0].detach())
        return features, self.method.contrast * contrast(means, features)

    def finish(self, lesson: Lesson) -> None:
        """The prefix takes on its momentum; Gaussians of what it makes of the task; the head is aligned."""
        import torch

        super().finish(lesson)
        del self.descent
        with torch.no_grad():
            self.prompts["prefix"][:, :, -1] = self.own()
            own = self.prompts["prefix"][:, :, -1:]
            rows = lesson.examples.x.split(AT_ONCE)
            features = torch.cat([self.prompted(self.embedded(r), own) for r in rows])
        self._keep("prompted", features, lesson)
        tasks = self.prompts["prefix"].shape[2]
        added = int(lesson.examples.y.max()) + 1 - lesson.old
        task = torch.full((added,), tasks - 1)
        self.memory["task"] = torch.cat([self.memory["task"], task]) if lesson.old else task
        if lesson.old:
            self._align_head(lesson)

    def _align_head(self, lesson: Lesson) -> None:
        from methods.cldyb.network import Network
        from methods.cldyb.prompt_gaussians import align

        m = self.method
        alone = Network(None, self.encoder.width)
        alone.head = self.network.head
        align(
            alone,
            self.memory["mean.prompted"],
            self.memory["spread.prompted"],
            old=lesson.old,
            each=5 * m.batch,
            epochs=m.align_epochs,
            lr=m.align_lr,
            streams=lesson.streams,
            purpose="align prompted",
        )

    def read(self, tokens: Tensor, queries: Tensor) -> Tensor:
        if not self.prompts["prefix"].shape[2]:
            return queries
        task = self.memory["task"][self.networks[INFERENCE].scores(queries).argmax(1)]
        return self.prompted(tokens, self.prompts["prefix"][:, :, task])


@dataclass(frozen=True)
class HiDePrompt(Prompting):
    """length: tokens of a prefix. layers: with prefixes, from the first. lr: of the prefix, tenfold lower
    every `decay_epochs`; head_factor: what multiplies it for the head. inference_epochs, inference_lr: of
    task inference. align_epochs, align_lr: of the alignment. spread: what a Gaussian has of its covariance.
    clip: norm to which gradients are cut.
    """

    makes: ClassVar[type[PromptLearner]] = HiDePromptLearner

    epochs: int = 50
    batch: int = 24
    lr: float = 0.03 * 24 / 256
    head_factor: float = 0.1
    decay_epochs: int = 30
    clip: float = 1.0
    length: int = 5
    layers: int = 5
    momentum: float = 0.01
    contrast: float = 0.1
    inference_epochs: int = 20
    inference_lr: float = 0.0005 * 24 / 256
    align_epochs: int = 30
    align_lr: float = 0.005
    spread: Literal["covariance", "variance"] = "covariance"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "decay_epochs", "length", "layers")
        at_least(self, 0, "clip", "momentum", "contrast", "inference_epochs", "align_epochs", "head_factor")
        positive(self, "inference_lr", "align_lr")
