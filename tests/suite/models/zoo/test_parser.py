"""The parser's recipe: what it feeds the model, what its scores count, and what it keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import killed
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import AddedToken
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from suite.models.zoo import parser
from suite.models.zoo.fit import as_stored
from suite.models.zoo.parser import IGNORED, PARSER_BASE, TESTED, VOCABULARY, ParserRecipe, Scores
from suite.models.zoo.parser_grammar import LEXICON, Phrase, split_of
from suite.models.zoo.recipe import Workshop, train

ACT = LEXICON["action"]
SHORT = Phrase(f"{ACT[9]} !", ACT[9])
LONG = Phrase(f"{ACT[9]} two times !", f"repeat ( two , {ACT[9]} )")


def tiny(**more: object) -> ParserRecipe:
    small = {
        "width": 16,
        "layers": 1,
        "heads": 2,
        "inner": 16,
        "steps": 4,
        "batch": 4,
        "warmup": 1,
        "tested": 6,
    }
    return replace(PARSER_BASE, name="tiny", **{**small, **more})  # type: ignore[arg-type]


def untrained() -> Any:
    torch.manual_seed(0)
    return tiny().model().eval()


def spelt(ids: list[int]) -> str:
    names = {i: word for word, i in VOCABULARY.items()}
    return " ".join(names[i] for i in ids)


def test_a_batch_is_words_and_forms_with_their_ends() -> None:
    given = parser.tensors([SHORT, LONG])
    assert spelt(given["input_ids"][1].tolist()) == f"{LONG.words} </s>"
    assert spelt(given["input_ids"][0].tolist()) == f"{SHORT.words} </s> <pad> <pad>"
    assert given["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert spelt(given["labels"][1].tolist()) == f"{LONG.form} </s>"
    assert given["labels"][0].tolist()[2:] == [IGNORED] * 5
    words = parser.tokenizer()
    assert words(LONG.words).input_ids == given["input_ids"][1].tolist()
    assert words.decode(given["labels"][1], skip_special_tokens=True) == LONG.form


def test_the_loss_is_the_mean_over_all_tokens_of_the_batch() -> None:
    model = untrained()
    phrases = [LONG, SHORT, replace(SHORT, form=ACT[3])]
    total, tokens = 0.0, 0
    with torch.inference_mode():
        for phrase in phrases:
            given = parser.tensors([phrase])
            log_p = model(**given).logits.log_softmax(-1)[0]
            total -= sum(float(log_p[i, token]) for i, token in enumerate(given["labels"][0].tolist()))
            tokens += len(phrase.form.split()) + 1
        found = float(parser.cross_entropy(model, phrases))
        alone = float(parser.cross_entropy(model, [SHORT]))
        assert alone == pytest.approx(float(model(**parser.tensors([SHORT])).loss), rel=1e-5)
    assert found == pytest.approx(total / tokens, rel=1e-5)


def test_training_sentences_are_of_the_training_split_and_repeat_with_the_step_alone() -> None:
    recipe = tiny(batch=200)
    assert all(split_of(phrase) == "train" for phrase in recipe.batch_of(0))
    assert recipe.batch_of(1) == recipe.batch_of(1)
    assert recipe.batch_of(1) != recipe.batch_of(2)


def test_tested_sentences_differ_and_belong_to_their_split() -> None:
    for split in TESTED:
        found = parser.to_test(split, 40)
        assert len({phrase.words for phrase in found}) == 40
        assert all(split_of(phrase) == split for phrase in found)
        assert parser.to_test(split, 40) == found


def test_one_pass_gives_the_verdict_of_greedy_decoding() -> None:
    model = untrained()
    kept = 0
    for phrase in (SHORT, LONG):
        given = parser.tensors([phrase])
        said = model.generate(
            input_ids=given["input_ids"],
            attention_mask=given["attention_mask"],
            max_new_tokens=4,
            min_new_tokens=4,
            do_sample=False,
        )[0, 1:].tolist()
        # Whatever it says first, then the end: right only if it ends there.
        ids = [i for i in said if i > 2]
        asked = replace(phrase, form=spelt(ids))
        step = model(**{**given, "labels": torch.tensor([[*ids, VOCABULARY["</s>"]]])}).logits.argmax(-1)
        wanted = step[0].tolist() == [*ids, VOCABULARY["</s>"]]
        assert parser.right(model, [asked]).tolist() == [wanted]
        kept += len(ids)
    assert kept


class Fixed:
    """A model that gets right the forms in `known`."""

    def __init__(self, known: set[str]) -> None:
        self.known = known

    def __call__(self, labels: torch.Tensor, **given: object) -> SimpleNamespace:
        said = labels.clamp(min=0)
        for i, row in enumerate(labels.tolist()):
            form = spelt([token for token in row if token != IGNORED])
            if form.removesuffix(" </s>") not in self.known:
                end = row.index(VOCABULARY["</s>"])
                said[i, end] = VOCABULARY["("]
        return SimpleNamespace(logits=torch.nn.functional.one_hot(said, len(VOCABULARY)))


def test_a_form_is_right_only_with_its_end() -> None:
    assert parser.right(Fixed({SHORT.form}), [SHORT, LONG, SHORT]).tolist() == [True, False, True]


def test_tables_count_by_kind_role_and_depth() -> None:
    held = f"{ACT[0]} two times !"
    new = Phrase(held, f"repeat ( two , {ACT[0]} )", 0, frozenset({("repeated", ACT[0])}))
    deep = [Phrase(f"{LEXICON['name'][9]} .", "x", depth) for depth in (3, 3, 4)]
    scores = Scores(
        {
            "same kind": [SHORT, LONG, replace(SHORT, words="a b .")],
            "new combinations": [new],
            "longer": deep,
        },
        {
            "same kind": np.array([True, False, True]),
            "new combinations": np.array([False]),
            "longer": np.array([True, False, True]),
        },
    )
    same, *_ = scores.table().rows
    assert same == ("same kind", "3", 3.0, pytest.approx(200 / 3), 100.0, 50.0, "-")
    details = {str(row[0]): row[1:] for row in scores.details().rows}
    assert details["new: repeated"] == ("1", 0.0)
    assert details["new: subject"] == ("0", "-")
    assert details["3 nested"] == ("2", 50.0)
    assert details["4 nested"] == ("1", 100.0)


def test_a_killed_training_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed.saving_every_step(monkeypatch)
    whole, losses = tiny().fit(Workshop(tmp_path / "a", tmp_path))
    with pytest.raises(killed.Killed):
        tiny().fit(Workshop(tmp_path / "b", tmp_path, killed.at(2)))
    again, repeated = tiny().fit(Workshop(tmp_path / "b", tmp_path))
    assert repeated == losses
    assert killed.same_weights(whole, again)


def test_a_small_parser_learns_from_what_it_is_shown(tmp_path: Path) -> None:
    _, losses = tiny(steps=40, lr=0.02, batch=8).fit(Workshop(tmp_path, tmp_path))
    assert sum(losses[-5:]) / 5 < 0.75 * losses[0]


def test_the_saved_model_is_the_measured_one_and_takes_new_words(tmp_path: Path) -> None:
    folder = train(tiny(), tmp_path / "out", Workshop(tmp_path / "work", tmp_path))
    assert {value.dtype for value in load_file(folder / "model.safetensors").values()} == {torch.float16}
    measured, _ = tiny().fit(Workshop(tmp_path / "work", tmp_path))
    as_stored(measured)
    loaded = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32).eval()
    words = AutoTokenizer.from_pretrained(folder)
    given = {**words(LONG.words, return_tensors="pt"), "labels": parser.tensors([LONG])["labels"]}
    with torch.inference_mode():
        before = loaded(**given).logits
        assert torch.equal(before, measured(**given).logits)
        assert words.add_tokens([AddedToken("walk", single_word=True)]) == 1
        loaded.resize_token_embeddings(len(words))
        assert torch.allclose(loaded(**given).logits[..., : len(VOCABULARY)], before, atol=1e-5)
    assert words("walk walked").input_ids == [len(VOCABULARY), VOCABULARY["<unk>"], VOCABULARY["</s>"]]
    card = (folder / "card.md").read_text()
    assert "16 sentences such as" in card
    assert "contamination: none" in card
    assert "| new combinations | 6 |" in card
