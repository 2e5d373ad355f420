"""Language models as readers: batches, room in the context, difficulty against plain log-probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_lms
import torch

from methods.compositional.icl.learner import InContext
from methods.compositional.icl.prompt import prompt
from methods.compositional.icl.readers import Limits, language_model
from suite.api import Context
from suite.errors import Skip
from tasks.compositional.contract import Example, Problem

TRAIN = [
    Example("walk", "W"),
    Example("walk twice", "W W"),
    Example("run left", "L R"),
    Example("run twice", "R R"),
    Example("look", "K"),
]
QUERIES = ["run", "look twice", "walk left", "look left twice", "run"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random Llama with a context of 160 tokens, as any base model lies in a folder."""
    where = tmp_path_factory.mktemp("model")
    model = tiny_lms.model("llama")
    model.config.max_position_embeddings = 160
    model.save_pretrained(where)
    tiny_lms.tokenizer().save_pretrained(where)
    return str(where)


def reader(folder: str, batch: int = 3, max_new_tokens: int = 6) -> Any:
    return language_model(folder, device="cpu", dtype="float32", limits=Limits(batch, max_new_tokens))


def test_batched_answers_are_those_of_one_by_one(folder: str) -> None:
    prompts = [prompt(TRAIN[i : i + 2], query) for i, query in enumerate(QUERIES)]
    together = reader(folder).answers(prompts)
    assert together == [reader(folder, batch=1).answers([text])[0] for text in prompts]
    assert len(set(together)) > 1


def test_an_answer_is_the_greedy_continuation_up_to_the_end_of_the_line(folder: str) -> None:
    model, tokenizer = tiny_lms.model("llama"), tiny_lms.tokenizer()
    text = prompt(TRAIN[:2], "run")
    ids = tokenizer.encode(text)
    for _ in range(6):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    expected = tokenizer.decode(ids)[len(text) :].partition("\n")[0]
    assert reader(folder).answers([text]) == [" ".join(expected.split())]


def test_the_farthest_demonstrations_go_when_the_prompt_is_too_long(folder: str) -> None:
    found = reader(folder, max_new_tokens=20)
    tokenizer = tiny_lms.tokenizer()
    kept = found.fitting(TRAIN, "run twice")
    assert kept == TRAIN[len(TRAIN) - len(kept) :]
    assert 0 < len(kept) < len(TRAIN)
    assert len(tokenizer.encode(prompt(kept, "run twice"))) <= 140
    longer = prompt(TRAIN[-len(kept) - 1 :], "run twice")
    assert len(tokenizer.encode(longer)) == found.tokens(longer) > 140
    assert found.fitting(TRAIN, "run " * 200) == []


def test_difficulty_is_the_mean_negative_log_probability_of_the_output(folder: str) -> None:
    model, tokenizer = tiny_lms.model("llama"), tiny_lms.tokenizer()
    expected = []
    for x, y in TRAIN:
        start, whole = tokenizer.encode(prompt([], x)), tokenizer.encode(f"{prompt([], x)} {y}")
        with torch.no_grad():
            steps = model(torch.tensor([whole])).logits[0].log_softmax(-1)
        own = [-float(steps[i - 1, whole[i]]) for i in range(len(start), len(whole))]
        expected.append(sum(own) / len(own))
    assert reader(folder).difficulty(TRAIN) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("selection", ["bm25", "lcs"])
def test_a_query_gets_the_same_answer_alone_in_any_order_and_once_loaded(
    folder: str, selection: str, tmp_path: Path
) -> None:
    train = [
        *(
            Example(f"{v} {d}", f"I_{d.upper()} I_{v.upper()}")
            for v in ("walk", "run")
            for d in ("left", "right")
        ),
        Example("jump", "I_JUMP"),
    ]
    queries = ["jump left", "walk right", "jump right"]
    problem = Problem("scan", train, (), frozenset(queries), None, 10)
    fields: dict[str, Any] = {"selection": selection, "shots": 2, "considered": 4, "max_new_tokens": 6}
    found = InContext(**fields).fit(problem, Context(seed=0, base_model=folder))
    answers = found.predict(queries)
    assert found.predict(queries[::-1]) == answers[::-1]
    assert [found.predict([query])[0] for query in queries] == answers
    found.save(tmp_path)
    loaded = InContext(**fields).load(tmp_path)
    assert loaded.prompts(queries) == found.prompts(queries)
    assert loaded.predict(queries) == answers


def test_demonstrations_without_room_are_counted(folder: str) -> None:
    problem = Problem("toy", TRAIN, (), frozenset(), None, 10)
    found = InContext(selection="bm25", shots=5, max_new_tokens=20).fit(
        problem, Context(seed=0, base_model=folder)
    )
    found.predict(["run twice"])
    assert found.facts["demos"] + found.facts["demo_dropped"] == 5
    assert found.facts["demo_dropped"] > 0
    (text,) = found.prompts(["run twice"])
    assert found.facts["prompt_tokens"] == len(tiny_lms.tokenizer().encode(text)) <= 140


def test_without_a_base_model_or_with_another_kind_the_pair_is_skipped() -> None:
    with pytest.raises(Skip, match="needs a base model"):
        InContext(selection="bm25").fit(Problem("toy", TRAIN, (), frozenset(), None, 10), Context(seed=0))
    for other in ("vit-32-clean", "parser-base"):  # pictures; an encoder-decoder
        with pytest.raises(Skip, match="causal language model"):
            reader(other)


def test_the_longest_answer_has_room_for_the_most_tokens_that_a_word_takes() -> None:
    class Letters:
        bos_token_id = eos_token_id = None

        def encode(self, text: str, add_special_tokens: bool) -> list[str]:
            return list(text)

    tokenizer = Letters()
    # " ab c" is 5 tokens for 2 words, " abcd" 5 for one, so 10 words can take 50, and the line an end.
    limits = Limits(1, None, 10, ("ab c", "abcd", "a b c d"))
    assert limits.tokens(tokenizer) == 51
    assert Limits(1, 7, 10, ("ab c",)).tokens(tokenizer) == 7
    assert Limits(1, None, 10, ()).tokens(tokenizer) == 11


def test_a_trained_model_reads_in_batches_as_alone() -> None:
    model, tokenizer = tiny_lms.stories()
    from types import SimpleNamespace

    from methods.compositional.icl.readers import LanguageModelReader

    loaded: Any = SimpleNamespace(model=model, tokenizer=tokenizer)
    prompts = [prompt(TRAIN[:3], query) for query in QUERIES]
    together = LanguageModelReader(loaded, Limits(4, 12)).answers(prompts)
    alone = LanguageModelReader(loaded, Limits(1, 12))
    assert together == [alone.answers([text])[0] for text in prompts]
