"""The components of COGS as `Substitutions`: words and spans, exchanged only where the label stays right.

A learned policy looks for what the parser finds hard. If it could put a verb into the place of one with other
roles, the hardest substitutions would be those with a wrong label; so a kind says what `role_safe` asks for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet

from methods.compositional.cogs_components import (
    Gap,
    Interface,
    cut_at,
    frame_at,
    gaps,
    interface,
    primitives,
    substitute,
    words_at,
)
from methods.compositional.cogs_draws import Entry, Pool
from methods.compositional.cogs_sentences import sentences
from methods.compositional.substitutions import Piece, Slot, Substitutions
from tasks.compositional.contract import Example

GRAINS = ("word", "span")


class CogsSubstitutions(Substitutions):
    """The words and spans of COGS lines in either notation ("cogs", "cogs-ql").

    A slot's kind is its `Interface`; the kind of a piece is one too, `names` telling whether it ends in a
    name. A word admits words and spans with its class at both ends, a span admits spans. Trees are left out:
    there are as many as sentences.

    limit: at most so many pieces, thinned evenly over their kinds, with at least one form of each word for
    as long as they last. The training lines of one word all stay, whatever the limit: some words are seen
    nowhere else. A slot whose own component was thinned away has the piece -1.
    """

    def __init__(self, train: Sequence[Example], language: str, limit: int | None = None) -> None:
        self.train, self.language = train, language
        self._sentences = sentences(train, language)
        pool = Pool(train, self._sentences)
        alone = {
            pool.index[signature, new.words, new.frame]
            for line, example in enumerate(train)
            if line not in self._sentences
            for signature, new in primitives(example)
        }
        kept = _thinned(pool.entries, alone, limit)
        self._entries = [pool.entries[k] for k in kept]
        self._number = {
            (e.signature, e.component.words, e.component.frame): i for i, e in enumerate(self._entries)
        }
        self._admitted: dict[Interface, tuple[int, ...]] = {}
        self.pieces = tuple(Piece(" ".join(e.component.words), _kind(e), e.donor) for e in self._entries)

    def slots(self, line: int) -> tuple[Slot, ...]:
        """The words and spans of a line from left to right; none of a word that stands alone."""
        if line not in self._sentences:
            return ()
        return tuple(self._slot(line, gap) for gap in self._gaps(line))

    def admitted(self, kind: Hashable) -> tuple[int, ...]:
        """The pieces that keep the label right; none for what is no kind of a slot."""
        if not isinstance(kind, Interface):
            return ()
        if kind not in self._admitted:
            wanted = [kind.signature]
            if kind.signature.grain == "word":
                wanted.append(kind.signature._replace(grain="span"))
            self._admitted[kind] = tuple(
                number
                for number, entry in enumerate(self._entries)
                if entry.signature in wanted and kind.admits(entry.component)
            )
        return self._admitted[kind]

    def make(self, line: int, slot: Slot, piece: int) -> Example:
        """The line with the piece in the slot's place, written in the notation of the problem."""
        host = self._sentences[line]
        found = (cut_at(host, gap) for gap in self._gaps(line))
        cut = next(c for c in found if (c.start, c.end) == (slot.start, slot.end))
        return substitute(host, cut, self._entries[piece].component).example(self.language)

    def _gaps(self, line: int) -> list[Gap]:
        return [gap for gap in gaps(self._sentences[line].shape) if gap.signature.grain in GRAINS]

    def _slot(self, line: int, gap: Gap) -> Slot:
        host = self._sentences[line]
        cut = cut_at(host, gap)
        number = self._number.get((gap.signature, words_at(host, gap), frame_at(host, gap)), -1)
        return Slot(
            " ".join(host.words[cut.start : cut.end]), interface(host, cut), number, cut.start, cut.end
        )


def _kind(entry: Entry) -> Interface:
    new = entry.component
    return Interface(entry.signature, new.frame, new.nodes[new.exit].kind == "name")


def _thinned(entries: Sequence[Entry], alone: AbstractSet[int], limit: int | None) -> list[int]:
    """The numbers of the words and spans that stay, ascending.

    Each kind gives one in turn: first the words in `alone`, then one for each word that is still missing,
    then the rest, each group in order of appearance.
    """
    kinds: dict[Interface, list[int]] = defaultdict(list)
    for number, entry in enumerate(entries):
        if entry.signature.grain in GRAINS:
            kinds[_kind(entry)].append(number)
    ranked: list[tuple[int, int]] = []
    for members in kinds.values():
        first = {entries[k].component.nodes[0].word: k for k in reversed(members)}
        others = [k for k in members if k not in alone]
        others.sort(key=lambda k: first[entries[k].component.nodes[0].word] != k)
        ranked += [(-1, k) for k in members if k in alone]
        ranked += list(enumerate(others))
    size = len(ranked) if limit is None else max(limit, len(alone))
    return sorted(k for _, k in sorted(ranked)[:size])
