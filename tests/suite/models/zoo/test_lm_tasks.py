"""The language model's tasks: every answer worked out again, and no question on both sides of the split."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from itertools import islice, product
from random import Random

import pytest

from suite.models.zoo import lm_tasks
from suite.models.zoo.lm_tasks import TASKS, TRAINED, Example, Split, trained_with

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def later(letter: str, by: int) -> str:
    code = ord(letter) + by
    while code > ord("z"):
        code -= 26
    while code < ord("a"):
        code += 26
    return chr(code)


def sorted_by_hand(text: str) -> str:
    return "".join(letter * text.count(letter) for letter in ALPHABET)


def largest_letter(text: str) -> str:
    return [letter for letter in ALPHABET if letter in text][-1]


def swapped(text: str) -> str:
    letters = list(text)
    letters[0], letters[-1] = letters[-1], letters[0]
    return "".join(letters)


def backwards(text: str) -> str:
    return "".join(text[len(text) - 1 - i] for i in range(len(text)))


def counted(question: str) -> str:
    return str(sum(1 for letter in question[:-2] if letter == question[-1]))


def greater(question: str) -> str:
    first, _, second = question.partition(",")
    return first if int(first) > int(second) else second


AGAIN: dict[str, Callable[[str], str]] = {
    "copy": str,
    "reverse": backwards,
    "first": lambda q: q[:1],
    "second": lambda q: q[1:2],
    "last": lambda q: backwards(q)[0],
    "drop": lambda q: backwards(backwards(q)[: len(q) - 1]),
    "double": lambda q: f"{q}{q}",
    "swap": swapped,
    "sort": sorted_by_hand,
    "latest": largest_letter,
    "upper": lambda q: "".join(chr(ord(c) - 32) for c in q),
    "next": lambda q: "".join(later(c, 1) for c in q),
    "join": lambda q: "".join(q.split(",")),
    "length": lambda q: str(sum(1 for _ in q)),
    "count": counted,
    "add": lambda q: str(sum(int(part) for part in q.split("+"))),
    "subtract": lambda q: str(int(q.split("-")[0]) + -int(q.split("-")[1])),
    "larger": greater,
    "mirror": lambda q: q + backwards(q),
    "ends": lambda q: swapped(q)[-1] + swapped(q)[0],
    "rotate": lambda q: q[1:] + q[:1],
    "skip": lambda q: "".join(later(later(c, 1), 1) for c in q),
    "chop": lambda q: q[: len(q) - 1],
    "stutter": lambda q: "".join(q[i // 2] for i in range(2 * len(q))),
}
HIDDEN = {"lookup", "cipher", "affix", "shift", "mix"}


def episode(name: str, seed: int, n: int, split: Split = "train", instructed: bool = True) -> list[Example]:
    return list(islice(TASKS[name].episode(Random(seed), split, instructed), n))


def test_every_task_is_worked_out_again() -> None:
    assert set(AGAIN) | HIDDEN == set(TASKS)
    assert not set(AGAIN) & HIDDEN


@pytest.mark.parametrize("name", AGAIN)
def test_an_answer_is_what_the_name_says(name: str) -> None:
    for seed in range(20):
        for example in episode(name, seed, 5):
            assert example.answer == AGAIN[name](example.question), example


def test_known_answers() -> None:
    asked = {
        "reverse": ("abcd", "dcba"),
        "swap": ("abcd", "dbca"),
        "sort": ("dacb", "abcd"),
        "latest": ("dzcb", "z"),
        "next": ("xyz", "yza"),
        "skip": ("xyz", "zab"),
        "length": ("abcdefg", "7"),
        "count": ("abaab,a", "3"),
        "add": ("7+15", "22"),
        "subtract": ("15-7", "8"),
        "larger": ("9,12", "12"),
        "join": ("ab,c", "abc"),
        "mirror": ("abc", "abccba"),
        "ends": ("abc", "ac"),
        "rotate": ("abc", "bca"),
        "stutter": ("abc", "aabbcc"),
    }
    for name, (question, answer) in asked.items():
        assert TASKS[name].start(Random(0)).answer(question) == answer, name


def test_a_lookup_answers_as_before_and_is_known_only_then() -> None:
    for seed in range(50):
        told: dict[str, str] = {}
        for example in episode("lookup", seed, 8):
            assert example.known == (example.question in told)
            assert told.setdefault(example.question, example.answer) == example.answer
        assert len(told) <= 4


def test_a_cipher_replaces_letter_by_letter_and_is_known_by_its_letters() -> None:
    for seed in range(50):
        table: dict[str, str] = {}
        for example in episode("cipher", seed, 6):
            assert example.known == all(letter in table for letter in example.question)
            for plain, secret in zip(example.question, example.answer, strict=True):
                assert table.setdefault(plain, secret) == secret
        assert len(set(table.values())) == len(table) <= 5


def test_an_affix_is_the_same_throughout() -> None:
    kinds = set()
    for seed in range(50):
        shown = episode("affix", seed, 5)
        before = {e.answer.removesuffix(e.question) for e in shown}
        after = {e.answer.removeprefix(e.question) for e in shown}
        (kind,) = [where for where, found in (("before", before), ("after", after)) if len(found) == 1]
        assert [e.known for e in shown] == [False, True, True, True, True]
        kinds.add(kind)
    assert kinds == {"before", "after"}


def test_shifts_are_those_declared() -> None:
    seen = set()
    for seed in range(60):
        fitting = [
            by
            for by in range(-12, 13)
            if all(e.answer == "".join(later(c, by) for c in e.question) for e in episode("shift", seed, 4))
        ]
        seen.update(fitting)
        assert len(fitting) == 1
    assert seen == {-3, -2, -1, 1, 3}


def test_a_mixture_joins_two_parts_and_never_a_held_out_pair() -> None:
    parts: dict[str, Callable[[str], str]] = {
        "whole": str,
        "reversed": backwards,
        "tail": lambda q: q[1:],
        "first": lambda q: q[:1],
        "second": lambda q: q[1:2],
        "last": lambda q: q[-1:],
    }
    out = {("whole", "reversed"), ("first", "last"), ("tail", "first")}
    seen = set()
    for seed in range(200):
        shown = episode("mix", seed, 8)
        fitting = {
            (a, b)
            for a, b in product(parts, parts)
            if all(e.answer == parts[a](e.question) + parts[b](e.question) for e in shown)
        }
        assert fitting
        assert not fitting & out
        seen |= fitting
    assert {("first", "tail"), ("last", "whole"), ("reversed", "second")} <= seen


@pytest.mark.parametrize("name", TASKS)
def test_questions_of_the_splits_are_disjoint_and_do_not_repeat(name: str) -> None:
    asked: dict[Split, set[str]] = {"train": set(), "test": set()}
    for split in asked:
        for seed in range(20):
            shown = [example.question for example in episode(name, seed, 5, split)]
            assert name == "lookup" or len(set(shown)) == 5
            asked[split].update(shown)
    assert not asked["train"] & asked["test"]
    assert all(zlib.crc32(question.encode()) % 5 == 0 for question in asked["test"])
    assert all(zlib.crc32(question.encode()) % 5 != 0 for question in asked["train"])


def test_the_first_answer_is_known_only_where_the_name_tells() -> None:
    assert [e.known for e in episode("reverse", 0, 3, instructed=True)] == [True] * 3
    assert [e.known for e in episode("reverse", 0, 3, instructed=False)] == [False, True, True]
    assert not episode("shift", 0, 1, instructed=True)[0].known


def test_the_same_seed_gives_the_same_episode() -> None:
    assert all(episode(name, 3, 5) == episode(name, 3, 5) for name in TASKS)
    assert episode("copy", 3, 5) != episode("copy", 4, 5)


def test_held_out_tasks_and_formats_are_those_declared() -> None:
    held_out = {"mirror", "ends", "rotate", "skip", "chop", "stutter"}
    assert set(TASKS) - set(TRAINED) == held_out
    assert {name for name in TASKS if not trained_with(name, True)} == {*held_out, "drop", "upper"}
    by_examples = {name for name in TASKS if not trained_with(name, False)}
    assert by_examples == {*held_out, "last", "swap", "sort", "larger"}
    assert lm_tasks.NEVER_BY_EXAMPLES.isdisjoint(lm_tasks.NEVER_INSTRUCTED)
