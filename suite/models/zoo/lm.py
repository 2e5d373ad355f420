"""A small decoder language model that infers short exact tasks from examples in its context."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from suite.models.quiet import quiet
from suite.models.training import Streams
from suite.models.zoo.fit import as_stored, loop_of, seed_weights
from suite.models.zoo.lm_scores import SHOTS, measure
from suite.models.zoo.lm_tasks import TASKS, TRAINED, Example, trained_with
from suite.models.zoo.lm_text import (
    BOS,
    END,
    EOS,
    IGNORED,
    PAD,
    VOCABULARY,
    Row,
    padded,
    prompt,
    row,
    tokenizer,
)
from suite.models.zoo.recipe import Made, Recipe, Workshop

ROPE_THETA = 1000.0
INITIAL_STD = 0.05


def training_row(rng: Random, length: int) -> Row:
    """As many examples of one random task, in a format that training shows, as fit into `length` tokens."""
    name = rng.choice(TRAINED)
    instructed = rng.random() < 0.5
    if not trained_with(name, instructed):
        instructed = not instructed
    instruction = name if instructed else ""
    used, examples = 1 + (len(instruction) + 2 if instructed else 0), []
    for example in TASKS[name].episode(rng, "train", instructed):
        used += len(example.question) + len(example.answer) + 2
        if used > length:
            break
        examples.append(example)
    return row(examples, instruction)


@dataclass(frozen=True)
class LmRecipe(Recipe):
    """A Llama of `layers` blocks of width `hidden`, on episodes of at most `length` characters."""

    hidden: int = 160
    layers: int = 4
    heads: int = 5
    inner: int = 448
    length: int = 80
    steps: int = 3000
    batch: int = 32
    lr: float = 2e-3
    warmup: int = 200
    weight_decay: float = 0.05
    tested: int = 200

    @property
    def data(self) -> tuple[str, ...]:
        return ()

    def make(self, workshop: Workshop) -> Made:
        model, losses = self.fit(workshop)
        exact = measure(model, self.tested, workshop, SHOTS[-1:])
        as_stored(model)
        stored = measure(model, self.tested, workshop)
        facts = {
            "architecture": f"LlamaForCausalLM, {model.num_parameters():,} parameters, tied, float16",
            "tokenizer": f"one token a character, {len(VOCABULARY)} tokens",
            "prompt": f"`{prompt([Example('abc', 'cba', True)], 'dfe', 'reverse')!r}`, with or without the "
            "instruction; an answer ends with the line",
            "data": f"made by the recipe: {self.steps * self.batch:,} episodes of {len(TRAINED)} tasks; "
            "no data from elsewhere",
            "loss": f"{np.mean(losses[:50]):.3f} over the first 50 steps, {np.mean(losses[-50:]):.3f} "
            "over the last",
            "rounding to float16": f"mean exact match at {SHOTS[-1]} shots {exact.mean(SHOTS[-1]):.2f} % "
            f"before and {stored.mean(SHOTS[-1]):.2f} % after",
        }
        return Made(lambda folder: save(model, folder), facts, stored.tables())

    def fit(self, workshop: Workshop) -> tuple[Any, list[float]]:
        """The trained model, not yet rounded, and the loss of each step."""
        seed_weights(self)
        model = self.model()
        loop = loop_of(self, {"model": model}, workshop)
        model.train()

        def loss(step: int) -> Tensor:
            ids, goal = self.batch_of(step)
            states = model.model(input_ids=ids, use_cache=False).last_hidden_state
            wanted = goal != IGNORED
            return F.cross_entropy(model.lm_head(states[wanted]), goal[wanted])

        losses = loop.run(loss)
        return model.eval(), losses

    def batch_of(self, step: int) -> tuple[Tensor, Tensor]:
        """Ids and goals (B, length) of a step."""
        seed = Streams(self.seed).numpy("episodes", step).integers(2**62)
        rng = Random(int(seed))
        return padded([training_row(rng, self.length) for _ in range(self.batch)])

    def model(self) -> Any:
        """The untrained model."""
        from transformers import LlamaConfig, LlamaForCausalLM

        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(VOCABULARY),
                hidden_size=self.hidden,
                intermediate_size=self.inner,
                num_hidden_layers=self.layers,
                num_attention_heads=self.heads,
                num_key_value_heads=self.heads,
                max_position_embeddings=512,
                tie_word_embeddings=True,
                initializer_range=INITIAL_STD,
                rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
                pad_token_id=VOCABULARY[PAD],
                bos_token_id=VOCABULARY[BOS],
                eos_token_id=VOCABULARY[EOS],
            )
        )


def save(model: Any, folder: Path) -> None:
    """Write the tokenizer, the config and float16 weights; generation stops at the end of a line."""
    stored = copy.deepcopy(model).half()
    stored.generation_config.eos_token_id = [VOCABULARY[EOS], VOCABULARY[END]]
    with quiet():
        stored.save_pretrained(folder)
        tokenizer().save_pretrained(folder)


LM_ICL = LmRecipe(
    "lm-icl",
    "A small decoder language model that does short exact tasks on strings and numbers, told by name or "
    "inferred from examples in its context: made for studies of in-context learning.",
)
