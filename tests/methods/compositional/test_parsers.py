"""The two parsers: what they compute does not depend on padding, neighbours or caching."""

from __future__ import annotations

import math

import pytest
import torch

from methods.compositional.decoding import greedy, translate
from methods.compositional.lstm import LSTMParser
from methods.compositional.tables import copy_table, lexicon_table
from methods.compositional.transformer import TransformerParser
from methods.compositional.vocabulary import BOS, EOS, PAD, SPECIAL, UNK, Vocabulary, pad

SIZES = (9, 11)


def parser(kind: str) -> torch.nn.Module:
    torch.manual_seed(1)
    if kind == "lstm":
        return LSTMParser(SIZES, embed=6, hidden=8, layers=2, dropout=0.3).eval()
    return TransformerParser(SIZES, hidden=16, layers=2, heads=2, dropout=0.3).eval()


SOURCE = [[4, 5, 6, 7, 8, EOS], [6, EOS], [8, 4, EOS]]
TARGET = [[4, 5, EOS], [10, 9, 8, 7, EOS], [EOS]]


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_a_row_alone_scores_as_in_a_padded_batch(kind: str) -> None:
    model = parser(kind)
    together = model(torch.from_numpy(pad(SOURCE)), torch.from_numpy(pad(TARGET)))
    for row, (x, y) in enumerate(zip(SOURCE, TARGET, strict=True)):
        alone = model(torch.tensor([x]), torch.tensor([y]))
        torch.testing.assert_close(together[row : row + 1, : len(y)], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_a_target_token_never_changes_what_comes_before_it(kind: str) -> None:
    model = parser(kind)
    x, y = torch.tensor([SOURCE[0]]), torch.tensor([[4, 5, 6, 7, EOS]])
    changed = y.clone()
    changed[0, 3] = 9
    assert torch.equal(model(x, y)[:, :4], model(x, changed)[:, :4])


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_log_probabilities_sum_to_one(kind: str) -> None:
    total = parser(kind)(torch.from_numpy(pad(SOURCE)), torch.from_numpy(pad(TARGET))).logsumexp(-1)
    torch.testing.assert_close(total, torch.zeros_like(total), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_greedy_decoding_is_the_argmax_of_the_whole_forward_pass(kind: str) -> None:
    model = parser(kind)
    limit = 7
    for row, found in zip(SOURCE, greedy(model, torch.from_numpy(pad(SOURCE)), limit), strict=True):
        prefix: list[int] = []
        while len(prefix) < limit and EOS not in prefix:
            # a dummy last target token: the scores of step t look at the tokens before it alone
            scores = model(torch.tensor([row]), torch.tensor([[*prefix, EOS]]))[0, -1].clone()
            scores[[PAD, BOS]] = -torch.inf
            prefix.append(int(scores.argmax()))
        assert found[: len(prefix)] == prefix


def test_translations_come_back_in_the_order_asked() -> None:
    words = Vocabulary.of(["a b c d e"])
    model = LSTMParser((len(words), len(words)), embed=6, hidden=8, layers=1, dropout=0.0).eval()
    texts = ["a b c d e", "b", "c a", "e d c b", "a"]
    together = translate(model, texts, (words, words), 6, batch=2)
    assert together == [translate(model, [text], (words, words), 6)[0] for text in texts]


def test_unseen_words_are_unknown_and_decoding_stops_at_the_end() -> None:
    words = Vocabulary.of(["b a"])
    assert words.tokens == (*SPECIAL, "a", "b")
    assert words.encode("a z b") == [4, UNK, 5, EOS]
    assert words.decode([5, 4, EOS, 4]) == "b a"


def test_a_lexicon_row_is_the_softmax_of_its_counts() -> None:
    source, target = Vocabulary.of(["walk run"]), Vocabulary.of(["WALK RUN"])
    table = lexicon_table({"walk": {"WALK": 3, "RUN": 1}}, (source, target))
    row = table[source.ids["walk"]].softmax(-1)
    p = math.e**3 / (math.e**3 + math.e)
    assert row[target.ids["WALK"]].item() == pytest.approx(p, abs=1e-5)
    assert row[target.ids["RUN"]].item() == pytest.approx(1 - p, abs=1e-5)
    silent = table[source.ids["run"]].softmax(-1)
    torch.testing.assert_close(silent, torch.full_like(silent, 1 / len(target)))


def test_copying_needs_a_shared_token() -> None:
    assert copy_table((Vocabulary.of(["walk"]), Vocabulary.of(["WALK"]))) is None
    shared = Vocabulary.of(["lima"])
    table = copy_table((shared, shared))
    assert table is not None
    assert table.softmax(-1)[shared.ids["lima"], shared.ids["lima"]].item() == pytest.approx(1, abs=1e-5)


def test_the_lexicon_writes_a_translation_that_the_parser_never_saw() -> None:
    """With all of write's mass on the copy token and attention on the word, p is the table's row (eq. 3)."""
    source, target = Vocabulary.of(["jump"]), Vocabulary.of(["I_JUMP I_WALK"])
    table = lexicon_table({"jump": {"I_JUMP": 30}}, (source, target))
    model = LSTMParser(
        (len(source), len(target)), embed=4, hidden=4, layers=1, dropout=0.0, table=table, learn_table=True
    ).eval()
    with torch.no_grad():
        model.write.weight.zero_()
        model.write.bias.fill_(-50.0)
        model.write.bias[-1] = 50.0
    word = torch.tensor([[source.ids["jump"]]])
    p = model(word, torch.tensor([[target.ids["I_JUMP"]]])).exp()[0, 0]
    assert p[target.ids["I_JUMP"]].item() == pytest.approx(1, abs=1e-4)
    assert p.sum().item() == pytest.approx(1, abs=1e-4)


def test_the_lexlearn_distribution_sums_to_one() -> None:
    torch.manual_seed(0)
    table = torch.randn(SIZES)
    model = LSTMParser(SIZES, embed=6, hidden=8, layers=1, dropout=0.0, table=table, learn_table=True).eval()
    p = model(torch.from_numpy(pad(SOURCE)), torch.from_numpy(pad(TARGET))).exp().sum(-1)
    torch.testing.assert_close(p, torch.ones_like(p), atol=1e-4, rtol=0)
    assert model.table.requires_grad


def test_positions_are_the_sinusoids_of_the_paper() -> None:
    model = TransformerParser(SIZES, hidden=16, layers=1, heads=2, dropout=0.0)
    places = model.positions(3, 2, torch.zeros(1))
    assert places[1, 0].item() == pytest.approx(math.sin(3))
    assert places[1, 5].item() == pytest.approx(math.cos(3 / 10000 ** (4 / 16)), abs=1e-6)


def test_transformer_attention_agrees_with_torch() -> None:
    from methods.compositional.transformer import Attention

    torch.manual_seed(0)
    ours = Attention(8, 2)
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    x = torch.randn(3, 5, 8)
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    expected = theirs(x, x, x, attn_mask=~mask, need_weights=False)[0]
    torch.testing.assert_close(ours(x, *ours.project(x), mask), expected, atol=1e-5, rtol=1e-5)
