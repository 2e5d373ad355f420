"""Windows of texts against those laid out by hand, with one token a character."""

from __future__ import annotations

import random

import pytest
import torch

from tasks.quantization.windows import c4_new, c4_old, calibration_windows, text_windows


def encode(text: str) -> list[int]:
    """Letters a to z are 1 to 26, a space 27, a line's end 28."""
    return ["\0abcdefghijklmnopqrstuvwxyz \n".index(c) for c in text]


class Counting:
    """The same, with the texts that it was asked for."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str) -> list[int]:
        self.texts.append(text)
        return encode(text)


def test_a_text_is_joined_with_blank_lines_tokenized_once_and_loses_its_tail() -> None:
    counting = Counting()
    found = text_windows(["abc", "de"], counting, 3)  # a b c \n \n d e
    assert found.dtype == torch.long
    assert found.tolist() == [[1, 2, 3], [28, 28, 4]]
    assert counting.texts == ["abc\n\nde"]


def test_special_tokens_come_once_and_count() -> None:
    assert text_windows(["ab", "c"], lambda text: [0, *encode(text)], 2).tolist() == [
        [0, 1],
        [2, 28],
        [28, 3],
    ]


def test_the_new_c4_joins_the_first_documents_with_spaces_and_keeps_the_first_windows() -> None:
    counting = Counting()
    found = c4_new(["ab", "cd", "ef"], counting, 2, first=2, windows=2)  # a b _ c d
    assert found.tolist() == [[1, 2], [27, 3]]
    assert counting.texts == ["ab cd"]
    many = c4_new(["abcd"] * 1200, encode, 5)  # 1100 documents are 5,499 characters: 1,099 windows
    assert many.shape == (256, 5)
    assert c4_new(["abcd"] * 1200, encode, 5, windows=9999).shape == (1099, 5)


def test_the_old_c4_follows_the_released_loop() -> None:
    documents = ["abcdefgh", "ab", "ijklmnop", "abc", "qrstuvwxyz"]
    # The released loop, but for ">": with ">=" it could choose "abc", and would fail in the draw after that.
    random.seed(20)
    by_hand = []
    for _ in range(10):
        while True:
            ids = encode(documents[random.randint(0, len(documents) - 1)])
            if len(ids) > 3:
                break
        i = random.randint(0, len(ids) - 3 - 1)
        by_hand.append(ids[i : i + 3])
    assert c4_old(documents, encode, 3, windows=10).tolist() == by_hand


def test_draws_are_those_of_pythons_generator_for_ever() -> None:
    # random.seed(20): randint(0, 0) is 0, then randint(0, 22) is 8.
    # random.seed(2): randint(0, 20) is 1, 2, 2.
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    assert c4_old([alphabet], encode, 3, windows=1).tolist() == [[9, 10, 11]]
    found = calibration_windows([alphabet], encode, windows=3, length=5)
    assert found[:, 0].tolist() == [2, 3, 3]


def test_no_document_is_tokenized_twice_and_one_may_serve_again() -> None:
    counting = Counting()
    found = c4_old(["abcd", "ef"], counting, 3, windows=50)
    assert sorted(counting.texts) in (["abcd"], ["abcd", "ef"])
    assert found.tolist() == [[1, 2, 3]] * 50  # a b c d has 2 windows, of which the code never takes the last


def test_calibration_windows_follow_the_released_loop() -> None:
    texts = ["abcdefghijk", "lmnopqrstuvwxyz"]
    ids = encode("\n\n".join(texts))
    random.seed(2)
    starts = [random.randint(0, len(ids) - 5 - 1) for _ in range(7)]
    expected = [ids[i : i + 5] for i in starts]
    counting = Counting()
    assert calibration_windows(texts, counting, windows=7, length=5).tolist() == expected
    assert counting.texts == ["\n\n".join(texts)]


def test_the_defaults_are_those_of_the_paper() -> None:
    assert calibration_windows(["abcdefghij" * 300], encode).shape == (128, 2048)
    assert c4_old(["abcdefghij"], encode, 4).shape == (256, 4)


def test_a_seed_gives_the_same_windows_and_leaves_the_global_generator_alone() -> None:
    texts = ["the quick brown fox jumps over the lazy dog"]
    random.seed(5)
    state = random.getstate()
    for recipe in (
        lambda seed: calibration_windows(texts, encode, windows=9, length=6, seed=seed),
        lambda seed: c4_old(texts, encode, 6, windows=9, seed=seed),
    ):
        assert torch.equal(recipe(1), recipe(1))
        assert not torch.equal(recipe(1), recipe(2))
    assert random.getstate() == state


def test_too_little_text_is_an_error_and_no_endless_search() -> None:
    for recipe in (text_windows, c4_new):
        with pytest.raises(ValueError, match="4 tokens do not fill one window of 5"):
            recipe(["abcd"], encode, 5)
    with pytest.raises(ValueError, match="none of 2 documents has more than 3 tokens"):
        c4_old(["abc", "a"], encode, 3)
    with pytest.raises(ValueError, match="none of 0 documents"):
        c4_old([], encode, 3)
    with pytest.raises(ValueError, match="4 tokens are too few"):
        calibration_windows(["abcd"], encode, length=4)
    with pytest.raises(ValueError, match="at least 1"):
        text_windows(["abcd"], encode, 0)
