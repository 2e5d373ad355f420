"""Reading FunQL and finding its words: by hand, by brute force, and on the published training pairs."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from functools import cache
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.compositional import geo_alignment
from methods.compositional.geo_alignment import Aligned, Node, align, last, read, write
from tasks.compositional.contract import Example

ENTITIES = [
    ("stateid", "new york"),
    ("cityid", "sacramento, _"),
    ("cityid", "boston, ma"),
    ("riverid", "ohio"),
]
CITIES = ("austin", "dallas", "salem")
STATES = ("texas", "utah", "new york", "ohio")
QUESTIONS = {
    "the largest city in {} ?": "largest ( city ( loc_2 ( stateid ( {} ) ) ) )",
    "the state bordering {} ?": "state ( next_to_2 ( stateid ( {} ) ) )",
    "the state that {} does touch ?": "state ( next_to_1 ( stateid ( {} ) ) )",
    "the population of {} ?": "population_1 ( cityid ( {}, _ ) )",
}
PAIRS = [
    Example(f"what is {x.format(name)}", f"answer ( {y.format(name)} )")
    for x, y in QUESTIONS.items()
    for name in (CITIES if "cityid" in y else STATES)
]


def words(line: Aligned | None) -> list[tuple[str, str]]:
    """The heads with their words, "/" between two parts."""
    assert line is not None
    return [(n.head, " / ".join(" ".join(line.words[a:b]) for a, b in n.parts)) for n in line.nodes]


def test_a_program_is_read_in_its_own_order() -> None:
    assert read("answer ( exclude ( state ( all ) , next_to_2 ( cityid ( san jose, _ ) ) ) )") == (
        Node("answer", "", 1),
        Node("exclude", "", 2),
        Node("state", "", 0),
        Node("next_to_2", "", 1),
        Node("cityid", "san jose, _", 0),
    )


@pytest.mark.parametrize(
    "program",
    ["", "answer", "a ( state ( all )", "a ( state ( all ) ) )", "a ( all ) x", "( all )", "a ( b c ( d ) )"],
)
def test_what_is_no_program_is_refused(program: str) -> None:
    with pytest.raises(ValueError, match="program|bracket"):
        read(program)


@st.composite
def programs(draw: st.DrawFn, depth: int = 4) -> str:
    kind = draw(st.sampled_from(["all", "entity", "one", "one", "two"])) if depth else "entity"
    if kind == "entity":
        head, name = draw(st.sampled_from(ENTITIES))
        return f"{head} ( {name} )"
    if kind == "all":
        return "state ( all )"
    inner = [draw(programs(depth - 1)) for _ in range(1 if kind == "one" else 2)]
    return f"{'loc_2' if kind == 'one' else 'exclude'} ( {' , '.join(inner)} )"


@given(programs())
def test_writing_undoes_reading_and_a_term_ends_where_its_text_does(program: str) -> None:
    nodes = read(program)
    assert write(nodes) == program
    assert last(nodes, 0) == len(nodes)
    for at in range(len(nodes)):
        assert write(nodes[at : last(nodes, at)]) in program


def test_words_go_where_they_belong() -> None:
    by_input = dict(zip((e.x for e in PAIRS), align(PAIRS), strict=True))
    assert words(by_input["what is the largest city in new york ?"]) == [
        ("answer", "what is the"),
        ("largest", "largest"),
        ("city", "city"),
        ("loc_2", "in"),
        ("stateid", "new york"),
    ]
    assert words(by_input["what is the population of dallas ?"]) == [
        ("answer", "what is the"),
        ("population_1", "population of"),
        ("cityid", "dallas"),
    ]
    assert words(by_input["what is the state that utah does touch ?"]) == [
        ("answer", "what is the"),
        ("state", "state"),
        ("next_to_1", "that / does touch"),
        ("stateid", "utah"),
    ]


def test_every_word_but_the_mark_belongs_to_one_node() -> None:
    for example, line in zip(PAIRS, align(PAIRS), strict=True):
        assert line is not None
        assert line.example == example
        places = sorted(p for n in line.nodes for a, b in n.parts for p in range(a, b))
        assert places == list(range(len(line.words) - 1))


def test_a_pair_that_cannot_be_read_has_no_alignment_and_others_do() -> None:
    lines = align([Example("nonsense", "( ("), *PAIRS, PAIRS[0]])
    assert lines[0] is None
    assert lines[1] == lines[-1] != None  # noqa: E711
    assert align([]) == []


def brute_force(scores: list[np.ndarray], n: int) -> float:
    """The best total over every order that can be cut in two again and again, `answer` first, and every
    division of n words among the nodes."""
    k, best = len(scores), -np.inf
    for order in permutations(range(k)):
        cost = inversions(order)
        if order[0] != 0 or cost is None:
            continue
        for cut in combinations(range(n + k - 1), k - 1):
            bounds = [0, *(c - i for i, c in enumerate(cut)), n]
            total = sum(scores[node][bounds[i], bounds[i + 1]] for i, node in enumerate(order))
            best = max(best, total + cost * geo_alignment.SWAPPED)
    return best


def inversions(order: tuple[int, ...]) -> int | None:
    """The fewest inversions that make an order by cutting it in two; None where there is no way."""
    if len(order) == 1:
        return 0
    found = []
    for m in range(1, len(order)):
        left, right = order[:m], order[m:]
        parts = [inversions(left), inversions(right)]
        if None not in parts and (max(left) < min(right) or max(right) < min(left)):
            found.append(sum(p for p in parts if p is not None) + (max(right) < min(left)))
    return min(found, default=None)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 5))
def test_the_parse_is_the_best_of_all(seed: int, k: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    program = "answer ( " + "loc_2 ( " * (k - 1) + "state ( all )" + " )" * k
    row = geo_alignment._Row(" ".join("w" * n), read(program))
    ahead = np.tril(np.full((n + 1, n + 1), geo_alignment.IMPOSSIBLE), -1)
    scores = [rng.normal(size=(n + 1, n + 1)) + ahead for _ in range(k + 1)]
    best = brute_force(scores, n)
    assert row.chart(scores)[0, k + 1][0, n] == pytest.approx(best)
    row.scores = lambda i, *_: scores[i]  # type: ignore[method-assign]
    spans = row.best({}, {})
    assert sorted(p for a, b in spans for p in range(a, b)) == list(range(n))
    reached = sum(scores[i][span] for i, span in enumerate(spans))
    assert best - 1e-9 <= reached <= best - k * geo_alignment.SWAPPED + 1e-9


def test_ibm_model_1_on_two_pairs_by_hand() -> None:
    """The first round halves every word between its label and the null label, so p(a | x) = p(b | x) = 1/2,
    p(a | null) = 2/3 and p(b | null) = 1/3. In the second, x gets (1/2) / (1/2 + 2/3) = 3/7 of a and
    (1/2) / (1/2 + 1/3) = 3/5 of b."""
    rows = [geo_alignment._Row("a b ?", read("x ( all )")), geo_alignment._Row("a ?", read("y ( all )"))]
    chances = geo_alignment._word_chances(rows, rounds=2)
    x = {"a": 3 / 7, "b": 3 / 5}
    assert chances["x"] == pytest.approx({w: c / sum(x.values()) for w, c in x.items()})
    assert chances["y"] == pytest.approx({"a": 1.0})
    assert chances[""] == pytest.approx({"a": 2 / 3, "b": 1 / 3})


@cache
def published(split: str) -> list[Example]:
    """The span-annotated training pairs of a split; skips the test where there are none."""
    folder = Path(os.environ.get("SUITE_DATA_DIR", "")) / "geoquery"
    if not os.environ.get("SUITE_DATA_DIR") or not (folder / f"l2s2_{split}_src.train.gz").is_file():
        pytest.skip("geoquery/l2s2_*.train.gz are not in SUITE_DATA_DIR")
    with (
        gzip.open(folder / f"l2s2_{split}_src.train.gz", "rt", encoding="utf-8") as x,
        gzip.open(folder / f"l2s2_{split}_tgt.train.gz", "rt", encoding="utf-8") as y,
    ):
        return [Example(a.strip(), b.strip()) for a, b in zip(x, y, strict=True)]


@cache
def published_lines() -> list[Aligned | None]:
    return align(published("comp"))


def test_every_published_pair_has_its_words_and_its_program() -> None:
    lines = published_lines()
    assert [line.example if line is not None else None for line in lines] == published("comp")
    found = Counter(pair for line in lines for pair in words(line))
    for head, text in (
        ("count", "how many"),
        ("loc_2", "in"),
        ("next_to_2", "border"),
        ("size", "how big is"),
    ):
        assert found[head, text] == max(n for (h, _), n in found.items() if h == head)


def test_most_published_predicates_have_words() -> None:
    """Measured: 1,907 of 1,925 nodes below `answer`; constants that lose many of them show here."""
    nodes = [n for line in set(published_lines()) if line is not None for n in line.nodes[1:]]
    assert sum(bool(n.parts) for n in nodes) > 0.97 * len(nodes)
