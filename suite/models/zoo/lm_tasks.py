"""Short exact tasks that a small language model can learn in context, each with its right answer.

A rule is a function of the question. A hidden task is drawn anew for every episode and known by its examples
alone (a lookup table, a cipher, a composition of parts). Questions are split by hash: no question of the test
split is ever asked in training.
"""

from __future__ import annotations

import string
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

Split = Literal["train", "test"]
LETTERS = string.ascii_lowercase
TEST_SHARE = 5
"""One question in so many belongs to the test split."""

SHORTEST, LONGEST = 3, 5
"""Letters of a word."""


@dataclass(frozen=True)
class Example:
    """A question, its answer, and whether the examples before it (with the rule's name) determine it."""

    question: str
    answer: str
    known: bool


Ask = Callable[[Random], str]
Answer = Callable[[str], str]


@dataclass(frozen=True)
class Hidden:
    """What one episode of a hidden task fixed: a way to ask, and the answer."""

    ask: Ask
    answer: Answer


@dataclass(frozen=True)
class Task:
    """A task by its name, which is also its instruction.

    start: what an episode fixes. named: whether the name alone says what to do. memory: what must have been
    seen in this episode before its answer is known: each symbol of the question (a cipher), or the whole
    question (a lookup, which asks again what it told). held_out: never trained on.
    """

    name: str
    start: Callable[[Random], Hidden]
    named: bool = True
    memory: Literal["", "symbol", "question"] = ""
    held_out: bool = False

    def episode(self, rng: Random, split: Split, instructed: bool) -> Iterator[Example]:
        """Examples without end; questions differ, but for a lookup."""
        hidden = self.start(rng)
        asked: list[str] = []
        while True:
            question = self._question(rng, split, hidden, asked)
            known = self._known(question, asked, instructed)
            asked.append(question)
            yield Example(question, hidden.answer(question), known)

    def _question(self, rng: Random, split: Split, hidden: Hidden, asked: list[str]) -> str:
        for _ in range(1000):
            question = hidden.ask(rng)
            if split_of(question) == split and (self.memory == "question" or question not in asked):
                return question
        raise RuntimeError(f"task {self.name} has no further question of the {split} split")

    def _known(self, question: str, asked: list[str], instructed: bool) -> bool:
        if self.memory == "question":
            return question in asked
        if self.memory == "symbol":
            return set(question) <= set("".join(asked))
        return bool(asked) or (instructed and self.named)


def split_of(question: str) -> Split:
    """The split to which a question belongs, by its CRC-32."""
    return "test" if zlib.crc32(question.encode()) % TEST_SHARE == 0 else "train"


def word(rng: Random, letters: str = LETTERS, shortest: int = SHORTEST, longest: int = LONGEST) -> str:
    """Letters drawn with replacement."""
    return "".join(rng.choices(letters, k=rng.randint(shortest, longest)))


def moved(text: str, by: int) -> str:
    """Each lower-case letter moved on in the alphabet, z followed by a."""
    return "".join(LETTERS[(LETTERS.index(c) + by) % 26] for c in text)


def rule(name: str, answer: Answer, ask: Ask = word, held_out: bool = False) -> Task:
    """A task whose answer depends on the question alone."""
    return Task(name, lambda rng: Hidden(ask, answer), held_out=held_out)


def _lookup(rng: Random) -> Hidden:
    table: dict[str, str] = {}
    keys: dict[Split, list[str]] = {"train": [], "test": []}

    def ask(draw: Random) -> str:
        # One of few keys of either split, so that most are asked again.
        return draw.choice([*keys["train"], *keys["test"]])

    def answer(question: str) -> str:
        return table[question]

    while min(map(len, keys.values())) < KEYS:
        key = word(rng, shortest=2, longest=2)
        if len(keys[split_of(key)]) < KEYS and key not in table:
            keys[split_of(key)].append(key)
            table[key] = word(rng, shortest=1, longest=2)
    return Hidden(ask, answer)


KEYS = 4
"""Of a lookup table, in each split."""

CIPHER = 5
"""Letters that a cipher replaces."""


def _cipher(rng: Random) -> Hidden:
    plain, secret = rng.sample(LETTERS, CIPHER), rng.sample(LETTERS, CIPHER)
    table = str.maketrans("".join(plain), "".join(secret))
    return Hidden(lambda draw: word(draw, "".join(plain), 2, 4), lambda question: question.translate(table))


def _affix(rng: Random) -> Hidden:
    added, before = word(rng, shortest=1, longest=2), rng.random() < 0.5
    return Hidden(word, lambda question: added + question if before else question + added)


SHIFTS = (-3, -2, -1, 1, 3)
"""Without 2, which is held out."""


def _shift(rng: Random) -> Hidden:
    by = rng.choice(SHIFTS)
    return Hidden(word, lambda question: moved(question, by))


PARTS: dict[str, Answer] = {
    "whole": lambda w: w,
    "reversed": lambda w: w[::-1],
    "tail": lambda w: w[1:],
    "first": lambda w: w[0],
    "second": lambda w: w[1],
    "last": lambda w: w[-1],
}
UNMIXED = {"mirror": ("whole", "reversed"), "ends": ("first", "last"), "rotate": ("tail", "first")}
"""Pairs of parts that are held out as tasks of their own, and that no mixture joins."""


def _mix(rng: Random) -> Hidden:
    while (pair := (rng.choice(list(PARTS)), rng.choice(list(PARTS)))) in UNMIXED.values():
        pass
    return Hidden(word, joined(pair))


def joined(pair: tuple[str, str]) -> Answer:
    """The two parts of a word one after the other."""
    return lambda question: "".join(PARTS[part](question) for part in pair)


def _sum(rng: Random) -> str:
    return f"{rng.randrange(20)}+{rng.randrange(20)}"


def _difference(rng: Random) -> str:
    small, large = sorted((rng.randrange(20), rng.randrange(20)))
    return f"{large}-{small}"


def _numbers(rng: Random) -> str:
    first, second = rng.sample(range(100), 2)
    return f"{first},{second}"


def _pair(rng: Random) -> str:
    return f"{word(rng, shortest=1, longest=3)},{word(rng, shortest=1, longest=3)}"


def _counted(rng: Random) -> str:
    few = "".join(rng.sample(LETTERS, 2))
    return f"{word(rng, few)},{rng.choice(few)}"


def _arithmetic(question: str) -> str:
    for sign in "+-":
        if sign in question:
            first, second = map(int, question.split(sign))
            return str(first + second if sign == "+" else first - second)
    raise ValueError(question)


def _count(question: str) -> str:
    text, letter = question.split(",")
    return str(text.count(letter))


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        rule("copy", lambda q: q),
        rule("reverse", lambda q: q[::-1]),
        rule("first", lambda q: q[0]),
        rule("second", lambda q: q[1]),
        rule("last", lambda q: q[-1]),
        rule("drop", lambda q: q[1:]),
        rule("double", lambda q: q + q),
        rule("swap", lambda q: q[-1] + q[1:-1] + q[0]),
        rule("sort", lambda q: "".join(sorted(q))),
        rule("latest", lambda q: max(q)),
        rule("upper", lambda q: q.upper()),
        rule("next", lambda q: moved(q, 1)),
        rule("join", lambda q: q.replace(",", ""), _pair),
        rule("length", lambda q: str(len(q)), lambda rng: word(rng, shortest=1, longest=7)),
        rule("count", _count, _counted),
        rule("add", _arithmetic, _sum),
        rule("subtract", _arithmetic, _difference),
        rule("larger", lambda q: str(max(map(int, q.split(",")))), _numbers),
        Task("lookup", _lookup, named=False, memory="question"),
        Task("cipher", _cipher, named=False, memory="symbol"),
        Task("affix", _affix, named=False),
        Task("shift", _shift, named=False),
        Task("mix", _mix, named=False),
        *(rule(name, joined(pair), held_out=True) for name, pair in UNMIXED.items()),
        rule("skip", lambda q: moved(q, 2), held_out=True),
        rule("chop", lambda q: q[:-1], held_out=True),
        rule("stutter", lambda q: "".join(c + c for c in q), held_out=True),
    )
}
TRAINED = tuple(name for name, task in TASKS.items() if not task.held_out)
NEVER_BY_EXAMPLES = frozenset({"last", "swap", "sort", "larger"})
"""Trained with their instruction alone: to infer them from examples is held out."""

NEVER_INSTRUCTED = frozenset({"drop", "upper"})
"""Trained by examples alone: their name is a word that the model has never read as an instruction."""


def trained_with(name: str, instructed: bool) -> bool:
    """Whether training shows this task in this format."""
    return name in TRAINED and name not in (NEVER_INSTRUCTED if instructed else NEVER_BY_EXAMPLES)
