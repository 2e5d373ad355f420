"""LexLearn: a parser whose copy mechanism translates through a learned lexicon (Akyürek and Andreas 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.compositional.neural import Neural
from tasks.compositional.contract import Problem

if TYPE_CHECKING:
    from methods.compositional.vocabulary import Vocabulary


@dataclass(frozen=True)
class LexLearn(Neural):
    """p(w) = p_write(w) + p_write(copy) sum_j alpha_j softmax(P)[x_j, w], eq. 3 of the paper.

    P starts from the SimpleAlign lexicon of the training set, log(softmax(counts) + 1e-7), and is
    trained with the parser. The defaults are the released settings for SCAN but for the parser's size.
    """

    learns_table = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.parser != "lstm":
            raise ValueError("parser must be lstm: the lexicon is read through the LSTM's attention")

    def table(self, problem: Problem, vocabularies: tuple[Vocabulary, Vocabulary]) -> Any:
        """The induced lexicon as initial logits (source words, target words)."""
        from methods.compositional.lexicon import simple_align
        from methods.compositional.tables import lexicon_table

        return lexicon_table(simple_align(problem.train), vocabularies)
