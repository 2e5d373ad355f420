"""Perplexity against values worked out by hand, a loop in double precision, and lm-eval's rolling one."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_lms
import torch
from torch import Tensor, nn

import tasks.quantization.perplexity as module
from tasks.quantization.perplexity import perplexity


class Bigram(nn.Module):
    """Gives the next of three tokens probabilities that depend on the last one alone."""

    TABLE = ((0.5, 0.25, 0.25), (0.1, 0.8, 0.1), (1.0, 1.0, 2.0))

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.tensor(self.TABLE).log())
        self.rows: list[int] = []

    def forward(self, input_ids: Tensor, use_cache: bool) -> Any:
        self.rows.append(len(input_ids))
        return SimpleNamespace(logits=self.table[input_ids])


def test_a_bigram_model_by_hand() -> None:
    # 0 -> 1: 1/4, 1 -> 1: 8/10; 2 -> 2: 2/4 (logits need not be normalized), 2 -> 0: 1/4
    found = perplexity(Bigram(), [[0, 1, 1], [2, 2, 0]])
    nlls = [-(math.log(0.25) + math.log(0.8)) / 2, -(math.log(0.5) + math.log(0.25)) / 2]
    assert found.nlls == pytest.approx(nlls, rel=1e-6)
    assert found.value == pytest.approx((0.25 * 0.8 * 0.5 * 0.25) ** -0.25, rel=1e-6)
    assert found.tokens == 4


def test_rows_run_in_batches_and_in_order() -> None:
    model = Bigram()
    windows = [[0, 0], [1, 1], [2, 0], [1, 0], [2, 2]]
    found = perplexity(model, windows, 2)
    assert model.rows == [2, 2, 1]
    assert found.nlls == pytest.approx([-math.log(p) for p in (0.5, 0.8, 0.25, 0.1, 0.5)], rel=1e-6)


def test_a_loop_in_double_precision_agrees_whatever_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_lms.model("llama")
    windows = torch.randint(0, 320, (5, 20), generator=torch.Generator().manual_seed(0))
    exact = tiny_lms.model("llama").double()
    nlls = []
    for row in windows:
        with torch.no_grad():
            log_p = exact(row[None]).logits[0, :-1].log_softmax(-1)
        nlls.append(-float(log_p[torch.arange(19), row[1:]].mean()))
    whole = perplexity(model, windows, 5)
    assert whole.nlls == pytest.approx(nlls, rel=1e-4)
    assert whole.value == pytest.approx(math.exp(sum(nlls) / 5), rel=1e-3)
    monkeypatch.setattr(module, "CHUNK", 320 * 7)  # 7 tokens at a time: the last part is a shorter one
    for batch in (1, 2, 3):
        assert perplexity(model, windows, batch).nlls == pytest.approx(whole.nlls, rel=1e-4)


def test_log_probabilities_are_float32_where_the_model_is_not() -> None:
    model = Bigram()
    model.table.data = model.table.data.bfloat16()
    exact = model.table.data.double().log_softmax(-1)
    assert perplexity(model, [[0, 1]]).nlls[0] == pytest.approx(-float(exact[0, 1]), rel=1e-6)


def test_the_mode_of_the_model_is_kept_and_dropout_is_off() -> None:
    model = nn.Sequential(Bigram(), nn.Dropout(0.5))
    model.train()
    seen: list[bool] = []
    model[0].register_forward_hook(lambda m, args, out: seen.append(m.training or torch.is_grad_enabled()))
    model.forward = lambda input_ids, use_cache: model[0](input_ids, use_cache)  # type: ignore[method-assign]
    perplexity(model, [[0, 1]])
    assert seen == [False] and model.training and model[1].training


def test_a_token_that_cannot_be_makes_it_infinite() -> None:
    model = Bigram()
    with torch.no_grad():
        model.table[0, 1] = -math.inf
    assert perplexity(model, [[0, 1]]).value == math.inf
    with torch.no_grad():
        model.table[0, 1] = -5000.0
    found = perplexity(model, [[0, 1]])
    assert found.nlls[0] > 4999 and found.value == math.inf


@pytest.mark.parametrize(
    ("windows", "batch", "says"),
    [
        ([], 1, "no windows"),
        (torch.zeros(0, 8), 1, "no windows"),
        ([[1], [2]], 1, "at least 2 tokens"),
        ([[1, 2], [1, 2, 3]], 1, "windows of 2 and of 3 tokens"),
        (torch.zeros(4), 1, "at least 2 tokens"),
        ([[1, 2]], 0, "give 1 or more"),
    ],
)
def test_what_has_no_perplexity_is_refused(windows: Any, batch: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        perplexity(Bigram(), windows, batch)


def rolling(model: Any, tokenizer: Any, ids: list[int], length: int) -> float:
    """Log-likelihood by lm-eval, windows of `length` scored tokens, each seen with the one before it."""
    import copy

    from lm_eval.models.huggingface import HFLM

    lm: Any = HFLM(pretrained=model, tokenizer=copy.deepcopy(tokenizer), batch_size=3, max_length=length)
    # Cut to full windows, the text need not give the same tokens again.
    lm.tok_encode = lambda text, **_: ids
    return float(lm.loglikelihood_rolling([SimpleNamespace(args=("",))], disable_tqdm=True)[0])


@pytest.mark.filterwarnings("default")
def test_lm_eval_finds_the_same_on_a_real_model() -> None:
    model, tokenizer = tiny_lms.stories()
    text, length = "Once upon a time there was a small dog. He liked to run in the green garden. " * 6, 32
    ids = tokenizer.encode(text, add_special_tokens=False)
    ids = ids[: len(ids) // length * length]
    rows = [tokenizer.bos_token_id, *ids]
    windows = [rows[k : k + length + 1] for k in range(0, len(ids), length)]
    found = perplexity(model, windows, 4)
    assert found.tokens == len(ids) > 4 * length
    expected = math.exp(-rolling(model, tokenizer, ids, length) / len(ids))
    assert found.value == pytest.approx(expected, abs=1e-3)
