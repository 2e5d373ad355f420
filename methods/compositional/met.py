"""MET: mutually exclusive training against mutated inputs (Jiang, Zhou and Bansal 2022)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from methods.compositional.lexicon import simple_align
from methods.compositional.neural import Neural
from suite.api import Context
from tasks.compositional.contract import Example, Problem

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.compositional.training import Batch, Loss
    from methods.compositional.vocabulary import Vocabulary

Classes = Sequence[Collection[str]]
CLASSES: dict[str, Classes] = {"scan": (("walk", "look", "run", "jump"), ("left", "right"))}
TINY = 1e-7
FORMS = 5
"""A verb has up to so many forms in the induced lexicon: "eat", "ate", "eaten", capitals."""
VERB = re.compile(
    r"(\S+) (?:\. (?:agent|theme|recipient|ccomp|xcomp) \(|\( (?:agent|theme|recipient|ccomp|xcomp) =)"
)
"""A verb with a role, as logical forms and variable-free forms write it."""
PREPOSITION = re.compile(r"nmod \. (\S+)")
ENTITY = re.compile(r"(\w+id) \( ([^(), ]+)(?: |, \S+ )\)")
"""A name of one word with its type: "cityid ( austin, tx )"."""


@dataclass(frozen=True)
class Met(Neural):
    """L = NLL(x, y) + strength * mean_b[-log(1 - p(y | x'))], where x' is x with one token exchanged.

    The token is exchanged for another of its class (SCAN: verbs, directions; COGS: parts of speech;
    GeoQuery: names by the type of what they name), or for any other token where its class has no second
    member. `probability` is of the whole target ("sequence"), or the mean or the minimum over its tokens.

    Every step reads a batch twice, once mutated: `examples_seen` counts it once, as the mutated inputs are no
    training examples.

    The classes of COGS are read off the training pairs, see `parts_of_speech`; the release tags all
    sentences, those of the test sets too. GeoQuery is not in the paper.
    """

    strength: float = 1.0
    probability: Literal["sequence", "mean", "min"] = "sequence"

    def loss(self, problem: Problem, vocabularies: tuple[Vocabulary, Vocabulary], ctx: Context) -> Loss:
        """Cross-entropy plus the exclusion of mutated inputs."""
        import torch

        from methods.compositional.training import batch_nll

        others = alternatives(vocabularies[0], word_classes(problem))
        seed = ctx.seed_for("mutations")

        def exclusive(model: nn.Module, batch: Batch, step: int) -> Tensor:
            rng = np.random.default_rng([seed, step])
            mutated = torch.from_numpy(mutate(batch.source.cpu().numpy(), others, rng)).to(
                batch.source.device
            )
            fit = batch_nll(model(batch.source, batch.target), batch.target)
            return fit + self.strength * exclusion(
                model(mutated, batch.target), batch.target, self.probability
            )

        return exclusive


def word_classes(problem: Problem) -> Classes:
    """The classes of input words in which tokens are exchanged; none for an unknown language."""
    if problem.language in ("cogs", "cogs-ql"):
        return _majority(parts_of_speech(problem.train))
    if problem.language == "geoquery":
        return _majority(named(problem.train))
    return CLASSES.get(problem.language, ())


def parts_of_speech(train: Sequence[Example]) -> Iterator[tuple[str, str]]:
    """Every use of a word in COGS inputs with its part of speech, where the output tells.

    What modifies a noun ("nmod . in") is a preposition. A word that is in the output and no verb there is a
    name with a capital, else a noun, and what stands before a noun is a determiner (capital or not). A
    word that the induced lexicon maps to a verb of some output is a participle after "was", a bare verb
    after "to" or alone, and otherwise a finite verb.
    """
    verbs = {verb for _, y in train for verb in VERB.findall(y)}
    prepositions = {word for _, y in train for word in PREPOSITION.findall(y)}
    forms = {word for word, entry in simple_align(train, FORMS).items() if not verbs.isdisjoint(entry)}
    for x, y in train:
        words, output = x.split(), set(y.split())
        for before, word in zip(["", *words], words, strict=False):
            if word in prepositions:
                yield word, "preposition"
            elif word.isalpha() and word in output and word not in verbs:
                yield word, "name" if word[0].isupper() else "noun"
                if word[0].islower() and before:
                    yield before, "Determiner" if before[0].isupper() else "determiner"
            elif word in forms:
                yield word, {"was": "participle", "to": "bare", "": "bare"}.get(before, "finite")


def named(train: Sequence[Example]) -> Iterator[tuple[str, str]]:
    """Every name of one word in GeoQuery inputs with the type that the output gives it ("stateid")."""
    for x, y in train:
        words = set(x.split())
        for kind, name in ENTITY.findall(y):
            if name in words:
                yield name, kind


def _majority(uses: Iterator[tuple[str, str]]) -> Classes:
    """Each word in the class it is most often of, the first by name of equals; words in order."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for word, kind in uses:
        counts[word][kind] += 1
    classes: dict[str, list[str]] = defaultdict(list)
    for word, kinds in sorted(counts.items()):
        classes[min(kinds, key=lambda kind: (-kinds[kind], kind))].append(word)
    return [classes[kind] for kind in sorted(classes)]


def alternatives(vocabulary: Vocabulary, classes: Classes) -> list[np.ndarray]:
    """For every token id the ids it may be exchanged for.

    Indexed tokens ("jump3", from Prim2PrimX) belong to the class of their stem.
    """
    from methods.compositional.vocabulary import SPECIAL

    words = range(len(SPECIAL), len(vocabulary))
    stems = [re.sub(r"\d+$", "", token) for token in vocabulary.tokens]
    kind = [next((k for k, c in enumerate(classes) if stem in c), None) for stem in stems]
    out: list[np.ndarray] = []
    for i in range(len(vocabulary)):
        same = [j for j in words if j != i and kind[j] is not None and kind[j] == kind[i]]
        out.append(np.array(same or [j for j in words if j != i], dtype=np.int64))
    return out


def mutate(source: np.ndarray, others: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """`source` (B, S; ids, EOS, padding) with one word of each row exchanged; empty rows stay."""
    from methods.compositional.vocabulary import EOS

    out = source.copy()
    for row in out:
        length = int(np.argmax(row == EOS))
        if length:
            place = rng.integers(length)
            choices = others[row[place]]
            if len(choices):
                row[place] = choices[rng.integers(len(choices))]
    return out


def exclusion(log_p: Tensor, target: Tensor, probability: str) -> Tensor:
    """mean_b[-log(1 - p_b)] of log-probabilities (B, T, V); 1 - p is kept above 1e-7."""
    from methods.compositional.vocabulary import PAD

    mask = target != PAD
    picked = log_p.gather(2, target[..., None])[..., 0]
    if probability == "sequence":
        p = (picked * mask).sum(1).exp()
    elif probability == "mean":
        p = (picked.exp() * mask).sum(1) / mask.sum(1)
    else:
        p = picked.exp().masked_fill(~mask, 2.0).min(1).values
    return -(1 - p).clamp(min=TINY).log().mean()
