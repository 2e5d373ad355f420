"""Atoms, compounds, their weights and divergences: by hand and by brute force."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.compositional.compounds import Occurrence, anatomy
from tasks.compositional.contract import Example
from tasks.compositional.divergence import chernoff, divergence, report, weighted
from tasks.compositional.scan.grammar import commands
from tasks.compositional.scan.splits import examples

TABLES = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 50), min_size=1)
ALPHAS = st.floats(0.05, 0.95)


def compounds(language: str, x: str, y: str = "") -> list[str]:
    return sorted(c for c, _ in anatomy(language, Example(x, y)).compounds)


def scan(*lines: str) -> list[Example]:
    return examples(lines)


# --- the coefficient


def test_the_coefficient_by_hand() -> None:
    # p = (1/2, 1/2), q = (1/8, 7/8): sqrt(1/16) + sqrt(7/16); with alpha 0.1 each by its own power.
    p, q = {"a": 2, "b": 2}, {"a": 1, "b": 7}
    assert chernoff(p, q, 0.5) == pytest.approx(0.25 + math.sqrt(7) / 4, abs=1e-12)
    assert chernoff(p, q, 0.1) == pytest.approx(
        math.exp(0.1 * math.log(0.5)) * (math.exp(0.9 * math.log(0.125)) + math.exp(0.9 * math.log(0.875))),
        abs=1e-12,
    )


def test_compounds_that_train_lacks_weigh_more_than_those_that_test_lacks() -> None:
    one, both = {"a": 1}, {"a": 1, "b": 1}
    assert 1 - chernoff(one, both, 0.1) == pytest.approx(1 - 0.5**0.9, abs=1e-12)
    assert 1 - chernoff(both, one, 0.1) == pytest.approx(1 - 0.5**0.1, abs=1e-12)


@given(p=TABLES, q=TABLES, alpha=ALPHAS)
def test_the_coefficient_has_its_bounds_and_its_symmetry(p: dict, q: dict, alpha: float) -> None:
    found = chernoff(p, q, alpha)
    assert -1e-12 <= found <= 1 + 1e-12
    assert (found == 0) == (not set(p) & set(q))
    assert found == pytest.approx(chernoff(q, p, 1 - alpha), abs=1e-12)


@given(p=TABLES, times=st.integers(1, 9), alpha=ALPHAS)
def test_equal_distributions_do_not_diverge(p: dict, times: int, alpha: float) -> None:
    assert divergence([Counter(p)] * times, [Counter(p)], alpha) == pytest.approx(0, abs=1e-12)


def test_the_samples_of_a_part_are_summed_before_they_are_compared() -> None:
    train, test = [Counter("a"), Counter("abb")], [Counter("bbbaaa"), Counter("a")]
    assert divergence(train, test, 0.5) == pytest.approx(
        1 - math.sqrt(2 / 4 * 4 / 7) - math.sqrt(2 / 4 * 3 / 7), abs=1e-12
    )


@pytest.mark.parametrize(("p", "q", "alpha"), [({}, {"a": 1}, 0.5), ({"a": 1}, {"a": 0}, 0.5)])
def test_an_empty_distribution_is_an_error(p: dict, q: dict, alpha: float) -> None:
    with pytest.raises(ValueError, match="at least one count"):
        chernoff(p, q, alpha)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 2.0])
def test_alpha_lies_between_0_and_1(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must lie between"):
        chernoff({"a": 1}, {"a": 1}, alpha)


# --- the weights


def test_a_compound_that_is_always_inside_another_has_no_weight() -> None:
    small, large = Occurrence("g", 0b011), Occurrence("h", 0b111)
    assert weighted([[small, large], [small, large]]) == [{"h": 1.0}, {"h": 1.0}]


def test_the_weight_is_the_share_of_occurrences_outside_the_likeliest_larger_compound() -> None:
    # g stands five times: twice in h, once in k, twice alone. The paper's example has 0.4 for 60 %.
    g, h, k = Occurrence("g", 0b011), Occurrence("h", 0b111), Occurrence("k", 0b111)
    first, *_, alone, twice = weighted([[g, h], [g, h], [g, k], [g], [g]])
    assert first == {"g": pytest.approx(1 - 2 / 5), "h": 1.0}
    assert alone == twice == {"g": 1.0}


def test_of_two_occurrences_in_a_sample_the_freer_one_counts() -> None:
    inside, free = Occurrence("g", 0b0011), Occurrence("g", 0b1100)
    (weights,) = weighted([[inside, Occurrence("h", 0b0111), free]])
    assert weights == {"g": 1.0, "h": 1.0}


def by_definition(samples: list[tuple[Occurrence, ...]]) -> list[dict[str, float]]:
    """The weights of appendix L.4 in its own words: every strict supergraph, whatever its size."""
    inside = [(g, {h for h, b in sample if a & b == a != b}) for sample in samples for g, a in sample]

    def p(h: str, g: str) -> float:
        of_g = [held for name, held in inside if name == g]
        return sum(h in held for held in of_g) / len(of_g)

    found = []
    for sample in samples:
        weights: dict[str, float] = {}
        for g, a in sample:
            most = max((p(h, g) for h, b in sample if a & b == a != b), default=0.0)
            weights[g] = max(weights.get(g, 0.0), 1 - most)
        found.append({g: w for g, w in weights.items() if w > 0})
    return found


def test_looking_one_node_up_gives_the_weights_of_the_definition() -> None:
    lines = [*commands()[:102:7], *commands()[103::1999]]
    samples = [anatomy("scan", e).compounds for e in examples(lines)]
    for quick, slow in zip(weighted(samples), by_definition(samples), strict=True):
        assert quick == pytest.approx(slow, abs=1e-12)


# --- atoms and compounds by language


def test_the_compounds_of_a_command_are_pieces_of_its_parse() -> None:
    assert compounds("scan", "walk around left twice") == sorted(
        [
            *("around(walk,_)", "around(_,left)", "around(walk,left)", "twice(around(_,_))"),
            *("twice(around(walk,_))", "twice(around(_,left))", "twice(around(walk,left))"),
        ]
    )


def test_a_compound_of_a_command_is_at_most_two_steps_deep() -> None:
    found = compounds("scan", "run twice and jump opposite left thrice")
    assert "and(twice(run),thrice(opposite(_,_)))" in found and "and(_,thrice(_))" in found
    assert not [name for name in found if name.startswith("and") and "jump" in name]
    # top: (twice absent, bare or with run) times (thrice absent, bare or with opposite), less the top alone;
    # twice(run); thrice: 4 under it; opposite: 3.
    assert len(found) == (3 * 3 - 1) + 1 + 4 + 3


def test_a_command_is_parsed_by_the_scope_of_its_words() -> None:
    assert compounds("scan", "turn left after look") == sorted(
        ["after(turn(_),_)", "after(_,look)", "after(turn(_),look)", "after(turn(left),_)"]
        + ["after(turn(left),look)", "turn(left)"]
    )
    assert anatomy("scan", Example("turn left after look", "")).atoms == ("after", "turn", "left", "look")


@pytest.mark.parametrize("text", ["", "walk and", "walk around left right", "and"])
def test_what_is_no_command_has_no_anatomy(text: str) -> None:
    with pytest.raises(ValueError, match="no command"):
        anatomy("scan", Example(text, ""))


@given(st.sampled_from(commands()))
def test_no_two_compounds_of_a_command_share_their_places(command: str) -> None:
    found = anatomy("scan", Example(command, "")).compounds
    assert len({places for _, places in found}) == len(found)
    assert all(places.bit_count() > 1 for _, places in found)


PASSIVE = "A rose was helped by the dog in a house ."
LOGICAL = (
    "* dog ( x_6 ) ; rose ( x_1 ) AND help . theme ( x_3 , x_1 ) AND help . agent ( x_3 , x_6 ) AND "
    "dog . nmod . in ( x_6 , x_9 ) AND house ( x_9 )"
)
FREE = "help ( theme = rose , agent = * dog ( nmod . in = house ) )"
PAIRS = ["dog in house", "help [theme agent] passive", "help agent dog", "help theme rose"]


@pytest.mark.parametrize(("language", "form"), [("cogs", LOGICAL), ("cogs-ql", FREE)])
def test_a_sentence_has_pairs_and_frames_in_either_form(language: str, form: str) -> None:
    found = anatomy(language, Example(PASSIVE, form))
    assert sorted(c for c, _ in found.compounds) == PAIRS
    assert sorted(found.atoms) == ["dog", "help", "house", "in", "rose"]


def test_a_subject_said_twice_is_one_atom_below_two_verbs() -> None:
    found = anatomy(
        "cogs-ql", Example("Mia wanted to sleep .", "want ( agent = Mia , xcomp = sleep ( agent = Mia ) )")
    )
    assert sorted(found.atoms) == ["Mia", "sleep", "want"]
    assert sorted(c for c, _ in found.compounds) == sorted(
        ["want [agent xcomp] active", "want agent Mia", "want xcomp sleep"]
        + ["sleep [agent] active", "sleep agent Mia"]
    )


def test_the_voice_is_that_of_its_own_clause() -> None:
    form = "hope ( agent = Mia , ccomp = break ( theme = * cup ) )"
    broken = anatomy("cogs-ql", Example("Mia hoped that the cup was broken .", form)).compounds
    broke = anatomy("cogs-ql", Example("Mia hoped that the cup broke .", form)).compounds
    assert {c for c, _ in broken} - {c for c, _ in broke} == {"break [theme] passive"}
    assert {c for c, _ in broke} - {c for c, _ in broken} == {"break [theme] active"}


@pytest.mark.parametrize("language", ["cogs", "cogs-ql"])
@pytest.mark.parametrize(
    ("word", "form", "lemma"),
    [
        ("shark", "LAMBDA a . shark ( a )", "shark"),
        ("Paula", "Paula", "Paula"),
        ("crawled", "LAMBDA a . LAMBDA e . crawl . agent ( e , a )", "crawl"),
        (
            "bless",
            "LAMBDA a . LAMBDA b . LAMBDA e . bless . agent ( e , b ) AND bless . theme ( e , a )",
            "bless",
        ),
    ],
)
def test_a_word_alone_is_one_atom_and_no_compound(language: str, word: str, form: str, lemma: str) -> None:
    assert anatomy(language, Example(word, form)) == ((lemma,), ())


def test_a_program_has_chains_of_two_and_three_functors_without_names() -> None:
    found = anatomy("geoquery", Example("", "answer ( city ( loc_2 ( stateid ( new york ) ) ) )"))
    assert found.atoms == ("answer", "city", "loc_2", "stateid")
    assert sorted(c for c, _ in found.compounds) == sorted(
        ["answer > city", "city > loc_2", "loc_2 > stateid"]
        + ["answer > city > loc_2", "city > loc_2 > stateid"]
    )


def test_of_several_arguments_a_chain_says_which() -> None:
    program = "answer ( exclude ( river ( all ) , traverse_2 ( stateid ( texas ) ) ) )"
    assert compounds("geoquery", "", program) == sorted(
        ["answer > exclude", "exclude 1> river", "river > all", "exclude 2> traverse_2"]
        + ["traverse_2 > stateid", "answer > exclude 1> river", "answer > exclude 2> traverse_2"]
        + ["exclude 1> river > all", "exclude 2> traverse_2 > stateid"]
    )


def test_a_city_and_its_state_are_one_name() -> None:
    found = anatomy("geoquery", Example("", "answer ( loc_1 ( cityid ( des moines, _ ) ) )"))
    assert found.atoms == ("answer", "loc_1", "cityid")


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(ValueError, match="'latin'; there are scan, cogs"):
        anatomy("latin", Example("a", "b"))


# --- the report


def test_the_report_of_a_split_by_hand() -> None:
    train = scan("walk left", "walk left", "jump", "run twice")
    facts = report("scan", train, scan("look"), scan("run left", "look right twice"))
    divergences = {name: facts.pop(name) for name in list(facts) if "divergence" in name}
    assert facts == {
        **{"train_lines": 4, "dev_lines": 1, "test_lines": 2},
        **{"train_distinct_inputs": 3, "test_distinct_inputs": 2},
        **{
            "train_longest_input": 2,
            "train_mean_input": 7 / 4,
            "test_longest_input": 3,
            "test_mean_input": 2.5,
        },
        # outputs: LEFT WALK (twice), JUMP, RUN RUN; LEFT RUN, RIGHT LOOK RIGHT LOOK
        **{"train_longest_output": 2, "train_mean_output": 7 / 4},
        **{"test_longest_output": 4, "test_mean_output": 3.0},
        **{"test_words_unknown": 2, "test_inputs_seen": 0.0, "test_outputs_seen": 0.0},
    }
    # atoms of train: walk 2, left 2, jump, run, twice of 7; of test: run, left, look, right, twice of 5
    shared = math.sqrt(1 / 7 / 5) + math.sqrt(2 / 7 / 5) + math.sqrt(1 / 7 / 5)
    assert divergences["atom_divergence"] == pytest.approx(1 - shared, abs=1e-12)
    assert divergences["compound_divergence"] == 1


def test_compound_divergence_counts_weights_and_not_occurrences() -> None:
    train = scan("walk around left", "run around right")
    facts = report("scan", train, [], scan("walk around right"))
    # "around(walk,_)" and "around(_,right)" stand twice, each once in either of two larger ones: weight 1/2.
    # "around(run,_)" and "around(_,left)" are always in a larger one: 0. The three whole phrases: 1.
    # Train weighs 1/2 + 1 + 1/2 + 1, test 1/2 + 1/2 + 1; the two halves are in both.
    shared = 2 * (1 / 2 / 3) ** 0.1 * (1 / 2 / 2) ** 0.9
    assert facts["compound_divergence"] == pytest.approx(1 - shared, abs=1e-12)


def test_a_verb_with_a_direction_and_one_without_are_repeated_by_different_compounds() -> None:
    facts = report("scan", scan("walk twice", "run left"), [], scan("walk left twice", "walk twice"))
    # Train: twice(walk), run(left). Test: twice(walk(left)), in which its parts always are, and twice(walk).
    assert facts["compound_divergence"] == pytest.approx(1 - 0.5**0.1 * 0.5**0.9, abs=1e-12)


def test_templates_of_programs_are_compared_without_names() -> None:
    train = [Example("q1", "answer ( loc_2 ( stateid ( new york ) ) )")]
    test = [
        Example("q1 texas", "answer ( loc_2 ( stateid ( texas ) ) )"),
        Example("q1", "answer ( loc_2 ( stateid ( new york ) ) )"),
        Example("q2", "answer ( loc_2 ( riverid ( ohio ) ) )"),
    ]
    facts = report("geoquery", train, [], test)
    assert (facts["test_outputs_seen"], facts["test_templates_seen"]) == (1 / 3, 2 / 3)
    assert "test_templates_seen" not in report("scan", scan("walk"), [], scan("run"))


def test_a_part_without_compounds_leaves_their_divergence_out() -> None:
    facts = report("scan", scan("walk", "run"), [], scan("walk left"))
    assert facts["atom_divergence"] == pytest.approx(1 - math.sqrt(1 / 4), abs=1e-12)
    assert "compound_divergence" not in facts


@pytest.mark.parametrize(("train", "test"), [([], scan("walk")), (scan("walk"), [])])
def test_an_empty_part_is_an_error(train: list, test: list) -> None:
    with pytest.raises(ValueError, match="lines in train and in test"):
        report("scan", train, [], test)


def test_a_part_that_is_one_half_of_the_other_twice_over_does_not_diverge() -> None:
    lines = scan(*commands()[:102])
    facts = report("scan", [*lines, *lines], [], lines)
    assert facts["atom_divergence"] == pytest.approx(0, abs=1e-9)
    assert facts["compound_divergence"] == pytest.approx(0, abs=1e-9)
    assert facts["compound_divergence_random"] > 0


def test_the_same_lines_give_the_same_report() -> None:
    train, test = scan(*commands()[:60]), scan(*commands()[60:102])
    assert report("scan", train, [], test) == report("scan", train, [], test)


def test_a_language_without_compounds_has_sizes_and_no_divergence() -> None:
    lines = [Example("how big is ohio", "SELECT A ;")]
    found = report("geoquery-sql", lines, [], lines)
    assert (found["train_lines"], found["test_outputs_seen"]) == (1, 1.0)
    assert not any("divergence" in name for name in found)
