"""The prompt as text, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.compositional.icl.prompt import INSTRUCTION, answer, prompt, read_prompt
from tasks.compositional.contract import Example

TEXTS = st.lists(st.sampled_from(["a", "b", "Input", "(", "x_3"]), min_size=1, max_size=5).map(" ".join)


def test_a_prompt_is_the_instruction_the_demonstrations_and_the_query() -> None:
    assert prompt([Example("walk", "W"), Example("walk twice", "W W")], "run twice") == (
        f"{INSTRUCTION}\n\n"
        "Input: walk\nOutput: W\n\n"
        "Input: walk twice\nOutput: W W\n\n"
        "Input: run twice\nOutput:"
    )


def test_without_demonstrations_the_query_follows_the_instruction() -> None:
    assert prompt([], "run") == f"{INSTRUCTION}\n\nInput: run\nOutput:"


def test_blanks_are_made_single() -> None:
    assert prompt([Example(" a  b", "c\t d")], "e \n f") == prompt([Example("a b", "c d")], "e f")


@given(st.lists(st.builds(Example, TEXTS, TEXTS), max_size=4), TEXTS)
def test_a_prompt_can_be_read_back(demonstrations: list[Example], query: str) -> None:
    assert read_prompt(prompt(demonstrations, query)) == (demonstrations, query)


@pytest.mark.parametrize(
    "text",
    [
        "",
        INSTRUCTION,
        "Input: a\nOutput:",
        f"{INSTRUCTION}\n\nInput: a\nOutput: b",
        f"{INSTRUCTION}\n\na\n\nInput: a\nOutput:",
    ],
)
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no prompt"):
        read_prompt(text)


def test_an_answer_is_the_rest_of_the_line() -> None:
    assert answer("  I_WALK   I_RUN \nInput: jump") == "I_WALK I_RUN"
    assert answer("I_WALK") == "I_WALK"
    assert answer("\nI_WALK") == ""
