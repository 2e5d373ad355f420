"""Multiple choice: choices read out of prompts, folders of lm-eval tasks, and what is counted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

import suite.data
from suite.api import Context, Score
from suite.errors import UsageError
from suite.models._lmeval_tasks import build
from suite.plan import plan
from suite.runner import validated
from tasks.quantization import lm_folders
from tasks.quantization.choices import FORMS, Document, document, documents, thinned
from tasks.quantization.contract import Calibration, Precision, Quantized, Quantizer
from tasks.quantization.zeroshot import ZeroShot, choice_scores

MARKED = (
    "Given the options below, select the most suitable answer for the following question:\n"
    "Why?\nOptions:\n- ignore\n- yell at\n\n- go, now\n- d\n- e\n"
)
SCIENCE = "Q: What?\n\n\n Choices:\n\n- one\n\n- two\n\n- three\n\n- four\n\nA:\n"
SOCIAL = "Jan works.\n\nGiven the context: Why?\n\nPossible answers: to eat, to sleep, no reason\n"
PAIR = 'Choose between "ice" and  "snow".\nQuestion: It slid on the _____ (A) snow (B) ice\n'
ASKED = "Question: It slid on the _____\nAnswer:"
READ = (
    "Answer the following question given this paragraph: \n\nIt is\n so.\n\n\nQ: What?\n\n"
    " Choices:\n\n- one\n\n- two\n\n- three\n\n- four\n\nA:\n"
)
FACTS = "What is it?\n\nAnswer choices:\n" + "".join(f"- {c}\n " for c in "abcdefgh")
LETTERS = (
    "Story. \nAccording to the above context, choose the best option to answer the following question.\n"
    "Question: Who ?\nOptions:\nA. None .\nB. I did .\nC. You did .\nD. We .\n"
)
TALK = "Dialogue:\n\nM: - No.\n\nQuestion: What? \n\n- Yes.\n\n- No.\n\n- He left.\n"


@pytest.mark.parametrize(
    ("name", "prompt", "completion", "text", "choices", "label"),
    [
        (
            "commonsense_qa",
            MARKED,
            "yell at",
            "Question: Why?",
            ("ignore", "yell at", "go, now", "d", "e"),
            1,
        ),
        ("sciq", READ, "two", "It is\n so.\nQuestion: What?", ("one", "two", "three", "four"), 1),
        (
            "sciq",
            READ.replace("It is\n so.", ""),
            "two",
            "Question: What?",
            ("one", "two", "three", "four"),
            1,
        ),
        ("sciq_closed", SCIENCE, "four", "Question: What?", ("one", "two", "three", "four"), 3),
        (
            "social_i_qa",
            SOCIAL,
            "to eat",
            "Jan works.\nQuestion: Why?",
            ("to eat", "to sleep", "no reason"),
            0,
        ),
        ("qasc", FACTS, "h", "Question: What is it?", tuple("abcdefgh"), 7),
        ("quarel", PAIR, "snow", "Question: It slid on the _____", ("ice", "snow"), 1),
        ("cosmos_qa", LETTERS, "C", "Story.\nQuestion: Who ?", ("None .", "I did .", "You did .", "We ."), 2),
        ("dream", TALK, "He left.", "M: - No.\nQuestion: What?", ("Yes.", "No.", "He left."), 2),
    ],
)
def test_a_question_is_asked_without_its_choices_which_are_those_of_the_prompt(
    name: str, prompt: str, completion: str, text: str, choices: tuple[str, ...], label: int
) -> None:
    read = document(FORMS[name], prompt, f"{completion} ")
    assert read == Document(f"{text}\nAnswer:", choices, label)


def test_a_question_with_a_paragraph_is_asked_as_lm_evals_sciq_asks_it() -> None:
    import lm_eval.tasks
    from jinja2 import Template

    own = Path(next(iter(lm_eval.tasks.__path__))) / "sciq" / "sciq.yaml"
    (line,) = (line for line in own.read_text().splitlines() if line.startswith("doc_to_text"))
    template = Template(json.loads(line.partition(": ")[2]))
    read = document(FORMS["sciq"], READ, "two")
    assert read is not None
    assert read.text == template.render(support="It is\n so.", question="What?")


@pytest.mark.parametrize(
    ("name", "prompt", "completion"),
    [
        ("commonsense_qa", MARKED, "yell"),  # no choice
        ("commonsense_qa", MARKED.replace("- d\n", ""), "e"),  # one too few
        ("commonsense_qa", MARKED.replace("- d\n", "- e\n"), "e"),  # twice
        ("social_i_qa", SOCIAL.replace("to eat", "to eat, drink"), "to sleep"),  # a comma inside one
        ("social_i_qa", SOCIAL + "Well?\n", "to eat"),
        ("cosmos_qa", LETTERS, "E"),
        ("cosmos_qa", LETTERS.replace("B.", "D."), "A"),
        ("quarel", "Choose.\n", "ice"),
        ("quarel", PAIR.replace("(B)", "(C)"), "ice"),  # the choices cannot be cut off
        ("dream", TALK.removeprefix("Dialogue:"), "Yes."),
        ("sciq_closed", SCIENCE[:-20], "one"),  # cut
    ],
)
def test_what_is_not_read_exactly_is_dropped(name: str, prompt: str, completion: str) -> None:
    assert document(FORMS[name], prompt, completion) is None


def test_documents_and_dropped_rows_are_counted_by_set() -> None:
    rows = [
        {"task": FORMS["quarel"].task, "prompt": PAIR, "completion": "ice"},
        {"task": FORMS["quarel"].task, "prompt": PAIR, "completion": "rain"},
        {"task": "xsum_DOC_tldr", "prompt": "a", "completion": "b"},
    ]
    found, dropped = documents(rows)
    assert found["quarel"] == [Document(ASKED, ("ice", "snow"), 0)]
    assert dropped == {name: int(name == "quarel") for name in FORMS}


def test_a_part_is_spread_over_the_whole() -> None:
    rows = [Document(str(k), (), 0) for k in range(10)]
    assert [int(row.text) for row in thinned(rows, 4)] == [0, 2, 5, 7]
    assert thinned(rows, None) == thinned(rows, 10) == rows


def test_the_real_rows_parse_or_are_counted() -> None:
    if not os.environ.get("SUITE_DATA_DIR"):
        pytest.skip("qa_t0 is not in SUITE_DATA_DIR")
    found, dropped = documents(suite.data.read(lm_folders.LOCAL).to_pylist())
    assert {name: len(rows) + dropped[name] for name, rows in found.items()} == dict.fromkeys(FORMS, 200)
    # the rows that list one choice twice
    assert {name: n for name, n in dropped.items() if n} == {"commonsense_qa": 5, "sciq": 9, "sciq_closed": 7}


def test_a_local_folder_gives_lm_eval_prompts_and_choices(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = [{"task": FORMS["quarel"].task, "prompt": PAIR, "completion": c} for c in ("ice", "snow", "rain")]
    monkeypatch.setattr(suite.data, "read", lambda name: pa.Table.from_pylist(rows))
    assert lm_folders.local(tmp_path, ["quarel"], None) == 1
    made = build(tmp_path, ["quarel"])["quarel"]
    one, two = made.test_docs()
    assert (made.doc_to_text(one), made.doc_to_choice(one)) == (ASKED, ["ice", "snow"])
    assert (made.doc_to_target(one), made.doc_to_target(two)) == (0, 1)
    requests = made.construct_requests(doc=one, ctx=ASKED, apply_chat_template=False, chat_template=None)
    assert [request.args for request in requests] == [(ASKED, " ice"), (ASKED, " snow")]


HUB: dict[str, list[dict[str, Any]]] = {
    "arc": [{"question": "Why?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"}],
    "hellaswag": [
        {"ctx_a": "He", "ctx_b": "sits", "activity_label": "Rest", "endings": ["x", "y"], "label": "1"}
    ],
    "winogrande": [{"sentence": "Ann saw _ there", "option1": "Bo", "option2": "Cy", "answer": "2"}],
    "boolq": [{"question": "is it", "passage": "It is.", "answer": True}],
    "piqa": [{"goal": "Open", "sol1": "Pull", "sol2": "Push", "label": 1}],
}
MMLU = [
    {"question": f" Q{k}", "choices": list("wxyz"), "answer": k, "subject": s}
    for s in ("abstract_algebra", "anatomy")
    for k in range(3)
]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The papers' files with a row each."""

    def resolve(name: str) -> Path:
        path = tmp_path / name.replace("/", "-")
        parquet.write_table(pa.Table.from_pylist(HUB[name.partition("/")[0]]), path)
        return path

    monkeypatch.setattr(suite.data, "resolve", resolve)
    monkeypatch.setattr(suite.data, "read", lambda name: pa.Table.from_pylist(MMLU))


@pytest.mark.usefixtures("hub")
def test_the_papers_sets_have_lm_evals_own_prompts(tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    lm_folders.paper(tmp_path / "sets", list(lm_folders.PAPER))
    made = build(tmp_path / "sets", list(lm_folders.PAPER))
    docs = {name: next(iter(one.eval_docs)) for name, one in made.items()}
    assert made["arc_challenge"].doc_to_text(docs["arc_challenge"]) == "Question: Why?\nAnswer:"
    assert made["arc_easy"].doc_to_target(docs["arc_easy"]) == 1
    assert made["hellaswag"].doc_to_text(docs["hellaswag"]) == "Rest: He Sits"
    assert made["winogrande"].doc_to_choice(docs["winogrande"]) == ["Ann saw Bo", "Ann saw Cy"]
    assert made["boolq"].doc_to_text(docs["boolq"]) == "It is.\nQuestion: is it?\nAnswer:"
    assert made["boolq"].doc_to_target(docs["boolq"]) == 1
    assert made["piqa"].doc_to_choice(docs["piqa"]) == ["Pull", "Push"]


@pytest.mark.usefixtures("hub")
def test_mmlu_is_a_task_for_each_subject_with_its_own_examples(tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    lm_folders.paper(tmp_path / "sets", ["mmlu_5shot"])
    made = build(tmp_path / "sets", ["mmlu_5shot"])
    assert sorted(made) == ["mmlu_5shot_abstract_algebra", "mmlu_5shot_anatomy"]
    one = made["mmlu_5shot_anatomy"]
    doc = next(iter(one.eval_docs))
    assert one.doc_to_text(doc) == "Q0\nA. w\nB. x\nC. y\nD. z\nAnswer:"
    assert one.config.num_fewshot == 5 and len(list(one.fewshot_docs())) == 3
    head = "The following are multiple choice questions (with answers) about anatomy.\n\n"
    assert one.config.description == head


def test_a_set_that_nobody_knows_is_one_line() -> None:
    with pytest.raises(UsageError, match="no set 'arc'; there are arc_easy"):
        ZeroShot(suite="paper", names="arc")
    with pytest.raises(ValueError, match="suite 'hub': one of mini, local, paper"):
        ZeroShot(suite="hub")  # type: ignore[arg-type]


def test_accuracy_weighs_documents_and_acc_weighs_sets() -> None:
    of_sets = [Score("acc", 0.5, 20, "a"), Score("acc_norm", 0.25, 20, "a"), Score("acc", 1.0, 60, "b")]
    found = {(s.metric, s.slice): s for s in choice_scores(of_sets, "all")}
    assert found["accuracy", "all"] == Score("accuracy", 0.875, 80)
    assert found["acc", "all"] == Score("acc", 0.75, 80)
    assert found["acc_norm", "all"] == Score("acc_norm", 0.25, 20)
    assert found["acc", "b"].value == 1.0
    assert {s.slice for s in choice_scores(of_sets, "W8A8")} == {"W8A8", "W8A8/a", "W8A8/b"}


class Reversed(Quantizer):
    """Prefers what the float model finds least likely."""

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        def turn(_: Any, args: Any, output: Any) -> Any:
            output.logits = -output.logits
            return output

        model.register_forward_hook(turn)
        return Quantized(model, 4.0, 4.0, 0.0)


class Same(Quantizer):
    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        return Quantized(model, 16.0, 16.0, 0.0)


def test_the_task_measures_the_quantized_model() -> None:
    planned = plan("zeroshot", "fp", "smoke")
    made: Any = planned.task_instance
    ctx, other = Context(0), Context(0)
    good, bad = (
        {(r.metric, r.slice): r.value for r in validated(made.run(m, c), planned.task_spec)}
        for m, c in ((Same(), ctx), (Reversed(), other))
    )
    # lm-icl was trained to turn words round, which is what the packaged set asks for
    assert good["accuracy", "all"] > 0.8 > 0.2 > bad["accuracy", "all"]
    assert good["dropped", "all"] == 0 and good["weight_bits", "W4A4KV4"] == 16.0
    assert good["acc", "mini_choice"] == good["accuracy", "all"]
    assert len(ctx.samples) == 16
    right = torch.tensor([sample.correct for sample in ctx.samples]).mean()
    assert good["accuracy", "all"] == pytest.approx(float(right))


def test_what_was_found_survives_a_kill_with_its_samples(tmp_path: Path) -> None:
    made: Any = plan("zeroshot", "fp", "smoke").task_instance
    first, again = (Context(0, checkpoint=tmp_path) for _ in range(2))
    before = list(made.run(Same(), first))
    assert json.loads((tmp_path / "found.json").read_text()).keys() == {"W4A4KV4"}
    assert list(made.run(Reversed(), again)) == before  # from the file
    assert again.samples == first.samples
