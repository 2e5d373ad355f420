"""A neural parser as a competitor, and the base of every method that changes what it is trained on.

An augmenter overrides `augment`; a regulariser overrides `loss`; both keep the parser, the loop and the
budget, so that two rows of the leaderboard differ in the method alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from suite.api import Context
from tasks.compositional.contract import Augmented, Example, Fitted, Learner, Problem

if TYPE_CHECKING:
    from methods.compositional.training import Batch, Loss, Recipe
    from methods.compositional.vocabulary import Vocabulary


@dataclass(frozen=True)
class Session:
    """What one training works on."""

    problem: Problem
    train: Sequence[Example]
    augmented: Sequence[Augmented]
    vocabularies: tuple[Vocabulary, Vocabulary]
    ctx: Context

    @property
    def examples(self) -> list[Example]:
        return [*self.train, *(a.example for a in self.augmented)]


@dataclass(frozen=True)
class Neural(Learner):
    """A sequence-to-sequence parser trained on the training lines and `augment`'s examples.

    parser: "lstm" (bidirectional, attention) or "transformer" (pre-norm, encoder-decoder).
    copy: the LSTM may copy a source token that is also a target token (no effect on disjoint vocabularies).
    batch, steps, lr, clip: Adam, warm-up over a tenth of the steps then half a cosine, gradient norm clip.
    aug_ratio: probability that a place in a batch holds an augmented example.
    dedup: count every distinct training line once (SCAN repeats a bare primitive 1,467 times).
    dtype: of matrix products; losses and the optimiser are float32.
    """

    parser: Literal["lstm", "transformer"] = "lstm"
    layers: int = 1
    embed: int = 64
    hidden: int = 512
    heads: int = 4
    dropout: float = 0.5
    copy: bool = True
    batch: int = 128
    steps: int = 4800
    lr: float = 1e-3
    clip: float = 1.0
    aug_ratio: float = 0.5
    dedup: bool = False
    dtype: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        for name in ("layers", "embed", "hidden", "heads", "batch", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("dropout", "aug_ratio"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}")
        if self.lr <= 0 or self.clip <= 0:
            raise ValueError("lr and clip must be positive")
        if self.parser == "transformer" and self.hidden % (2 * self.heads):
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of twice heads ({self.heads})")

    def augment(self, problem: Problem, ctx: Context) -> list[Augmented]:
        """Examples to train on beside the training lines; none for a plain parser."""
        return []

    def loss(self, problem: Problem, vocabularies: tuple[Vocabulary, Vocabulary], ctx: Context) -> Loss:
        """What training minimises; cross-entropy for a plain parser."""
        from methods.compositional.training import plain_loss

        return plain_loss

    def table(self, problem: Problem, vocabularies: tuple[Vocabulary, Vocabulary]) -> Any:
        """Initial logits of the LSTM's translation table, or None; identity on shared tokens for `copy`."""
        from methods.compositional.tables import copy_table

        return copy_table(vocabularies) if self.copy and self.parser == "lstm" else None

    learns_table = False

    def fit(self, problem: Problem, ctx: Context) -> FittedNeural:
        """Augment, train for the task's share of the steps, and keep what the task reports about it."""
        import torch

        if problem.budget != 1:
            fewer = replace(self, steps=max(1, round(self.steps * problem.budget)))
            return fewer.fit(replace(problem, budget=1.0), ctx)
        torch.manual_seed(ctx.seed_for("weights"))
        augmented = self.augment(problem, ctx)
        train = [Example(*e) for e in (dict.fromkeys(problem.train) if self.dedup else problem.train)]
        vocabularies = _vocabularies(train, augmented)
        model = self.network(vocabularies, self.table(problem, vocabularies)).to(ctx.device)
        session = Session(problem, train, augmented, vocabularies, ctx)
        augmented = [*augmented, *self.optimise(model, session)]
        facts = {
            "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "steps": self.steps,
            "examples_seen": self.steps * self.batch,
        }
        return FittedNeural(self, model, vocabularies, problem.max_output, augmented=augmented, facts=facts)

    def optimise(self, model: Any, session: Session) -> list[Augmented]:
        """Train `model` in place; returns the examples that training itself made (none here)."""
        from methods.compositional import training

        loss = self.loss(session.problem, session.vocabularies, session.ctx)
        training.train(model, self.batches(session), self.recipe, session.ctx, loss)
        return []

    def batches(self, session: Session) -> Callable[[int], Batch]:
        """A function from step to batch, over the training lines and the augmented examples."""
        import numpy as np

        from methods.compositional import training

        rows = training.encode_pairs(session.examples, session.vocabularies)
        lengths = np.array([len(y) for _, y in rows])
        sizes = (len(session.train), len(session.augmented))
        plan = training.schedule(sizes, self.recipe, lengths, session.ctx.rng("batches"))

        def batch(step: int) -> Batch:
            return training.collate([rows[i] for i in plan[step]], session.ctx.device)

        return batch

    @property
    def recipe(self) -> Recipe:
        from methods.compositional.training import Recipe

        return Recipe(self.steps, self.batch, self.lr, self.clip, self.aug_ratio, self.dtype)

    def network(self, vocabularies: tuple[Vocabulary, Vocabulary], table: Any = None) -> Any:
        """An untrained parser for these vocabularies."""
        sizes = (len(vocabularies[0]), len(vocabularies[1]))
        if self.parser == "transformer":
            from methods.compositional.transformer import TransformerParser

            return TransformerParser(
                sizes, hidden=self.hidden, layers=self.layers, heads=self.heads, dropout=self.dropout
            )
        from methods.compositional.lstm import LSTMParser

        shape = {"embed": self.embed, "hidden": self.hidden, "layers": self.layers, "dropout": self.dropout}
        return LSTMParser(sizes, **shape, table=table, learn_table=self.learns_table)

    def load(self, folder: Path) -> FittedNeural:
        """A fitted parser from `FittedNeural.save`'s files."""
        import torch
        from safetensors.torch import load_file

        from methods.compositional.vocabulary import Vocabulary

        facts = json.loads((folder / "parser.json").read_text())
        vocabularies = (Vocabulary(tuple(facts["source"])), Vocabulary(tuple(facts["target"])))
        state = load_file(folder / "parser.safetensors")
        table = torch.zeros(state["table"].shape) if "table" in state else None
        model = self.network(vocabularies, table)
        model.load_state_dict(state)
        return FittedNeural(self, model.eval(), vocabularies, facts["max_output"])


def _vocabularies(train: Sequence[Example], augmented: Sequence[Augmented]) -> tuple[Vocabulary, Vocabulary]:
    """Vocabularies of everything that is trained on."""
    from methods.compositional.vocabulary import Vocabulary

    source = Vocabulary.of([*(e.x for e in train), *(a.x for a in augmented)])
    return source, Vocabulary.of([*(e.y for e in train), *(a.y for a in augmented)])


class FittedNeural(Fitted):
    """A trained parser; predicts by batched greedy decoding."""

    def __init__(
        self,
        method: Neural,
        model: Any,
        vocabularies: tuple[Vocabulary, Vocabulary],
        max_output: int,
        **kept: Any,
    ) -> None:
        super().__init__(**kept)
        self.method, self.model, self.vocabularies, self.max_output = method, model, vocabularies, max_output

    def predict(self, inputs: Sequence[str]) -> list[str]:
        """Greedy outputs, capped at the problem's `max_output` tokens."""
        from methods.compositional.decoding import translate

        return translate(self.model, inputs, self.vocabularies, self.max_output + 1)

    def save(self, folder: Path) -> None:
        """Weights as safetensors, vocabularies as JSON."""
        from safetensors.torch import save_file

        save_file(
            {k: v.contiguous() for k, v in self.model.state_dict().items()}, folder / "parser.safetensors"
        )
        source, target = self.vocabularies
        facts = {"source": source.tokens, "target": target.tokens, "max_output": self.max_output}
        (folder / "parser.json").write_text(json.dumps(facts))
