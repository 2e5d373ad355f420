"""Components of SCAN examples: spans of a command together with the actions that they stand for.

The paper's code for SCAN components was not released; this follows its definitions and reproduces the
published augmentation files. A command splits at "and" / "after" into phrases, and a phrase that ends in
"twice" or "thrice" has a V part. Two components may replace each other iff their signatures are equal:

    Pi(s) = (class of the first word, class of the last word)

which makes exchangeability an equivalence relation. A span is replaced where it stands; a word (of the
lexicon induced from the training lines) is replaced wherever it occurs, with all its aligned actions.

The alignment is by position, not by search: the phrases' actions follow one another ("after" turns their
order around), a phrase's share is as long as its words say, and a V part's actions repeat. Labels are
made of training outputs only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tasks.compositional.contract import Example

Grain = Literal["span", "word"]
Range = tuple[int, int]

CLUSTERS = {"verb": ("walk", "look", "run", "jump"), "direction": ("left", "right")}
"""Words that may replace each other, by their class."""
REPEATS = {"twice": 2, "thrice": 3}
CLASSES = {
    **{word: name for name, cluster in CLUSTERS.items() for word in cluster},
    "turn": "turn",
    **dict.fromkeys(REPEATS, "quantifier"),
}
JOINS = ("and", "after")
ADDED = dict.fromkeys((*CLUSTERS["verb"], *CLUSTERS["direction"], "opposite"), 1)
"""How many actions a word adds to its phrase ("turn" adds none: its direction is the action)."""
TIMES = {"around": 4, **REPEATS}
"""How often a word repeats the actions of its phrase."""


class Signature(NamedTuple):
    """The outer interface Pi of a component; spans and words never replace each other."""

    grain: Grain
    first: str
    last: str


class Component(NamedTuple):
    """A piece `x` of a command, its actions `y`, and the training line it was first seen in."""

    x: str
    y: str
    signature: Signature
    donor: int


class Candidate(NamedTuple):
    """A component of one example that may leave it.

    spans: its places in x, segments: its places in y, as [start, end) in tokens, ascending. A span has
    one place in x, and 1 to 3 in y; a word may have many in both.
    """

    x: str
    spans: tuple[Range, ...]
    segments: tuple[Range, ...]
    signature: Signature

    @property
    def start(self) -> int:
        return self.spans[0][0]

    @property
    def end(self) -> int:
        return self.spans[0][1]


class Frame(NamedTuple):
    """What stays of an example when a candidate leaves: the texts around its places."""

    x: tuple[str, ...]
    y: tuple[str, ...]

    def fill(self, component: Component) -> Example:
        """The example with `component` in every gap."""
        return Example(component.x.join(self.x), component.y.join(self.y))


@dataclass(frozen=True)
class Pool:
    """Everything that may enter: the distinct components of the training lines, in order of appearance.

    lexicon: word to its one action, of the words that exchange as words.
    """

    components: tuple[Component, ...]
    lexicon: Mapping[str, str]
    by_signature: Mapping[Signature, tuple[Component, ...]] = field(init=False)
    index: Mapping[tuple[Signature, str], int] = field(init=False)

    def __post_init__(self) -> None:
        groups: dict[Signature, list[Component]] = {}
        for component in self.components:
            groups.setdefault(component.signature, []).append(component)
        index = {(c.signature, c.x): k for k, c in enumerate(self.components)}
        object.__setattr__(self, "by_signature", {s: tuple(group) for s, group in groups.items()})
        object.__setattr__(self, "index", index)

    def find(self, signature: Signature, x: str) -> Component:
        """The component of that signature and text; KeyError where there is none."""
        return self.components[self.index[signature, x]]


def pool(train: Sequence[Example], lexicon: Mapping[str, str] | None = None) -> Pool:
    """The components of `train`; the lexicon is induced from it unless given."""
    words = induced_lexicon(train) if lexicon is None else lexicon
    found: dict[tuple[Signature, str], Component] = {}
    for (x, y), line in first_lines(train).items():
        actions = y.split()
        for candidate in candidates(x, y, words):
            start, end = candidate.segments[0]
            component = Component(candidate.x, " ".join(actions[start:end]), candidate.signature, line)
            found.setdefault((component.signature, component.x), component)
    return Pool(tuple(found.values()), words)


def first_lines(train: Sequence[Example]) -> dict[Example, int]:
    """The distinct examples with the line of their first appearance."""
    lines: dict[Example, int] = {}
    for line, example in enumerate(train):
        lines.setdefault(example, line)
    return lines


def induced_lexicon(train: Sequence[Example]) -> dict[str, str]:
    """Words of the clusters with the one action that each is aligned to, learned from `train`.

    A word whose alignment is not one to one is left out.
    """
    from methods.compositional.lexicon import simple_align

    aligned = {word: tuple(actions) for word, actions in simple_align(first_lines(train)).items()}
    words = {word: actions[0] for word, actions in aligned.items() if len(actions) == 1}
    shared = [action for actions in aligned.values() for action in actions]
    clustered = (word for cluster in CLUSTERS.values() for word in cluster)
    return {word: words[word] for word in clustered if word in words and shared.count(words[word]) == 1}


def candidates(x: str, y: str, lexicon: Mapping[str, str]) -> list[Candidate]:
    """What may leave the example: phrases, V parts, then words; nothing where x and y do not align."""
    tokens, actions = x.split(), y.split()
    if not all(
        token in CLASSES or token in TIMES or token in ADDED for token in tokens if token not in JOINS
    ):
        return []
    phrases = list(_phrases(tokens))
    if any(start == end for start, end in phrases):
        return []
    lengths = [n_actions(tokens[start:end]) for start, end in phrases]
    if sum(lengths) != len(actions):
        return []
    offsets = (0, lengths[0]) if "after" not in tokens else (lengths[-1], 0)
    found: list[Candidate] = []
    for (start, end), length, offset in zip(phrases, lengths, offsets, strict=False):
        found.append(_span(tokens, (start, end), ((offset, offset + length),)))
        times = REPEATS.get(tokens[end - 1])
        if times is not None:
            part = length // times
            segments = tuple((offset + k * part, offset + (k + 1) * part) for k in range(times))
            if len({tuple(actions[low:high]) for low, high in segments}) == 1:
                found.append(_span(tokens, (start, end - 1), segments))
    return found + [word for word in _words(tokens, actions, lexicon) if word.segments]


def n_actions(phrase: Sequence[str]) -> int:
    """How many actions a phrase stands for: ["walk", "around", "left", "twice"] for (1 + 1) * 4 * 2 = 16."""
    n = sum(ADDED.get(token, 0) for token in phrase)
    for token in phrase:
        n *= TIMES.get(token, 1)
    return n


def exchangeable(a: Candidate | Component, b: Candidate | Component) -> bool:
    """Whether one may replace the other: equal signatures, so an equivalence relation."""
    return a.signature == b.signature


def frame(x: str, y: str, candidate: Candidate) -> Frame:
    """The example without the candidate."""
    return Frame(_around(x.split(), candidate.spans), _around(y.split(), candidate.segments))


def substitute(x: str, y: str, candidate: Candidate, component: Component) -> Example:
    """The example with `component` in place of its `candidate`, by token positions in x and in y."""
    return frame(x, y, candidate).fill(component)


def _phrases(tokens: Sequence[str]) -> Iterator[Range]:
    """The one or two phrases of a command."""
    cut = next((k for k, token in enumerate(tokens) if token in JOINS), None)
    if cut is None:
        yield 0, len(tokens)
    else:
        yield 0, cut
        yield cut + 1, len(tokens)


def _span(tokens: Sequence[str], span: Range, segments: tuple[Range, ...]) -> Candidate:
    start, end = span
    signature = Signature("span", CLASSES[tokens[start]], CLASSES[tokens[end - 1]])
    return Candidate(" ".join(tokens[start:end]), (span,), segments, signature)


def _words(tokens: Sequence[str], actions: Sequence[str], lexicon: Mapping[str, str]) -> Iterator[Candidate]:
    """Each word of the lexicon in the example, with all its places and all places of its action."""
    for word in dict.fromkeys(tokens):
        if word in lexicon:
            name = CLASSES[word]
            spans = tuple((k, k + 1) for k, token in enumerate(tokens) if token == word)
            segments = tuple((k, k + 1) for k, action in enumerate(actions) if action == lexicon[word])
            yield Candidate(word, spans, segments, Signature("word", name, name))


def _around(tokens: Sequence[str], gaps: Sequence[Range]) -> tuple[str, ...]:
    """The texts before, between and after the gaps, with the blanks that separate them from a filling."""
    lows = (0, *(end for _, end in gaps))
    highs = (*(start for start, _ in gaps), len(tokens))
    pieces = []
    for low, high in zip(lows, highs, strict=True):
        before = [""] if low else []
        behind = [""] if high < len(tokens) else []
        pieces.append(" ".join([*before, *tokens[low:high], *behind]))
    return tuple(pieces)
