"""The generated language equals the published one; the interpreter agrees with hand-worked meanings."""

from __future__ import annotations

import hashlib

import pytest

from tasks.compositional.scan.grammar import LONGEST_OUTPUT, commands, interpret

SORTED_PUBLISHED_LINES = "6be4b39bc8bf3a20be810b6991250d0493e608560609db6765dd679e1ed1c98e"
"""SHA-256 of the published tasks.txt after `LC_ALL=C sort`."""

# All output lengths that the published file attains; 23 is not one of them.
LENGTHS = {*range(1, 23), 24, 25, 26, 27, 28, 30, 32, 33, 36, 40, 48}

MEANINGS = {
    "jump": "I_JUMP",
    "turn left": "I_TURN_LEFT",
    "walk right": "I_TURN_RIGHT I_WALK",
    "turn opposite right": "I_TURN_RIGHT I_TURN_RIGHT",
    "run opposite left": "I_TURN_LEFT I_TURN_LEFT I_RUN",
    "turn around left": "I_TURN_LEFT I_TURN_LEFT I_TURN_LEFT I_TURN_LEFT",
    "look around right": " ".join(["I_TURN_RIGHT I_LOOK"] * 4),
    "jump thrice": "I_JUMP I_JUMP I_JUMP",
    "look right twice": "I_TURN_RIGHT I_LOOK I_TURN_RIGHT I_LOOK",
    "walk left and jump": "I_TURN_LEFT I_WALK I_JUMP",
    "walk left after jump": "I_JUMP I_TURN_LEFT I_WALK",
    "run twice after turn right": "I_TURN_RIGHT I_RUN I_RUN",
}


def test_there_are_20910_distinct_commands() -> None:
    assert len(commands()) == len(set(commands())) == 20_910


def test_commands_and_meanings_are_the_published_lines() -> None:
    lines = sorted(f"IN: {c} OUT: {interpret(c)}\n" for c in commands())
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == SORTED_PUBLISHED_LINES


def test_order_is_single_phrases_then_pairs() -> None:
    assert commands()[:4] == ("walk", "walk twice", "walk thrice", "walk left")
    assert commands()[102:104] == ("walk and walk", "walk after walk")
    assert commands()[-1] == "turn around right thrice after turn around right thrice"


def test_outputs_have_the_published_lengths() -> None:
    lengths = {len(interpret(c).split()) for c in commands()}
    assert lengths == LENGTHS
    assert max(lengths) == LONGEST_OUTPUT


@pytest.mark.parametrize("command", MEANINGS)
def test_meaning_by_hand(command: str) -> None:
    assert interpret(command) == MEANINGS[command]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "turn",
        "walk walk",
        "walk up",
        "left",
        "walk twice thrice",
        "walk and",
        "and walk",
        "walk and run and jump",
        "walk  left",
        "Walk",
        "walk left around",
    ],
)
def test_text_outside_the_language_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no command of SCAN"):
        interpret(text)
