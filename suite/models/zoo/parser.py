"""A small encoder-decoder that reads sentences of made-up languages and writes the functional forms they
mean.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from suite.models.quiet import quiet
from suite.models.training import Streams
from suite.models.zoo.fit import as_stored, loop_of, seed_weights
from suite.models.zoo.parser_grammar import DEEPEST, HELD_OUT, LONGER, Phrase, Split, sentences, vocabulary
from suite.models.zoo.recipe import Made, Recipe, Table, Workshop

PAD, EOS, UNKNOWN = "<pad>", "</s>", "<unk>"
VOCABULARY = {word: i for i, word in enumerate((PAD, EOS, UNKNOWN, *vocabulary()))}
IGNORED = -100
KINDS = {"statements": ".", "commands": "!", "questions": "?"}
TESTED: tuple[Split, ...] = ("same kind", "new combinations", "longer")
TEST_SEED = 1
AT_ONCE = 100
LONGEST_FORM = 160


def encode(text: str) -> list[int]:
    """One id a word, and the end."""
    return [*(VOCABULARY[word] for word in text.split()), VOCABULARY[EOS]]


def padded(rows: Sequence[list[int]], fill: int) -> Tensor:
    """(B, T), filled up on the right."""
    out = torch.full((len(rows), max(map(len, rows))), fill)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.tensor(row)
    return out


def tensors(phrases: Sequence[Phrase]) -> dict[str, Tensor]:
    """What the model takes: input_ids and attention_mask (B, T), labels (B, U)."""
    ids = padded([encode(p.words) for p in phrases], VOCABULARY[PAD])
    labels = padded([encode(p.form) for p in phrases], IGNORED)
    return {"input_ids": ids, "attention_mask": (ids != VOCABULARY[PAD]).long(), "labels": labels}


@dataclass(frozen=True)
class ParserRecipe(Recipe):
    """A T5 of `layers` blocks on either side, of width `width`; every step sees `batch` new sentences."""

    width: int = 128
    inner: int = 256
    layers: int = 3
    heads: int = 4
    steps: int = 2000
    batch: int = 64
    lr: float = 2e-3
    warmup: int = 200
    weight_decay: float = 0.01
    tested: int = 1000

    @property
    def data(self) -> tuple[str, ...]:
        return ()

    def make(self, workshop: Workshop) -> Made:
        model, losses = self.fit(workshop)
        tests = {split: to_test(split, self.tested) for split in TESTED}
        before = Scores.of(model, tests, workshop)
        as_stored(model)
        scores = Scores.of(model, tests, workshop)
        rounding = "; ".join(
            f"{split} {before.right(split):.2f} % before and {scores.right(split):.2f} % after"
            for split in TESTED
        )
        facts = {
            "architecture": f"T5ForConditionalGeneration, {model.num_parameters():,} parameters, float16",
            "tokenizer": f"one token a word, {len(VOCABULARY)} tokens; words of other data are added by "
            "`tokenizer.add_tokens([AddedToken(word, single_word=True)])` and "
            "`model.resize_token_embeddings(len(tokenizer))`",
            "data": f"made by the recipe: {self.steps * self.batch:,} sentences such as "
            f"{example()}; content words are invented",
            "contamination": "none: no data from elsewhere, and no sentence of SCAN, COGS or GeoQuery can be "
            "said in these languages",
            "loss": f"{np.mean(losses[:50]):.3f} over the first 50 steps, {np.mean(losses[-50:]):.4f} "
            "over the last",
            "rounding to float16": rounding,
        }
        return Made(lambda folder: save(model, folder), facts, [scores.table(), scores.details()])

    def fit(self, workshop: Workshop) -> tuple[Any, list[float]]:
        """The trained model, not yet rounded, and the loss of each step."""
        seed_weights(self)
        model = self.model()
        loop = loop_of(self, {"model": model}, workshop)
        model.train()

        def loss(step: int) -> Tensor:
            return cross_entropy(model, self.batch_of(step))

        losses = loop.run(loss)
        return model.eval(), losses

    def batch_of(self, step: int) -> list[Phrase]:
        """The sentences of a step."""
        seed = Streams(self.seed).numpy("sentences", step).integers(2**62)
        drawn = sentences(Random(int(seed)), "train")
        return [next(drawn) for _ in range(self.batch)]

    def model(self) -> Any:
        """The untrained model."""
        from transformers import T5Config, T5ForConditionalGeneration

        return T5ForConditionalGeneration(
            T5Config(
                vocab_size=len(VOCABULARY),
                d_model=self.width,
                d_kv=self.width // self.heads,
                d_ff=self.inner,
                num_layers=self.layers,
                num_heads=self.heads,
                dropout_rate=0.0,
                pad_token_id=VOCABULARY[PAD],
                eos_token_id=VOCABULARY[EOS],
                decoder_start_token_id=VOCABULARY[PAD],
            )
        )


def cross_entropy(model: Any, phrases: Sequence[Phrase]) -> Tensor:
    """Mean over the tokens of all forms; short and long forms apart, which halves the padding."""
    ordered = sorted(phrases, key=lambda p: len(p.form.split()))
    total, tokens = torch.zeros(()), 0
    half = -(-len(ordered) // 2)
    for part in filter(None, (ordered[:half], ordered[half:])):
        given = tensors(part)
        n = int((given["labels"] != IGNORED).sum())
        total, tokens = total + n * model(**given, use_cache=False).loss, tokens + n
    return total / tokens


def example() -> str:
    """A short statement with its form, for the card."""
    drawn = sentences(Random(0), "train")
    phrase = next(p for p in drawn if p.depth == 1 and p.words.endswith(KINDS["statements"]))
    return f"`{phrase.words}` with the form `{phrase.form}`"


def to_test(split: Split, n: int) -> list[Phrase]:
    """n different sentences of a split that training never shows."""
    rng = Random(int(Streams(TEST_SEED).numpy(split).integers(2**62)))
    drawn, found = sentences(rng, split), dict[str, Phrase]()
    while len(found) < n:
        phrase = next(drawn)
        found[phrase.words] = phrase
    return list(found.values())


def right(model: Any, phrases: Sequence[Phrase]) -> np.ndarray:
    """Whether greedy decoding gives each form, bool (N,).

    One pass does: it gives the form where each of its tokens, the end too, is the likeliest after those
    before it.
    """
    parts = []
    for start in range(0, len(phrases), AT_ONCE):
        given = tensors(phrases[start : start + AT_ONCE])
        with torch.inference_mode():
            said = model(**given, use_cache=False).logits.argmax(-1)
        parts.append(((said == given["labels"]) | (given["labels"] == IGNORED)).all(1).numpy())
    return np.concatenate(parts)


@dataclass(frozen=True)
class Scores:
    """Test sentences of each split, and whether the model got each of them right."""

    tests: dict[Split, list[Phrase]]
    verdicts: dict[Split, np.ndarray]

    @classmethod
    def of(cls, model: Any, tests: dict[Split, list[Phrase]], workshop: Workshop) -> Scores:
        """Measure a model."""
        verdicts = {}
        for i, (split, phrases) in enumerate(tests.items()):
            workshop.report("testing", i, len(tests))
            verdicts[split] = right(model, phrases)
        return cls(tests, verdicts)

    def right(self, split: Split, which: Callable[[Phrase], bool] = lambda p: True) -> float | None:
        """Per cent right among the sentences of a split that `which` picks; None where it picks none."""
        chosen = np.array([which(p) for p in self.tests[split]], bool)
        return 100 * float(self.verdicts[split][chosen].mean()) if chosen.any() else None

    def table(self) -> Table:
        """Exact match on each split, over all and by kind of sentence."""
        rows: list[tuple[str | float, ...]] = []
        for split, phrases in self.tests.items():
            by_kind = [_cell(self.right(split, _ends_in(mark))) for mark in KINDS.values()]
            words = float(np.mean([len(p.words.split()) for p in phrases]))
            rows.append((split, str(len(phrases)), words, _cell(self.right(split)), *by_kind))
        note = (
            "Per cent exact match of the greedily decoded form; no sentence was trained on. 'words': mean "
            "length. 'new combinations': words in a role in which training never shows them; 'longer': "
            f"{LONGER.start} to {LONGER.stop - 1} phrases nested, where training has at most {DEEPEST}."
        )
        return Table("Exact match", ("split", "number", "words", "all", *KINDS), tuple(rows), note)

    def details(self) -> Table:
        """Exact match by held-out role, and by depth."""
        groups: list[tuple[str, Split, Callable[[Phrase], bool]]] = [
            *((f"new: {role}", TESTED[1], _shows(role)) for role in HELD_OUT),
            *((f"{depth} nested", TESTED[2], _nests(depth)) for depth in LONGER),
        ]
        rows = tuple(
            (name, str(sum(map(which, self.tests[split]))), _cell(self.right(split, which)))
            for name, split, which in groups
        )
        note = "A sentence with two held-out roles counts in both."
        return Table("By role and depth", ("sentences", "number", "all"), rows, note)


def _ends_in(mark: str) -> Callable[[Phrase], bool]:
    return lambda phrase: phrase.words.endswith(mark)


def _shows(role: str) -> Callable[[Phrase], bool]:
    return lambda phrase: role in phrase.new


def _nests(depth: int) -> Callable[[Phrase], bool]:
    return lambda phrase: phrase.depth == depth


def _cell(value: float | None) -> str | float:
    return "-" if value is None else value


def tokenizer() -> Any:
    """One token a word, the end after the last."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel(VOCABULARY, unk_token=UNKNOWN))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single=f"$A {EOS}", special_tokens=[(EOS, VOCABULARY[EOS])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )


def save(model: Any, folder: Path) -> None:
    """Write the tokenizer, the config and float16 weights."""
    stored = copy.deepcopy(model).half()
    stored.generation_config.max_new_tokens = LONGEST_FORM
    with quiet():
        stored.save_pretrained(folder)
        tokenizer().save_pretrained(folder)


PARSER_BASE = ParserRecipe(
    "parser-base",
    "A small encoder-decoder that turns sentences of three made-up languages into functional forms: made to "
    "be fine-tuned in studies of compositional generalisation.",
)
