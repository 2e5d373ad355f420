"""The lm-eval bridge against log-likelihoods and outputs computed by hand, and what it refuses."""

from __future__ import annotations

import json
import logging
import math
import os
import random
import re
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from suite.errors import MethodError, UsageError
from suite.models.hooks import Scale, hooked, residual
from suite.models.lmeval import evaluate, task_names
from tasks.lmeval.task import MINI

CHARACTERS = string.ascii_letters + " .,:>\n"
CHOICE = {
    "dataset_path": "json",
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": "{{text}}",
    "doc_to_choice": "choices",
    "doc_to_target": "label",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}
ROWS = [
    {"text": "a b c", "choices": ["d", "zz", "e f"], "label": 0},
    {"text": "one two", "choices": ["three", "four"], "label": 1},
    {"text": "a b", "choices": ["c", "q"], "label": 1},
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """One token a character."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: k for k, token in enumerate(["<unk>", "<s>", "</s>", *CHARACTERS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    inner.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


def tiny(*, tied: bool = False) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=3 + len(CHARACTERS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=tied,
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    return model


def folder(path: Path, config: Any, rows: Any = ROWS, name: str = "mine") -> Path:
    """A folder of one task; JSON is YAML too."""
    given = {"task": name, "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}}} | config
    (path / f"{name}.yaml").write_text(json.dumps(given))
    (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@torch.no_grad()
def log_probabilities(model: Any, ids: list[int]) -> Tensor:
    """Of each token but the first, given those before it."""
    log_p = model(torch.tensor([ids])).logits[0, :-1].double().log_softmax(-1)
    return log_p[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]


def likelihood(model: Any, tokenizer: Any, context: str, continuation: str) -> float:
    begin, whole = (tokenizer(text).input_ids for text in (context, context + continuation))
    assert whole[: len(begin)] == begin
    return float(log_probabilities(model, whole)[len(begin) - 1 :].sum())


@torch.no_grad()
def greedy(model: Any, tokenizer: Any, context: str, most: int) -> str:
    ids = tokenizer(context).input_ids
    n = len(ids)
    for _ in range(most):
        following = int(model(torch.tensor([ids])).logits[0, -1].argmax())
        if following == tokenizer.eos_token_id:
            break
        ids.append(following)
    return str(tokenizer.decode(ids[n:], skip_special_tokens=True)).split("\n")[0]


def check_mini(model: Any, tokenizer: Any, limit: int) -> None:
    """lm-eval on the packaged tasks against loops over single documents."""
    found = evaluate(model, tokenizer, include=MINI, limit=limit, batch_size=5)
    values = {(score.metric, score.slice): score for score in found.scores}
    documents = [json.loads(line) for line in (MINI / "choice.jsonl").read_text().splitlines()][:limit]
    hits, normed = [], []
    for document, logged in zip(documents, found.logged["mini_choice"], strict=True):
        by_hand = [likelihood(model, tokenizer, document["text"], c) for c in document["choices"]]
        assert [answer[0] for answer in logged["filtered_resps"]] == pytest.approx(by_hand, abs=1e-4)
        hits.append(float(np.argmax(by_hand) == document["label"]))
        per_character = [p / len(c) for p, c in zip(by_hand, document["choices"], strict=True)]
        normed.append(float(np.argmax(per_character) == document["label"]))
    assert values["acc", "mini_choice"].value == pytest.approx(np.mean(hits))
    assert values["acc_norm", "mini_choice"].value == pytest.approx(np.mean(normed))
    assert values["acc", "mini_choice"].n == limit
    assert [sample.correct for sample in found.samples[:limit]] == hits

    documents = [json.loads(line) for line in (MINI / "reverse.jsonl").read_text().splitlines()][:limit]
    words = [re.match(r"^\s*(\w+)", greedy(model, tokenizer, d["text"], 8)) for d in documents]
    right = [float(w is not None and w[1] == d["answer"]) for w, d in zip(words, documents, strict=True)]
    assert values["exact_match", "mini_reverse:first-word"].value == pytest.approx(np.mean(right))
    assert [sample.correct for sample in found.samples[limit:]] == right
    assert [s.index for s in found.samples] == list(range(2 * limit))
    outputs = [w[1] if w else "[invalid]" for w in words]
    assert [sample.output for sample in found.samples[limit:]] == outputs


def test_the_packaged_tasks_give_what_a_loop_over_single_documents_gives(tokenizer: Any) -> None:
    check_mini(tiny(), tokenizer, 6)


def test_the_packaged_tasks_on_the_packaged_model() -> None:
    from suite.models import load

    loaded = load("lm-icl")
    check_mini(loaded.model, loaded.tokenizer, 12)


def test_perplexities_are_those_of_the_whole_text(tokenizer: Any, tmp_path: Path) -> None:
    rows = [{"text": "one two three."}, {"text": "a b"}]
    names = ("word_perplexity", "byte_perplexity", "bits_per_byte")
    config = {
        "dataset_path": "json",
        "test_split": "test",
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [{"metric": name} for name in names],
    }
    model = tiny()
    found = evaluate(model, tokenizer, ["mine"], include=folder(tmp_path, config, rows))
    total = sum(float(log_probabilities(model, [1, *tokenizer(r["text"]).input_ids]).sum()) for r in rows)
    values = {score.metric: score.value for score in found.scores}
    assert values["word_perplexity"] == pytest.approx(math.exp(-total / 5), rel=1e-4)
    assert values["byte_perplexity"] == pytest.approx(math.exp(-total / 17), rel=1e-4)
    assert values["bits_per_byte"] == pytest.approx(-total / 17 / math.log(2), rel=1e-4)
    assert not found.right and not found.samples


def test_a_modified_model_is_measured_as_it_is(tokenizer: Any, tmp_path: Path) -> None:
    """An output matrix cut loose from the embeddings is not tied to them again."""
    model = tiny(tied=True)
    model.lm_head.weight = nn.Parameter(torch.randn(model.lm_head.weight.shape))
    kept = model.lm_head.weight
    found = evaluate(model, tokenizer, include=folder(tmp_path, CHOICE))
    expected = [likelihood(model, tokenizer, "a b c", f" {c}") for c in ("d", "zz", "e f")]
    assert [a[0] for a in found.logged["mine"][0]["filtered_resps"]] == pytest.approx(expected, abs=1e-4)
    assert model.lm_head.weight is kept


def test_activation_hooks_reach_into_the_evaluation(tokenizer: Any, tmp_path: Path) -> None:
    model, include = tiny(), folder(tmp_path, CHOICE)
    with hooked(model, Scale(residual(0), -3.0)):
        found = evaluate(model, tokenizer, include=include)
        expected = [likelihood(model, tokenizer, "a b c", f" {c}") for c in ("d", "zz", "e f")]
    got = [a[0] for a in found.logged["mine"][0]["filtered_resps"]]
    assert got == pytest.approx(expected, abs=1e-4)
    plain = evaluate(model, tokenizer, include=include).logged["mine"][0]["filtered_resps"]
    assert got != pytest.approx([a[0] for a in plain], abs=1e-2)


def test_the_texts_of_a_sample_are_prompt_choice_and_answer(tokenizer: Any, tmp_path: Path) -> None:
    model = tiny()
    found = evaluate(model, tokenizer, include=folder(tmp_path, CHOICE), samples=2)
    by_hand = [likelihood(model, tokenizer, "one two", f" {c}") for c in ("three", "four")]
    sample = found.samples[1]
    assert (sample.input, sample.target) == ("one two", " four")
    assert sample.output == (" three", " four")[int(np.argmax(by_hand))]
    assert found.samples[2].input is None and len(found.samples) == 3


def test_nothing_is_left_changed(tokenizer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    include = folder(tmp_path, CHOICE)
    model = tiny().train()
    evaluate(model, tokenizer, include=include)  # whatever loads once has loaded now
    random.seed(1), np.random.seed(2), torch.manual_seed(3)

    def state() -> Any:
        generators = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        levels = [logging.getLogger(name).level for name in (None, "lm_eval", "datasets", "transformers")]
        return dict(os.environ), generators, levels, torch.is_grad_enabled(), tokenizer.pad_token

    before = state()
    capsys.readouterr()
    evaluate(model, tokenizer, include=include)
    assert state() == before
    assert model.training and tokenizer.pad_token is None
    assert capsys.readouterr() == ("", "")


def test_tasks_are_named_singly_by_group_by_tag_or_not_at_all(tokenizer: Any, tmp_path: Path) -> None:
    for name in ("first", "second"):
        folder(tmp_path, CHOICE | {"tag": "marked"}, name=name)
    folder(tmp_path, CHOICE, name="third")
    (tmp_path / "some.yaml").write_text(json.dumps({"group": "some", "task": ["third", "first"]}))
    assert task_names(tmp_path) == ["first", "second", "third"]
    model = tiny()
    for names, expected in ((["some"], "third first"), (["marked"], "first second"), (["second"], "second")):
        assert evaluate(model, tokenizer, names, include=tmp_path).tasks == tuple(expected.split())


def test_groups_in_a_circle_are_one_line(tokenizer: Any, tmp_path: Path) -> None:
    for name, member in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.yaml").write_text(json.dumps({"group": name, "task": [member]}))
    with pytest.raises(UsageError, match="in a circle"):
        evaluate(tiny(), tokenizer, ["a"], include=tmp_path)


def test_shown_examples_are_drawn_by_their_seed(tokenizer: Any, tmp_path: Path) -> None:
    config = CHOICE | {"num_fewshot": 2, "fewshot_split": "test", "fewshot_config": {"sampler": "default"}}
    model, include = tiny(), folder(tmp_path, config, ROWS * 4)

    def prompts(seed: int) -> list[str]:
        found = evaluate(model, tokenizer, include=include, fewshot_seed=seed)
        return [one["arguments"][0][0] for one in found.logged["mine"]]

    assert prompts(1) == prompts(1) != prompts(2)


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_data_come_as_a_table_or_a_list_too(kind: str, tokenizer: Any, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import csv, parquet

    config = CHOICE | {"dataset_path": kind, "dataset_kwargs": {"data_files": {"test": f"data.{kind}"}}}
    config |= {"doc_to_choice": ["three", "four"]}
    rows = [{"text": row["text"], "label": row["label"]} for row in ROWS]
    expected = evaluate(
        tiny(), tokenizer, include=folder(tmp_path, CHOICE | {"doc_to_choice": ["three", "four"]})
    )
    folder(tmp_path, config)
    path = tmp_path / f"data.{kind}"
    table = pa.Table.from_pylist(rows)
    if kind == "csv":
        csv.write_csv(table, path)
    elif kind == "parquet":
        parquet.write_table(table, path)
    else:
        path.write_text(json.dumps(rows))
    assert evaluate(tiny(), tokenizer, include=tmp_path).scores == expected.scores


HUB = {"dataset_path": "allenai/ai2_arc", "dataset_kwargs": None}
OUTSIDE = {"dataset_kwargs": {"data_files": {"test": "../elsewhere.jsonl"}}}
MISSING = {"dataset_kwargs": {"data_files": {"test": "gone.jsonl"}}}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (HUB, "'mine' in .*mine.yaml: data set 'allenai/ai2_arc' would come from a hub"),
        (OUTSIDE, "elsewhere.jsonl is outside the folder"),
        (MISSING, "gone.jsonl is missing"),
        ({"dataset_name": "de"}, "data_files alone"),
        ({"metric_list": [{"metric": "rouge", "hf_evaluate": True}]}, "'rouge' would be fetched"),
        ({"metric_list": [{"metric": "sharpness"}]}, "'sharpness' is none of lm-eval's own"),
        ({"class": "string.Formatter"}, "Python class"),
        ({"output_type": "telepathy"}, "telepathy"),
        ({"doc_to_target": "{{ label"}, "mine.yaml: Template"),
        ({"test_split": "train"}, "mine.yaml: KeyError"),
        ({"no_such_key": 1}, "no_such_key"),
    ],
)
def test_a_task_that_says_something_wrong_is_one_line(
    change: Any, line: str, tokenizer: Any, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=line) as error:
        evaluate(tiny(), tokenizer, include=folder(tmp_path, CHOICE | change))
    assert "\n" not in str(error.value)


def test_a_task_may_build_on_another_file_of_the_folder_alone(tokenizer: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    plain = evaluate(tiny(), tokenizer, include=folder(tmp_path, CHOICE, name="plain"))
    include = folder(tmp_path / "in", {"include": "base.yml"})
    (include / "base.yml").write_text(json.dumps(CHOICE))
    assert evaluate(tiny(), tokenizer, include=include).scores[0].value == plain.scores[0].value
    folder(include, {"include": "../plain.yaml"})
    with pytest.raises(UsageError, match="plain.yaml is outside the folder"):
        evaluate(tiny(), tokenizer, include=include)


def test_unknown_names_and_folders_are_one_line(tokenizer: Any, tmp_path: Path) -> None:
    model = tiny()
    with pytest.raises(UsageError, match="holds no lm-eval task"):
        evaluate(model, tokenizer, include=tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        evaluate(model, tokenizer, include=tmp_path / "gone")
    folder(tmp_path, CHOICE)
    with pytest.raises(UsageError, match=r"'yours' is not in .*\(mine\)"):
        evaluate(model, tokenizer, ["yours"], include=tmp_path)
    (tmp_path / "broken.yaml").write_text("task: [")
    with pytest.raises(UsageError, match="broken.yaml cannot be read"):
        evaluate(model, tokenizer, ["broken"], include=tmp_path)
    (tmp_path / "mine.jsonl").write_text("{")
    with pytest.raises(UsageError, match="mine.jsonl is no JSON"):
        evaluate(model, tokenizer, ["mine"], include=tmp_path)
    with pytest.raises(UsageError, match="limit 0"):
        evaluate(model, tokenizer, include=tmp_path, limit=0)


def test_a_model_that_fails_is_the_methods_fault(tokenizer: Any, tmp_path: Path) -> None:
    model = tiny()
    model.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(MethodError, match="lm-eval on mine: ZeroDivisionError"):
        evaluate(model, tokenizer, include=folder(tmp_path, CHOICE))
