"""CompSub's draws on COGS: their chances by hand and against a plain way, their labels by the interpreter."""

from __future__ import annotations

import gzip
import os
import random
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from benchmarks.bench_substitution import plain
from methods.compositional.cogs_components import Signature
from methods.compositional.cogs_draws import Host, Made, Pool, Types, augment, draws, replay
from methods.compositional.cogs_sentences import Sentence, sentences
from tasks.compositional.cogs.generator import generate
from tasks.compositional.cogs.grammar import Lexicon, Unreadable, interpret
from tasks.compositional.cogs.lexicon import induce
from tasks.compositional.contract import Augmented, Example
from tasks.compositional.notation.cogs import joined, logical_form

TINY = [
    Example("Mia slept .", "sleep . agent ( x_1 , Mia )"),
    Example("A cup broke .", "cup ( x_1 ) AND break . theme ( x_2 , x_1 )"),
    Example("shark", "LAMBDA a . shark ( a )"),
]
SMALL = [
    *TINY,
    Example(
        "Tom saw a cup on a bed .",
        "see . agent ( x_1 , Tom ) AND see . theme ( x_1 , x_3 ) AND cup ( x_3 ) AND "
        "cup . nmod . on ( x_3 , x_6 ) AND bed ( x_6 )",
    ),
    Example(
        "Tom hoped that Mia slept .",
        "hope . agent ( x_1 , Tom ) AND hope . ccomp ( x_1 , x_4 ) AND sleep . agent ( x_4 , Mia )",
    ),
    Example(
        "The cup in a box broke .",
        "* cup ( x_1 ) ; cup . nmod . in ( x_1 , x_4 ) AND box ( x_4 ) AND break . theme ( x_5 , x_1 )",
    ),
]
NOUN = Signature("word", "noun", "noun")


def hosts_and_pool(train: list[Example], language: str = "cogs") -> tuple[list[Host], Pool]:
    read = sentences(train, language)
    return [Host(sentence, line, "") for line, sentence in read.items()], Pool(train, read)


def texts(made: Iterable[Made]) -> Counter[str]:
    return Counter(" ".join(m.sentence.words) for m in made)


def test_a_word_is_drawn_by_its_structure_first_then_evenly() -> None:
    """Of a host of two words each leaves half the time. The nouns that enter are Mia, a cup, a shark and the
    shark; the verbs slept and broke."""
    hosts, pool = hosts_and_pool(TINY)
    found = texts(draws(random.Random(1), hosts, pool, 8000, "word"))
    nouns = ("Mia", "A cup", "A shark", "The shark")
    chances: Counter[str] = Counter()
    for subject, verb in (("Mia", "slept"), ("A cup", "broke")):
        for noun in nouns:
            chances[f"{noun} {verb} ."] += 1 / 16
        for other in ("slept", "broke"):
            chances[f"{subject} {other} ."] += 1 / 8
    assert set(found) == set(chances)
    expected = [8000 * chances[x] for x in chances]
    assert chisquare([found[x] for x in chances], expected).pvalue > 0.01


def test_chances_of_the_four_exchanges() -> None:
    """On one host with a span: a tree leaves in 3 draws of 10, a word for a word in 3, a span in 1, and a
    word for a span in 3, less those for which no span is found in four tries: a word is a noun, a verb or a
    preposition, one of three structures, and spans replace nouns only."""
    train = [
        Example(
            "Mia saw a cup on the bed .",
            "* bed ( x_6 ) ; see . agent ( x_1 , Mia ) AND see . theme "
            "( x_1 , x_3 ) AND cup ( x_3 ) AND cup . nmod . on ( x_3 , x_6 )",
        )
    ]
    hosts, pool = hosts_and_pool(train)
    made = list(draws(random.Random(2), hosts, pool, 10_000))
    found = Counter((m.cut.signature.grain, m.entered.signature.grain) for m in made)
    lost = 3000 * (2 / 3) ** 4
    counts = [*(found[k] for k in (("tree", "tree"), ("word", "word"), ("span", "span"), ("word", "span")))]
    counts.append(10_000 - len(made))
    assert chisquare(counts, [3000, 3000, 1000, 3000 - lost, lost]).pvalue > 0.01


def test_without_a_span_a_word_leaves_in_place_of_a_tree() -> None:
    hosts, pool = hosts_and_pool(TINY)
    made = list(draws(random.Random(3), hosts, pool, 4000))
    found = Counter((m.cut.signature.grain, m.entered.signature.grain) for m in made)
    assert set(found) == {("word", "word")}
    # Tree and word draws; span draws and those of a span, of which the pool has none, are lost.
    assert chisquare([len(made), 4000 - len(made)], [2400, 1600]).pvalue > 0.01


def test_indexed_and_plain_draws_make_the_same_sentences_equally_often() -> None:
    hosts, pool = hosts_and_pool(SMALL)
    fast = texts(draws(random.Random(4), hosts, pool, 6000))
    slow = Counter(" ".join(s.words) for s, _, _ in plain(random.Random(5), hosts, pool.entries, 6000))
    common = [x for x in fast | slow if fast[x] + slow[x] >= 20]
    table = [[counts[x] for x in common] for counts in (fast, slow)]
    for row, counts in zip(table, (fast, slow), strict=True):
        row.append(6000 - sum(counts.values()))  # lost
        row.append(sum(counts.values()) - sum(row[:-1]))  # rare
    assert len(common) > 40
    assert chi2_contingency(table).pvalue > 0.01


@pytest.mark.parametrize(
    ("types", "pairs"),
    [
        ("word", {("word", "word")}),
        ("span", {("word", "word"), ("span", "span"), ("word", "span")}),
        ("tree", {("subtree", "word"), ("subtree", "span"), ("subtree", "tree")}),
    ],
)
def test_types_restrict_what_is_exchanged(types: Types, pairs: set[tuple[str, str]]) -> None:
    hosts, pool = hosts_and_pool(SMALL)
    made = list(draws(random.Random(6), hosts, pool, 2000, types))
    assert {(m.cut.signature.grain, m.entered.signature.grain) for m in made} == pairs


def test_the_control_exchanges_what_nothing_hangs_on() -> None:
    """A host of three subtrees (its subject, object and whole) and, for nouns, every closed one."""
    hosts, pool = hosts_and_pool(SMALL)
    (host,) = [h for h in hosts if h.sentence.words[1] == "saw"]
    found = texts(draws(random.Random(7), [host], pool, 3000, "tree"))
    # "a cup" and "The cup" have modifiers in two of their sentences; "a cup" is seen without one too.
    nouns = (
        "Mia",
        "a cup",
        "a shark",
        "the shark",
        "Tom",
        "a bed",
        "a cup on a bed",
        "a box",
        "the cup in a box",
    )
    assert {f"Tom saw {noun} ." for noun in nouns} <= set(found)
    assert "Tom saw the cup ." not in found
    assert "Tom saw a cup on the cup in a box ." in found


def test_what_nothing_hangs_on_in_a_later_line_enters_too() -> None:
    rows = [*SMALL[3:4], *TINY[:2]]
    hosts, pool = hosts_and_pool(rows)
    assert pool.entries[pool.index[NOUN, ("a", "cup"), ()]].donor == 0
    assert "A cup slept ." in texts(draws(random.Random(8), hosts, pool, 500, "tree"))


def rows(free: bool, n: int = 300) -> list[Example]:
    made = generate(0, n, 0, 0, 0, variable_free=free).train
    return [Example(row.sentence, row.form) for row in made]


@pytest.mark.parametrize("language", ["cogs", "cogs-ql"])
@pytest.mark.parametrize("types", ["all", "word", "span", "tree"])
def test_provenance_makes_the_same_pair_again(language: str, types: Types) -> None:
    train = rows(language == "cogs-ql")
    made = augment(train, language, np.random.default_rng(0), n=150, rounds=3, types=types)
    assert len(made) == 150
    for new in made:
        assert replay(new, train, language) == new.example


def test_both_notations_make_the_same_sentences_in_the_same_way() -> None:
    forms, frees = (
        augment(rows(free), language, np.random.default_rng(1), n=200, rounds=2)
        for free, language in ((False, "cogs"), (True, "cogs-ql"))
    )
    assert [(a.x, a.host, a.how) for a in forms] == [(a.x, a.host, a.how) for a in frees]


def test_new_examples_are_new_distinct_and_split_evenly_over_rounds() -> None:
    train = rows(False)
    made = augment(train, "cogs", np.random.default_rng(2), n=200, rounds=3)
    inputs = [a.x for a in made]
    assert len(set(inputs)) == 200 and not set(inputs) & {e.x for e in train}
    assert [a.how.count(";") + 1 for a in made] == [1] * 67 + [2] * 67 + [3] * 66
    assert made == augment(train, "cogs", np.random.default_rng(2), n=200, rounds=3)
    assert made != augment(train, "cogs", np.random.default_rng(3), n=200, rounds=3)


def test_a_small_set_yields_what_there_is_and_stops() -> None:
    """Two hosts of two words: six other sentences can be made in one word, and more in two."""
    made = augment(TINY, "cogs", np.random.default_rng(4), n=100, types="word")
    assert {a.x for a in made} == {
        *("A cup slept .", "A shark slept .", "The shark slept .", "Mia broke ."),
        *("A shark broke .", "The shark broke ."),
    }
    assert augment([], "cogs", np.random.default_rng(4), n=10) == []
    assert augment(TINY, "cogs", np.random.default_rng(4), n=0) == []


def test_role_safe_draws_keep_the_roles_of_verbs() -> None:
    """Mia broke: theme. A verb put into the place of another keeps its roles, so that agent comes out too."""
    hosts, pool = hosts_and_pool(TINY)
    forms = {
        safe: {
            m.sentence.form
            for m in draws(random.Random(5), hosts, pool, 400, "word", role_safe=safe)
            if " ".join(m.sentence.words) == "Mia broke ."
        }
        for safe in (False, True)
    }
    assert forms[True] == {"break . theme ( x _ 1 , Mia )"}
    assert forms[False] == {"break . theme ( x _ 1 , Mia )", "break . agent ( x _ 1 , Mia )"}


def test_rounds_and_counts_that_make_no_sense_are_refused() -> None:
    for wrong in ({"n": 1, "rounds": 0}, {"n": -1}):
        with pytest.raises(ValueError, match="rounds must be"):
            augment(TINY, "cogs", np.random.default_rng(0), **wrong)


@pytest.mark.parametrize(
    "how", ["", "word 0:1 Mia", "word 1:3 slept -> broke (line 1)", "word 1:2 slept -> ran (line 1)"]
)
def test_a_provenance_that_does_not_fit_is_refused(how: str) -> None:
    with pytest.raises(ValueError):
        replay(Augmented("Mia broke .", "", 0, how), TINY, "cogs")
    with pytest.raises(ValueError, match="no sentence"):
        replay(Augmented("Mia broke .", "", 2, how), TINY, "cogs")


def right(made: dict[str, str], lexicon: Lexicon) -> float:
    """The share of sentences with the form that the interpreter gives them."""
    n = 0
    for text, form in made.items():
        try:
            n += joined(logical_form(interpret(text, lexicon))) == form
        except Unreadable:
            continue
    return n / len(made)


def test_role_safe_labels_are_right_on_generated_rows() -> None:
    lexicon = induce([(row.sentence, row.form) for row in generate(0, 300, 0, 0, 0, joined=False).train])
    for types in ("all", "tree"):
        made = augment(
            rows(False), "cogs", np.random.default_rng(6), n=1500, rounds=3, types=types, role_safe=True
        )
        assert right({a.x: a.y for a in made}, lexicon) == 1


@cache
def published() -> tuple[list[Example], list[Host], Pool, Lexicon]:
    """The training pairs of COGS with hosts, pool and lexicon; skips the test where there are none."""
    path = Path(os.environ.get("SUITE_DATA_DIR", "")) / "cogs" / "train.tsv.gz"
    if not os.environ.get("SUITE_DATA_DIR") or not path.is_file():
        pytest.skip("cogs/train.tsv.gz is not in SUITE_DATA_DIR")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        pairs = [line.split("\t")[:2] for line in file]
    train = [Example(x, joined(y)) for x, y in pairs]
    return train, *hosts_and_pool(train), induce([(x, y) for x, y in pairs])


def test_faithful_draws_are_those_of_the_released_code() -> None:
    """One round of 40,000 draws of the released code, measured once: 34,637 distinct sentences, 98.26 % with
    the right label, 2,063 that are training inputs. Ours are random draws of the same kinds (a noun enters
    with more articles), so they come near it: 34,938, 98.28 % and 2,066 with this seed."""
    train, hosts, pool, lexicon = published()
    made: dict[str, Sentence] = {}
    for m in draws(random.Random(0), hosts, pool, 40_000):
        made.setdefault(" ".join(m.sentence.words), m.sentence)
    assert 34_300 <= len(made) <= 35_300
    assert 1_900 <= len(made.keys() & {e.x for e in train}) <= 2_250
    assert 0.98 <= right({x: joined(s.form) for x, s in made.items()}, lexicon) <= 0.986


def test_role_safe_labels_are_all_right_over_two_rounds() -> None:
    _, hosts, pool, lexicon = published()
    made: dict[str, str] = {}
    for seed in (1, 2):
        found = list(draws(random.Random(seed), hosts, pool, 16_000, role_safe=True))
        made |= {" ".join(m.sentence.words): joined(m.sentence.form) for m in found}
        hosts = [Host(m.sentence, 0, "") for m in found]
    assert len(made) > 25_000
    assert right(made, lexicon) == 1


def test_words_seen_alone_enter() -> None:
    """shark, Paula and crawl are in one training line each, alone."""
    _, _, pool, _ = published()
    words = {e.component.words for e in pool.entries if e.signature.grain == "word"}
    assert {("a", "shark"), ("the", "shark"), ("Paula",), ("crawl",)} <= words
    assert pool.index[Signature("word", "xcomp", "xcomp"), ("crawl",), ("active", "agent")] >= 0
