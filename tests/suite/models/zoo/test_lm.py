"""The language model's recipe: what it trains on, what its scores count, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import killed
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from suite.models.zoo import lm, lm_scores, lm_text
from suite.models.zoo.fit import as_stored
from suite.models.zoo.lm import LM_ICL, LmRecipe, training_row
from suite.models.zoo.lm_scores import exact_match, guess, measure
from suite.models.zoo.lm_tasks import TASKS, Example, split_of, trained_with
from suite.models.zoo.lm_text import IGNORED, VOCABULARY, Row, padded, prompt, row, tokenizer
from suite.models.zoo.recipe import Workshop, train

SHOWN = [Example("abc", "cba", True), Example("de", "ed", True)]


def tiny(**more: object) -> LmRecipe:
    small = {"hidden": 16, "layers": 1, "heads": 2, "inner": 16, "length": 40, "steps": 4, "batch": 3}
    return replace(LM_ICL, name="tiny", warmup=1, tested=2, **{**small, **more})  # type: ignore[arg-type]


def spelt(ids: list[int]) -> str:
    names = {i: token for token, i in VOCABULARY.items()}
    return "".join(names[i] for i in ids)


def test_the_prompt_and_the_episode_are_one_text() -> None:
    whole = row([*SHOWN, Example("xyz", "zyx", True)], "reverse")
    asked = prompt(SHOWN, "xyz", "reverse")
    assert asked == "reverse: abc>cba\nde>ed\nxyz>"
    assert spelt(whole.ids) == f"<bos>{asked}zyx\n"
    assert whole.ids[: len(asked) + 1] == tokenizer()(asked).input_ids
    assert tokenizer().decode(whole.ids[1:]) == f"{asked}zyx\n"


def test_only_known_answers_are_predicted_with_the_end_of_their_line() -> None:
    episode = row([Example("ab", "x", False), Example("cd", "yz", True)])
    goals = "".join("_" if i == IGNORED else spelt([i]) for i in episode.goal)
    assert goals == "_" + "_____" + "___yz\n"
    asked = row([Example("ab", "x", True), Example("cd", "yz", False)], only_last=True)
    assert [i for i in asked.goal if i != IGNORED] == [*lm_text.encode("yz\n")]


def test_goals_stand_one_place_before_their_token() -> None:
    ids, goal = padded([row(SHOWN[1:]), row(SHOWN[:1], "reverse")])
    for sequence, wanted in zip(ids.tolist(), goal.tolist(), strict=True):
        for place, token in enumerate(wanted):
            assert token in (IGNORED, sequence[place + 1] if place + 1 < len(sequence) else None)
    assert goal[1, -1] == IGNORED
    assert ids[0, -1] == VOCABULARY["<pad>"]


def test_training_shows_no_held_out_task_format_or_question() -> None:
    formats = set()
    for seed in range(300):
        text = spelt(training_row(Random(seed), 80).ids).removeprefix("<bos>")
        assert len(text) <= 79
        name, told, lines = text.rpartition(": ")
        assert not told or trained_with(name, True)
        formats.add(name)
        for line in lines.splitlines():
            question, _, answer = line.partition(">")
            assert split_of(question) == "train"
            assert not told or TASKS[name].memory or not TASKS[name].named or answer
    assert formats == {"", *(name for name in TASKS if trained_with(name, True))}


def test_training_by_examples_alone_never_draws_a_task_held_out_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: set[tuple[str, bool]] = set()
    original = lm.TASKS

    class Watched(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            def episode(rng: Random, split: str, instructed: bool) -> Any:
                drawn.add((name, instructed))
                return original[name].episode(rng, split, instructed)  # type: ignore[arg-type]

            return SimpleNamespace(episode=episode)

    monkeypatch.setattr(lm, "TASKS", Watched())
    for seed in range(600):
        training_row(Random(seed), 80)
    assert drawn == {(n, told) for n in original for told in (True, False) if trained_with(n, told)}


class Parrot:
    """Says at each place what `say` maps the token there to, as a model with a one-hot state."""

    def __init__(self, say: Callable[[Tensor], Tensor]) -> None:
        self.say = say

    def model(self, input_ids: Tensor, use_cache: bool) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=self.say(input_ids))

    def lm_head(self, states: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(states, len(VOCABULARY))


def test_exact_match_needs_every_token_and_the_end() -> None:
    rows = [row(SHOWN, only_last=True), row([Example("de", "edd", True)], only_last=True)]
    _, goal = padded(rows)
    right = goal.clamp(min=0)
    assert exact_match(Parrot(lambda ids: right), rows) == 100
    wrong = right.clone()
    place = int((goal[1] != IGNORED).nonzero()[-1])
    assert goal[1, place] == VOCABULARY["\n"]
    wrong[1, place] = VOCABULARY["e"]
    assert exact_match(Parrot(lambda ids: wrong), rows) == 50


def test_one_pass_gives_the_verdict_of_greedy_decoding() -> None:
    torch.manual_seed(0)
    model = tiny().model().eval()
    hits = 0
    for seed in range(4):
        start = prompt([Example("ab", "b", True)], "cd"[seed % 2] * (1 + seed))
        ids = [VOCABULARY["<bos>"], *lm_text.encode(start)]
        said = model.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=2,
            do_sample=False,
            eos_token_id=None,
        )[0, len(ids) :].tolist()
        for answer in (said, [said[0], VOCABULARY["q"]]):
            asked = Row(ids + answer, [IGNORED] * len(ids) + answer)
            assert (exact_match(model, [asked]) == 100) == (answer == said)
            hits += answer == said
    assert hits >= 4


def test_a_guess_is_the_better_of_the_commonest_answer_and_a_copied_one() -> None:
    def asked(*answers: str) -> list[Example]:
        return [Example(str(i), answer, True) for i, answer in enumerate(answers)]

    assert guess([asked("x", "y", "a"), asked("x", "y", "a"), asked("x", "y", "b")]) == pytest.approx(200 / 3)
    # a shot's answer: 1/2, 1 and 0 of the shots, the commonest 1/3
    copied = [asked("a", "y", "a"), asked("b", "b", "b"), asked("x", "y", "c")]
    assert guess(copied) == pytest.approx(50.0)


def test_scores_ask_both_formats_the_same_questions_of_the_test_split() -> None:
    for name in ("reverse", "cipher", "lookup", "skip"):
        for shots in (1, 2, 4):
            episodes = lm_scores.episodes_to_test(name, shots, 5)
            assert [len(episode) for episode in episodes] == [shots + 1] * 5
            assert all(split_of(e.question) == "test" for episode in episodes for e in episode)
            assert all(episode[-1].known for episode in episodes)
    assert lm_scores.episodes_to_test("copy", 0, 3) == lm_scores.episodes_to_test("copy", 0, 3)


def test_tables_keep_held_out_tasks_and_formats_apart(tmp_path: Path) -> None:
    torch.manual_seed(0)
    scores = measure(tiny().model().eval(), 2, Workshop(tmp_path, tmp_path))
    scores = replace(scores, found={k: 50.0 if trained_with(k[0], k[1]) else 0.0 for k in scores.found})
    trained, out = scores.tables()
    cells = {str(line[0]): line[2:] for line in trained.rows}
    assert cells["drop"] == ("0.0*",) * 4 + (50.0,) * 3
    assert cells["sort"] == (50.0,) * 4 + ("0.0*",) * 3
    assert cells["lookup"][0] == "-"
    assert cells["**mean**"] == (50.0,) * 7
    assert {str(line[0]) for line in out.rows} == {n for n in TASKS if TASKS[n].held_out} | {"**mean**"}
    assert out.rows[-1][2:] == (0.0,) * 7
    assert scores.mean(0) == pytest.approx(50 * 16 / 24)


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


def test_a_small_model_learns_from_what_it_is_shown(tmp_path: Path) -> None:
    _, losses = tiny(steps=40, lr=0.01, batch=8).fit(Workshop(tmp_path, tmp_path))
    assert sum(losses[-5:]) / 5 < 0.85 * losses[0]


def test_the_saved_model_is_the_measured_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lm_scores, "TASKS", {n: TASKS[n] for n in ("copy", "skip")})
    monkeypatch.setattr(lm_scores, "TRAINED", ("copy",))
    folder = train(tiny(), tmp_path / "out", Workshop(tmp_path / "work", tmp_path))
    kept = load_file(folder / "model.safetensors")
    assert {value.dtype for value in kept.values()} == {torch.float16}
    measured, _ = tiny().fit(Workshop(tmp_path / "work", tmp_path))
    as_stored(measured)
    loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    words = AutoTokenizer.from_pretrained(folder)
    inputs = words("reverse: abc>cba\nde>", return_tensors="pt")
    with torch.inference_mode():
        assert torch.equal(loaded(**inputs).logits, measured(input_ids=inputs.input_ids).logits)
    assert loaded.generation_config.eos_token_id == [VOCABULARY["<eos>"], VOCABULARY["\n"]]
    assert (words.pad_token, words.bos_token, words.eos_token) == ("<pad>", "<bos>", "<eos>")
    card = (folder / "card.md").read_text()
    assert "### Trained tasks" in card
    assert "### Held-out tasks" in card
    assert "12 episodes of 23 tasks; no data from elsewhere" in card
