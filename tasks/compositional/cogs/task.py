"""The tasks of COGS (Kim & Linzen 2020), in its logical forms and in variable-free forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from suite.api import Context
from tasks.compositional.cogs.grammar import Lexicon, interpret, interpret_word
from tasks.compositional.cogs.lexicon import induce
from tasks.compositional.contract import Example
from tasks.compositional.files import opened, rows
from tasks.compositional.notation.cogs import joined, logical_form, variable_free
from tasks.compositional.scan.splits import shuffled
from tasks.compositional.task import CompositionalTask, Parts, at_least_one

STRUCTURAL = ("cp_recursion", "obj_pp_to_subj_pp", "pp_recursion")
"""The categories in which the structure is new; in the other eighteen a word in a known structure is."""
MIXED = "in_distribution"
"""The category of training lines that are neither primitives nor exposure examples."""
CLAUSES, MODIFIERS = re.compile(r"\bthat\b"), re.compile(r"\b(?:in|on|beside)\b")


class Row(NamedTuple):
    """A sentence, its form as published, and its category ("in_distribution" outside of gen)."""

    sentence: str
    form: str
    category: str


class Files(NamedTuple):
    """The published parts, or generated ones of the same kind."""

    train: Sequence[Row]
    dev: Sequence[Row]
    test: Sequence[Row]
    gen: Sequence[Row]


@dataclass(frozen=True)
class CogsTask(CompositionalTask):
    """Exact match on COGS's generalization set, by category.

    form: "logical" (Kim & Linzen 2020) or "variable_free" (Qiu et al. 2022). The variables of logical forms
    are one token ("x_3"), as in the released code of CompSub.
    n_train: training sentences beside the one-word primitives and the exposure examples, which always stay;
    n_dev: of dev and of the published
    test set of the training distribution, each; per_category: rows of each of the 21 categories. They are
    drawn by split_seed; all where None.
    """

    form: Literal["logical", "variable_free"] = "logical"
    split_seed: int = 0
    n_train: int | None = None
    n_dev: int | None = None
    per_category: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(n_train=self.n_train, n_dev=self.n_dev, per_category=self.per_category)

    @property
    def language(self) -> str:
        return "cogs" if self.form == "logical" else "cogs-ql"

    def parts(self, ctx: Context) -> Parts:
        """Train, dev, the published test part and gen, sampled."""
        files = self.files(ctx)
        mixed = [r for r in files.train if r.category == MIXED]
        kept = {
            *_drawn(mixed, self.n_train, self.split_seed),
            *(r for r in files.train if r.category != MIXED),
        }
        gen = [
            row
            for category in sorted({r.category for r in files.gen})
            for row in _drawn(
                [r for r in files.gen if r.category == category], self.per_category, self.split_seed
            )
        ]
        every = (files.train, files.dev, files.test, files.gen)
        return Parts(
            train=_examples([r for r in files.train if r in kept]),
            dev=_examples(_drawn(files.dev, self.n_dev, self.split_seed)),
            test=_examples(gen),
            slices=[slices(row) for row in gen],
            longest=max(len(joined(r.form).split()) for part in every for r in part),
            iid=_examples(_drawn(files.test, self.n_dev, self.split_seed)),
        )

    def interpreter(self, ctx: Context) -> Callable[[str], str]:
        """The grammar with the lexicon of the whole training set, which is read in the logical form."""
        lexicon = induce([(r.sentence, r.form) for r in self.files(ctx, "logical").train])
        free = self.form == "variable_free"

        def meaning(sentence: str) -> str:
            return means(sentence, lexicon, free)

        return meaning

    def files(self, ctx: Context, form: str | None = None) -> Files:
        """The published parts in the task's form, or in the one asked for."""
        prefix = "cogs/variable_free__" if (form or self.form) == "variable_free" else "cogs/"
        names = ("train", "dev", "test", "gen")
        return Files(*([Row(*row) for row in rows(opened(ctx, f"{prefix}{n}.tsv.gz"), 3)] for n in names))


def means(sentence: str, lexicon: Lexicon, free: bool) -> str:
    """The form of a sentence or of a lone word, variables joined; ValueError outside the fragment."""
    words = sentence.split()
    if len(words) == 1:
        return joined(interpret_word(words[0], lexicon))
    tree = interpret(sentence, lexicon)
    return variable_free(tree) if free else joined(logical_form(tree))


def slices(row: Row) -> list[str]:
    """The category, whether it is lexical or structural, and the depth of a recursion."""
    kind = "structural" if row.category in STRUCTURAL else "lexical"
    found = [row.category, kind]
    if row.category == "cp_recursion":
        found.append(f"cp_recursion, depth {len(CLAUSES.findall(row.sentence)):02}")
    if row.category == "pp_recursion":
        found.append(f"pp_recursion, depth {len(MODIFIERS.findall(row.sentence)):02}")
    return found


def _examples(found: Sequence[Row]) -> list[Example]:
    return [Example(row.sentence, joined(row.form)) for row in found]


def _drawn(found: Sequence[Row], n: int | None, seed: int) -> list[Row]:
    """`n` rows in their order; all of them where None or too many."""
    if n is None or n >= len(found):
        return list(found)
    return [found[k] for k in sorted(shuffled(len(found), seed)[:n])]
