"""PGP: L2P or DualPrompt whose prompts move only in directions that the pictures of older tasks lack.

    g <- g - g B B^T

On L2P, g is the gradient of a prompt's token and B spans embedded pictures and prompts of older tasks; of a
key, and B spans queries. On DualPrompt, g is that of the keys' half of a prefix and B spans what the
attention of that block asks with. Source: Qiao et al. (2024), "Prompt Gradient Projection for Continual
Learning", section 4, and the released code (l2p-pgp/engine.py, memory.py; dualprompt_pgp/engine.py,
memory.py).

rule "released": a picture counts by the sum of its tokens; a PCA leaves some components; prompts'
components are added to pictures'; shares of fourth powers of singular values, and one direction too few in
the first task (see prompt_projection). L2P's directions are taken before a task is learned, DualPrompt's
after it. The code takes as many pictures as the encoder has dimensions, and its first axis, which counts
pictures, then stands for that of dimensions; that cannot be followed for another number of pictures, and
here rows are dimensions.

rule "plain": every token counts, nothing is centred or left out, prompts stand next to pictures, shares are
of squares, and all is taken after a task.

The projection is of the gradient, cut to norm 1 before; Adam's step, which scales every entry by itself, may
leave the allowed directions, there as here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from methods.cldyb.dualprompt import DualPrompt, DualPromptLearner
from methods.cldyb.gradient import Lesson, at_least, part
from methods.cldyb.l2p import L2P, L2PLearner
from methods.cldyb.prompt_training import AT_ONCE, PromptLearner, positive
from suite.errors import UsageError
from tasks.cldyb.contract import Backbone, ContinualLearner, Learner

if TYPE_CHECKING:
    from torch import Tensor

    from methods.cldyb.network import Network
    from methods.cldyb.prompt_network import Adam


class Projected(PromptLearner):
    """Put before a prompt learner. memory: basis.NAME (width, r), by what is projected by it."""

    pgp: PGP
    held: dict[str, Tensor]
    early = False
    """Whether the released code takes the directions before a task is learned."""

    @abstractmethod
    def thresholds(self) -> Mapping[str, float]:
        """Share to be covered, by name of a basis."""

    @abstractmethod
    def columns(self, lesson: Lesson) -> Mapping[str, Tensor]:
        """(width, n) what a task adds to every basis, by name."""

    @abstractmethod
    def project(self, grads: dict[str, Tensor]) -> None:
        """Takes from the gradients, in place, what the bases span."""

    @property
    def bases(self) -> dict[str, Tensor]:
        return part(self.memory, "basis.")

    @property
    def released(self) -> bool:
        return self.pgp.rule == "released"

    def optimizer(self, network: Network) -> Adam:
        from methods.cldyb.prompt_network import Adam

        alter = self.project if self.held else None
        return Adam(dict(network.named_parameters()), self.method.lr, clip=self.pgp.clip, alter=alter)

    def start(self, lesson: Lesson) -> None:
        self.held = self.bases
        super().start(lesson)
        if self.early and self.released:
            self._grow(lesson)

    def finish(self, lesson: Lesson) -> None:
        super().finish(lesson)
        if not (self.early and self.released):
            self._grow(lesson)
        self.held = {}

    def _grow(self, lesson: Lesson) -> None:
        import torch

        from methods.cldyb.prompt_projection import grow

        with torch.no_grad():
            for name, columns in self.columns(lesson).items():
                new = grow(self.bases.get(name), columns, self.thresholds()[name], self.released)
                self.memory[f"basis.{name}"] = new.float()

    def sampled(self, lesson: Lesson) -> Tensor:
        """Numbers of at most `sample` pictures of the task at random."""
        import torch

        order = lesson.streams.numpy("projection").permutation(len(lesson.examples.y))
        return torch.as_tensor(order[: self.pgp.sample])

    def spread(self, tokens: list[Tensor], components: int) -> Tensor:
        """(width, k) directions of tokens (n, T, width), in parts."""
        import torch

        from methods.cldyb.prompt_projection import principal

        if self.released:
            return principal(torch.cat([part.sum(1) for part in tokens]).double().T, components)
        second = torch.stack([f.T @ f for f in (part.flatten(0, 1).double() for part in tokens)]).sum(0)
        # The same singular vectors and values as all tokens side by side, in a square.
        values, vectors = torch.linalg.eigh(second)
        return vectors * values.clamp_min(0).sqrt()


class ProjectedL2P(Projected, L2PLearner):
    """Bases: prompt, key."""

    early = True

    def thresholds(self) -> Mapping[str, float]:
        return {"prompt": self.pgp.threshold, "key": self.pgp.key_threshold}

    def columns(self, lesson: Lesson) -> Mapping[str, Tensor]:
        import torch

        from methods.cldyb.prompt_projection import principal

        rows = self.sampled(lesson)
        pictures = self.spread([self.embedded(r)[:, 1:] for r in rows.split(AT_ONCE)], self.pgp.most)
        prompts = self.prompts["prompt"].detach().flatten(0, 1).double().T
        queries = self.queries[rows].double().T
        if not self.released:
            return {"prompt": torch.cat([pictures, prompts], dim=1), "key": queries}
        if lesson.old:
            ours = principal(prompts, pictures.shape[1])
            pictures = pictures + torch.nn.functional.pad(ours, (0, pictures.shape[1] - ours.shape[1]))
        return {"prompt": pictures, "key": principal(queries, self.pgp.key_components)}

    def project(self, grads: dict[str, Tensor]) -> None:
        from methods.cldyb.prompt_projection import without

        for name in ("prompt", "key"):
            grads[f"prompts.{name}"] = without(grads[f"prompts.{name}"], self.held[name])


class ProjectedDualPrompt(Projected, DualPromptLearner):
    """Bases: block.NUMBER of every block with a prefix."""

    def thresholds(self) -> Mapping[str, float]:
        return dict.fromkeys(self.places(), self.pgp.threshold)

    def places(self) -> dict[str, tuple[str, int]]:
        """Name of a basis to the prompt and its layer."""
        names = [("general", i) for i in range(self.method.general_layers)]
        names += [("expert", i) for i in range(self.method.expert_layers)]
        return {f"block.{number}": place for number, place in enumerate(names)}

    def columns(self, lesson: Lesson) -> Mapping[str, Tensor]:
        found: dict[str, list[Tensor]] = {name: [] for name in self.places()}
        for rows in self.sampled(lesson).split(AT_ONCE):
            prefixes = self.prefixes(self.chosen(self.queries[rows], vote=False))
            asked = self.encoder.tapped(self.embedded(rows), prefixes)
            for number, name in enumerate(found):
                found[name].append(asked[number])
        return {name: self.spread(tokens, self.pgp.most) for name, tokens in found.items()}

    def project(self, grads: dict[str, Tensor]) -> None:
        from methods.cldyb.prompt_projection import without

        for name, (prompt, layer) in self.places().items():
            keys = grads[f"prompts.{prompt}"][layer, 0]
            keys.copy_(without(keys, self.held[name]))


@dataclass(frozen=True)
class PGP(ContinualLearner):
    """on: the learner that is projected, with the settings of PGP's code for it; epochs, batch and lr, where
    given, take their place. components: of the PCA before the directions of prompts, none for 9 on L2P and 50
    on DualPrompt; key_components: of that for keys. sample: pictures of a task that are looked at. clip: norm
    to which gradients are cut. threshold, key_threshold: share of the energy that the bases cover.
    """

    reads = "images"

    on: Literal["l2p", "dualprompt"] = "l2p"
    rule: Literal["released", "plain"] = "released"
    epochs: int | None = None
    batch: int | None = None
    lr: float | None = None
    threshold: float = 0.5
    key_threshold: float = 0.97
    components: int | None = None
    key_components: int = 5
    sample: int = 768
    clip: float = 1.0

    def __post_init__(self) -> None:
        self.projected()
        at_least(self, 1, "key_components", "sample")
        positive(self, "threshold", "key_threshold")
        at_least(self, 0, "clip")
        if self.components is not None:
            at_least(self, 1, "components")
        if max(self.threshold, self.key_threshold) > 1:
            raise UsageError("threshold and key_threshold are shares: at most 1")

    @property
    def most(self) -> int:
        """Components of the PCA before the directions of prompts."""
        return self.components or {"l2p": 9, "dualprompt": 50}[self.on]

    def projected(self) -> L2P | DualPrompt:
        """The settings of the learner that is projected."""
        names = ("epochs", "batch", "lr")
        given: dict[str, Any] = {n: v for n in names if (v := getattr(self, n)) is not None}
        if self.on == "l2p":
            return L2P(**({"epochs": 5, "batch": 16, "lr": 0.03 * 16 / 256} | given))
        return DualPrompt(**({"epochs": 20, "batch": 24, "lr": 0.03 * 24 / 256, "pull": 1.0} | given))

    def begin(self, backbone: Backbone, seed: int) -> Learner:
        made = ProjectedL2P if self.on == "l2p" else ProjectedDualPrompt
        learner = made(self.projected(), backbone, seed)
        learner.pgp = self
        return learner
