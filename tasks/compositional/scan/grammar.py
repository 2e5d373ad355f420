"""The language of SCAN: all 20,910 commands and what each of them means.

The phrase-structure grammar and the denotations are those of Lake & Baroni 2018, figures 6 and 7 of the
supplement (arXiv 1711.00350):

    C -> S | S and S | S after S          S -> V | V twice | V thrice
    V -> u | u d | u opposite d | u around d | turn d | turn opposite d | turn around d
    u in walk, look, run, jump            d in left, right

which makes 34 V, 102 S and 102 + 2 * 102 * 102 = 20,910 C. Tokens are joined by single blanks.
"""

from __future__ import annotations

from functools import cache

VERBS = ("walk", "look", "run", "jump")
DIRECTIONS = ("left", "right")
MODIFIERS = ("opposite", "around")
REPEATS = {"twice": 2, "thrice": 3}
CONJUNCTIONS = ("and", "after")
LONGEST_OUTPUT = 48
"""Tokens of the longest meaning: twice a phrase such as "walk around left thrice"."""


@cache
def commands() -> tuple[str, ...]:
    """All 20,910 commands in grammar order: single phrases, then each pair with "and", with "after"."""
    phrases = tuple(_phrases())
    pairs = (f"{first} {word} {second}" for first in phrases for second in phrases for word in CONJUNCTIONS)
    return (*phrases, *pairs)


def interpret(command: str) -> str:
    """The actions that `command` stands for; ValueError when it is no command of the language."""
    phrases = _phrases()
    if command in phrases:
        return phrases[command]
    for word in CONJUNCTIONS:
        first, found, second = command.partition(f" {word} ")
        if found and first in phrases and second in phrases:
            parts = (first, second) if word == "and" else (second, first)
            return " ".join(phrases[part] for part in parts)
    raise ValueError(f"'{command}' is no command of SCAN")


@cache
def _phrases() -> dict[str, str]:
    """The 102 phrases (S) with their actions, in grammar order."""
    meanings: dict[str, str] = {}
    for phrase, actions in _verb_phrases().items():
        meanings[phrase] = " ".join(actions)
        for word, times in REPEATS.items():
            meanings[f"{phrase} {word}"] = " ".join(actions * times)
    return meanings


def _verb_phrases() -> dict[str, tuple[str, ...]]:
    """The 34 verb phrases (V) with their actions, in grammar order; `turn` acts only by its direction."""
    meanings: dict[str, tuple[str, ...]] = {}
    for verb in (*VERBS, "turn"):
        action = () if verb == "turn" else (f"I_{verb.upper()}",)
        if action:
            meanings[verb] = action
        for direction in DIRECTIONS:
            turn = (f"I_TURN_{direction.upper()}",)
            meanings[f"{verb} {direction}"] = turn + action
            meanings[f"{verb} opposite {direction}"] = turn + turn + action
            meanings[f"{verb} around {direction}"] = (turn + action) * 4
    return meanings
