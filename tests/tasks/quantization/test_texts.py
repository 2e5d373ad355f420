"""Texts and windows: what is measured on and what calibrates have nothing in common."""

from __future__ import annotations

import os
import re
from typing import Any

import pyarrow as pa
import pytest
import tiny_lms
import torch

import suite.data
from suite.errors import DataError, UsageError
from tasks.quantization import sources, texts

WORDS = [f"w{k}" for k in range(60)]


def shown(monkeypatch: pytest.MonkeyPatch, **files: list[str]) -> None:
    """Puts texts in the place of the registered files whose names hold a word."""

    def read(name: str) -> pa.Table:
        (rows,) = [rows for word, rows in files.items() if word in name]
        return pa.table({"text": rows})

    monkeypatch.setattr(suite.data, "read", read)


def ids(text: str) -> list[int]:
    return list(tiny_lms.tokenizer()(text)["input_ids"])


def test_documents_that_share_words_with_what_is_measured_do_not_calibrate() -> None:
    prompt = " ".join(WORDS[:12])  # in all documents: no reason to drop one
    story = " ".join(WORDS[20:33])  # 13 words: two runs of 12
    rows = [f"{prompt} {k} {k + 100} {k + 200}" for k in range(60)]
    rows[2] += f" {story}"  # measured
    rows[5] += f" before {story.upper()} behind"
    rows[7] += f" {' '.join(WORDS[20:31])}"  # 11 words in common do not matter
    first, second = sources.apart(rows)
    assert first == rows[::2]
    assert second == [row for row in rows[1::2] if row != rows[5]]


def test_a_short_document_counts_as_one_run() -> None:
    first, second = sources.apart(["a b", "a b", "a b c", "c"] + [str(k) for k in range(60)])
    assert first[:2] == ["a b", "a b c"] and second[0] == "c"


def test_wikitext_is_one_text_as_the_file_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    shown(monkeypatch, test=[" ", " = A = ", " b "], valid=["c"])
    assert sources.documents("wikitext2", "evaluation") == [" \n = A = \n b "]
    assert sources.documents("wikitext2", "calibration") == ["c"]


def test_each_part_has_a_file_of_its_own_or_documents_of_its_own() -> None:
    for name, source in sources.SOURCES.items():
        assert source.evaluation != source.calibration, name
    assert set(sources.files_of({"calibration": "wikitext2", "evaluation": "own"})) == {
        "lmtext/wikitext2_valid.txt.gz"
    }
    with pytest.raises(ValueError, match="text 'pile': one of own, wikitext2"):
        list(sources.files_of({"evaluation": "pile"}))


def test_a_file_without_text_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite.data, "read", lambda name: pa.table({"body": ["a"]}))
    with pytest.raises(DataError, match="no column text; it has body"):
        sources.documents("c4", "evaluation")


def test_windows_are_the_text_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(tiny_lms.TEXT)
    shown(monkeypatch, test=[text], valid=[text])
    found = texts.evaluation("wikitext2", "joined", None, tiny_lms.tokenizer(), 16, 3, False)
    assert found.flatten().tolist() == ids(text)[:48]
    all_of = texts.evaluation("wikitext2", "joined", None, tiny_lms.tokenizer(), 16, None, False)
    assert len(all_of) == len(ids(text)) // 16


def test_bos_takes_a_place_in_every_window(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(tiny_lms.TEXT)
    shown(monkeypatch, test=[text], valid=[text])
    found = texts.evaluation("wikitext2", "joined", None, tiny_lms.tokenizer(), 16, 2, True)
    assert found[:, 0].tolist() == [0, 0]  # <s>
    assert found[:, 1:].flatten().tolist() == ids(text)[:30]
    drawn = texts.calibration("wikitext2", None, tiny_lms.tokenizer(), 16, 5, 3, True)
    assert drawn.shape == (5, 16) and drawn[:, 0].tolist() == [0] * 5


def test_the_recipes_of_c4_differ_in_what_they_join(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"{text} {k}" for k in range(3) for text in tiny_lms.TEXT]
    shown(monkeypatch, validation=rows)
    tokenizer = tiny_lms.tokenizer()
    newer = texts.evaluation("c4", "c4-new", None, tokenizer, 8, 4, False)
    assert newer.flatten().tolist() == ids(" ".join(rows))[:32]
    older = texts.evaluation("c4", "c4-old", None, tokenizer, 8, 4, False)
    whole = [ids(row) for row in rows]
    for window in older.tolist():  # each inside one document
        assert any(window == row[k : k + 8] for row in whole for k in range(len(row)))
    assert older.tolist() == texts.evaluation("c4", "c4-old", None, tokenizer, 8, 4, False).tolist()


def test_too_little_text_says_which_fields_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    shown(monkeypatch, test=["a"], valid=["a"])
    with pytest.raises(UsageError, match="give more text .task fields length"):
        texts.evaluation("wikitext2", "joined", None, tiny_lms.tokenizer(), 16, 2, False)
    with pytest.raises(UsageError, match="there is no end"):
        texts.evaluation("own", "joined", None, None, 16, None, False)


def test_calibration_is_drawn_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(tiny_lms.TEXT)
    shown(monkeypatch, valid=[text])
    first, again, other = (
        texts.calibration("wikitext2", None, tiny_lms.tokenizer(), 16, 8, seed, False) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    whole = ids(text)
    assert all(row in [whole[k : k + 16] for k in range(len(whole))] for row in first.tolist())


def test_own_text_is_a_sample_of_the_model() -> None:
    model, tokenizer = tiny_lms.model("llama"), tiny_lms.tokenizer()
    found = texts.sampled(model, tokenizer, 600, 2, 7)
    assert found.shape == (600, 2) and set(found[:, 0].tolist()) == {0}
    with torch.no_grad():
        p = model(input_ids=torch.tensor([[0]])).logits[0, -1].softmax(-1)
    seen = torch.bincount(found[:, 1], minlength=320)
    often = p * 600 >= 5
    expected = torch.cat([p[often], p[~often].sum()[None]]) * 600
    observed = torch.cat([seen[often], seen[~often].sum()[None]])
    chi = float(((observed - expected) ** 2 / expected).sum())
    cells = len(expected) - 1
    assert chi < cells + 4 * (2 * cells) ** 0.5


def test_own_text_goes_on_behind_its_end_and_follows_its_seed() -> None:
    model, tokenizer = tiny_lms.model("llama"), tiny_lms.tokenizer()
    model.generation_config.eos_token_id = list(range(320))
    first, again, other = (texts.sampled(model, tokenizer, 3, 9, seed) for seed in (5, 5, 6))
    assert first.shape == (3, 9)
    assert torch.equal(first, again)
    # window k has the seed after that of window k - 1
    assert torch.equal(first[1:], other[:-1])
    with pytest.raises(UsageError, match="context holds 128"):
        texts.sampled(model, tokenizer, 1, 140, 0)


def real(name: str) -> Any:
    if not os.environ.get("SUITE_DATA_DIR"):
        pytest.skip("lmtext is not in SUITE_DATA_DIR")
    return suite.data.read(name)


def test_the_stand_in_for_c4_has_no_document_in_both_parts() -> None:
    real("lmtext/mixed_web_docs.jsonl.gz")
    first, second = (sources.documents("mixed", part) for part in ("evaluation", "calibration"))
    assert len(first) == 621 and 500 < len(second) < 620
    joined = [" ".join(re.findall(r"\w+", text.lower())) for text in first]
    for text in second[::40]:  # brute force on a sample: its middle is in no other document
        words = re.findall(r"\w+", text.lower())
        middle = " ".join(words[len(words) // 2 : len(words) // 2 + 12])
        if middle.count(" ") == 11:
            assert not any(middle in other for other in joined)
