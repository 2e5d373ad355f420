"""Multiple choice out of prompted question answering: the question and the choices of a prompt, read exactly.

T0's prompts ask to pick out of a list, in a form of their own for each set. Small models do not: float
smollm2-135m-instruct is no better than guessing at it. So the question is asked as lm-eval asks those of ARC
and SciQ, without the list, and the choices are what may follow. What does not parse, or does not hold the
answer exactly once, is no document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

MARKED = re.compile(r"^\s*(?:-|[A-E][.:])\s+(\S.*?)\s*$")
"""A line that gives a choice: '- rain', 'A. rain' or 'A: rain'."""


class Form(NamedTuple):
    """How a set asks. task: its name in the data; read: gives the `size` choices of a prompt.

    asked: finds the `question` in the whole prompt, and the `context` where the set has any. lettered: the
    answer is a letter, A for the first choice.
    """

    task: str
    size: int
    read: Callable[[str], list[str]]
    asked: re.Pattern[str]
    lettered: bool = False


class Document(NamedTuple):
    """text: what the model reads; choices: in the prompt's order; label: the number of the right one."""

    text: str
    choices: tuple[str, ...]
    label: int


def last_block(prompt: str) -> list[str]:
    """The choices of the last run of marked lines, blank lines between them or not; [] where there is none.

    Behind it may stand one more line, the one that asks to answer ("A:").
    """
    lines = [line for line in prompt.split("\n") if line.strip()]
    if lines and lines[-1].strip() == "A:":
        lines.pop()
    found: list[str] = []
    while lines and (choice := MARKED.match(lines[-1])):
        found.insert(0, choice[1])
        lines.pop()
    return found


def listed(prompt: str) -> list[str]:
    """The choices behind "Possible answers:", separated by commas."""
    line = prompt.rstrip("\n").rpartition("\n")[2]
    head, colon, rest = line.partition("Possible answers: ")
    return [part.strip() for part in rest.split(", ")] if colon and not head else []


def quoted(prompt: str) -> list[str]:
    """The two choices of 'Choose between "a" and  "b".'"""
    found = re.match(r'Choose between "([^"]+)" and  "([^"]+)"\.\n', prompt)
    return list(found.groups()) if found else []


def _asked(pattern: str) -> re.Pattern[str]:
    """A pattern in which Q stands for the question, on one line or several, and C for the context."""
    groups = {"Q": r"(?P<question>\S.*?)\s*", "C": r"(?P<context>\S.*?)\s*"}
    return re.compile(re.sub("<([QC])>", lambda found: groups[found[1]], pattern), re.DOTALL)


FORMS: Mapping[str, Form] = {
    "commonsense_qa": Form(
        "commonsense_qa_most_suitable_answer",
        5,
        last_block,
        _asked(r"Given the options below, .*? following question:\n<Q>\nOptions:\n.*"),
    ),
    "social_i_qa": Form(
        "social_i_qa_Show_choices_and_generate_answer",
        3,
        listed,
        _asked(r"<C>\n\nGiven the context: <Q>\n\nPossible answers: .*"),
    ),
    "sciq": Form(
        "sciq_Multiple_Choice",
        4,
        last_block,
        _asked(r"Answer the following question given this paragraph:\s*(?:<C>\n\n)?Q: <Q>\n\n Choices:\n.*"),
    ),
    "sciq_closed": Form(
        "sciq_Multiple_Choice_Closed_Book_", 4, last_block, _asked(r"Q: <Q>\n\n Choices:\n.*")
    ),
    "qasc": Form("qasc_qa_with_combined_facts_1", 8, last_block, _asked(r"<Q>\n\nAnswer choices:\n.*")),
    "cosmos_qa": Form(
        "cosmos_qa_context_description_question_answer_id",
        4,
        last_block,
        _asked(r"<C>\nAccording to the above context, [^\n]*\nQuestion: <Q>\nOptions:\n.*"),
        lettered=True,
    ),
    "quarel": Form(
        "quarel_choose_between",
        2,
        quoted,
        _asked(r"Choose between [^\n]*\nQuestion: <Q> \(A\)[^\n]*\(B\)[^\n]*\s*"),
    ),
    "dream": Form("dream_baseline", 3, last_block, _asked(r"Dialogue:\n\n<C>\n\nQuestion: <Q>\n\n- .*")),
}
"""The sets by the names that they have as lm-eval tasks."""


def document(form: Form, prompt: str, completion: str) -> Document | None:
    """A row as a document; None where its parts cannot be read or the answer is not one choice, once."""
    asked, choices = form.asked.fullmatch(prompt), form.read(prompt)
    if not asked or len(choices) != form.size or len(set(choices)) < form.size:
        return None
    context = asked.groupdict().get("context")
    text = (f"{context}\n" if context else "") + f"Question: {asked['question']}\nAnswer:"
    answer = completion.strip()
    if form.lettered:
        # The letters must be those of the lines, from A on.
        letters = [chr(ord("A") + k) for k in range(len(choices))]
        if answer not in letters or not all(re.search(rf"^{c}[.:] ", prompt, re.M) for c in letters):
            return None
        return Document(text, tuple(choices), letters.index(answer))
    return Document(text, tuple(choices), choices.index(answer)) if answer in choices else None


def documents(rows: Iterable[Mapping[str, Any]]) -> tuple[dict[str, list[Document]], dict[str, int]]:
    """The documents of every set of FORMS, by name and in order, and how many rows of it were dropped."""
    names = {form.task: name for name, form in FORMS.items()}
    found: dict[str, list[Document]] = {name: [] for name in FORMS}
    dropped = dict.fromkeys(FORMS, 0)
    for row in rows:
        name = names.get(row["task"])
        if name is None:
            continue
        made = document(FORMS[name], row["prompt"], row["completion"])
        if made is None:
            dropped[name] += 1
        else:
            found[name].append(made)
    return found, dropped


def thinned(rows: Sequence[Document], count: int | None) -> Sequence[Document]:
    """At most `count` documents, evenly over all of them, since neighbours share a text in some sets."""
    if count is None or len(rows) <= count:
        return rows
    return [rows[k * len(rows) // count] for k in range(count)]
