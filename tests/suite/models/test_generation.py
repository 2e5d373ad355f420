"""Generation: the same text however it is batched, transformers' greedy text, honest samples."""

from __future__ import annotations

from typing import Any

import pytest
import tiny_lms
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import nn

from suite.errors import UsageError
from suite.models import generation
from suite.models._sampling import Rule, gumbel
from suite.models.generation import chat, generate

PROMPTS = [
    "The cat",
    "Where is the dog? The dog is under",
    "",
    "東京 and",
    "one two three four five six seven eight nine",
    "a",
    "The mat and the log, the tree",
]
STORIES = [
    "Once upon a time",
    "Lily",
    "",
    "The dog was very happy because he",
    "One day, Tom and his mom went to the park. They saw",
    "He was sad",
    "A big red",
    "They played",
]
SAMPLED: dict[str, Any] = {"temperature": 0.9, "top_k": 60, "top_p": 0.95}


def one_by_one(model: Any, prompt: list[int], count: int) -> list[int]:
    """What transformers writes, greedily."""
    ids = torch.tensor([prompt])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False, pad_token_id=0
    )
    return out[0, len(prompt) :].tolist()


@pytest.mark.parametrize("kind", tiny_lms.KINDS)
def test_greedy_text_is_that_of_transformers_alone_and_in_any_batch(kind: str) -> None:
    model, tok = tiny_lms.model(kind), tiny_lms.tokenizer()
    ids = [tok.encode(p) or [tok.bos_token_id] for p in PROMPTS]
    expected = [one_by_one(model, prompt, 20) for prompt in ids]
    assert len({tuple(e) for e in expected}) > 3
    for size in (1, 3, 32):
        got = generate(model, tok, PROMPTS, max_new_tokens=20, batch_size=size)
        assert [list(g.ids) for g in got] == expected
        assert [g.n_prompt for g in got] == [len(i) for i in ids]


@pytest.mark.parametrize("settings_", [{}, SAMPLED], ids=["greedy", "sampled"])
def test_a_real_model_writes_the_same_for_batch_sizes_1_7_and_32(settings_: dict[str, Any]) -> None:
    model, tok = tiny_lms.stories()
    seeds = range(len(STORIES))
    one, seven, all_ = (
        generate(model, tok, STORIES, max_new_tokens=24, batch_size=n, seeds=seeds, stop=["."], **settings_)
        for n in (1, 7, 32)
    )
    assert one == seven == all_
    assert len({g.text for g in one}) >= 6


def test_a_real_model_writes_what_transformers_writes() -> None:
    model, tok = tiny_lms.stories()
    got = generate(model, tok, STORIES[:4], max_new_tokens=24)
    for prompt, g in zip(STORIES, got, strict=False):
        ids = tok.encode(prompt)
        expected = one_by_one(model, ids, 24)
        assert list(g.ids) == expected
        whole = tok.decode(ids + expected, skip_special_tokens=True)
        assert prompt + g.text == whole


@given(
    kind=st.sampled_from(tiny_lms.KINDS),
    seed=st.integers(0, 5),
    lengths=st.lists(st.integers(1, 21), min_size=2, max_size=6),
    size=st.integers(1, 6),
    heads=st.sampled_from([(4, 4), (4, 2), (4, 1), (2, 1)]),
    tied=st.booleans(),
)
@settings(max_examples=8, deadline=None)
def test_order_and_neighbours_never_change_a_sampled_row(
    kind: str, seed: int, lengths: list[int], size: int, heads: tuple[int, int], tied: bool
) -> None:
    model = tiny_lms.model(kind, seed=seed, heads=heads[0], kv_heads=heads[1], tied=tied)
    pick = torch.Generator().manual_seed(seed)
    prompts = [torch.randint(2, 320, (n,), generator=pick).tolist() for n in lengths]
    tok, seeds = tiny_lms.tokenizer(), [7 * i + seed for i in range(len(prompts))]
    alone = [
        generate(model, tok, [p], max_new_tokens=6, temperature=1.3, top_p=0.9, seeds=[s])[0]
        for p, s in zip(prompts, seeds, strict=True)
    ]
    backwards = generate(
        model,
        tok,
        prompts[::-1],
        max_new_tokens=6,
        temperature=1.3,
        top_p=0.9,
        seeds=seeds[::-1],
        batch_size=size,
    )
    assert backwards[::-1] == alone


class Tied(nn.Module):
    """Two candidates as good as equal; which one leads depends on the number of rows, as rounding does."""

    def __init__(self, gap: float) -> None:
        super().__init__()
        self.inner, self.gap = tiny_lms.model("llama"), gap
        self.config, self.generation_config = self.inner.config, self.inner.generation_config

    def forward(self, input_ids: torch.Tensor, **inputs: Any) -> Any:
        out = self.inner(input_ids=input_ids, **inputs)
        out.logits = torch.zeros_like(out.logits)
        out.logits[..., 5] = 3.0
        out.logits[..., 6] = 3.0 + (self.gap if len(input_ids) > 1 else -self.gap)
        return out


@pytest.mark.parametrize("rule", [{}, {"temperature": 0.001, "seeds": [1, 2, 3]}], ids=["greedy", "sampled"])
def test_a_near_tie_is_decided_by_the_row_alone(rule: dict[str, Any]) -> None:
    model, prompts = Tied(1e-6), [[3, 4], [9], [7, 8, 9]]
    together = generate(model, tiny_lms.tokenizer(), prompts, max_new_tokens=2, **rule)
    one = generate(model, tiny_lms.tokenizer(), prompts, max_new_tokens=2, batch_size=1, **rule)
    assert [g.ids for g in together] == [g.ids for g in one]
    if not rule:
        assert {i for g in one for i in g.ids} == {5}
        beyond = generate(Tied(1e-2), tiny_lms.tokenizer(), prompts, max_new_tokens=2)
        assert {i for g in beyond for i in g.ids} == {6}, "a clear lead in the batch is not computed again"


def fixed(model: Any, logits: torch.Tensor) -> Any:
    """The model, but with these logits (V,) at every position."""

    def answer(_module: nn.Module, _args: Any, out: Any) -> Any:
        out.logits = logits.expand(*out.logits.shape[:2], -1).clone()
        return out

    model.register_forward_hook(answer)
    return model


@pytest.mark.parametrize(("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.7, 5, 1.0), (1.5, 6, 0.8)])
def test_samples_follow_the_filtered_softmax(temperature: float, top_k: int, top_p: float) -> None:
    logits = torch.full((320,), -30.0)
    logits[10:20] = torch.tensor([2.0, 1.8, 1.5, 1.2, 1.0, 0.5, 0.2, 0.0, -0.5, -1.0])
    probabilities = (logits / temperature).softmax(0)
    order = probabilities.argsort(descending=True).tolist()[: top_k or None]
    kept, total = [], 0.0
    mass = sum(float(probabilities[i]) for i in order)
    for i in order:  # the fewest tokens that reach top_p
        if total >= top_p:
            break
        kept.append(i)
        total += float(probabilities[i]) / mass
    model = fixed(tiny_lms.model("llama"), logits)
    out = generate(
        model,
        tiny_lms.tokenizer(),
        [[5]] * 60,
        max_new_tokens=50,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seeds=range(60),
        batch_size=60,
        eos=[],
    )
    drawn = torch.bincount(torch.tensor([i for g in out for i in g.ids]), minlength=320)
    kept = [i for i in kept if probabilities[i] > 1e-6]
    assert int(drawn[kept].sum()) == 3000
    share = probabilities[kept] / probabilities[kept].sum()
    assert chisquare(drawn[kept].numpy(), (3000 * share).double().numpy(), sum_check=False).pvalue > 1e-4


def test_the_filters_keep_the_sets_worked_out_by_hand() -> None:
    scores = torch.tensor([[0.4, 0.3, 0.2, 0.06, 0.04], [0.1, 0.1, 0.1, 0.1, 0.6]]).double().log()

    def kept(**rule: Any) -> list[list[int]]:
        return [row.nonzero()[:, 0].tolist() for row in Rule(1.0, **rule).allowed(scores)[1]]

    assert kept(top_k=2)[0] == [0, 1]
    assert kept(top_k=2)[1] == [0, 1, 2, 3, 4], "tokens as likely as the last one pass too"
    assert kept(top_k=1) == [[0], [4]]
    assert kept(top_p=0.69)[0] == [0, 1]
    assert kept(top_p=0.71)[0] == [0, 1, 2]
    assert kept(top_p=0.01) == [[0], [4]]
    # Among the two most likely, 0.4 and 0.3 become 0.571 and 0.429.
    assert kept(top_k=2, top_p=0.5)[0] == [0]
    assert kept(top_k=2, top_p=0.6)[0] == [0, 1]
    assert kept(top_k=9)[0] == [0, 1, 2, 3, 4]


def test_a_large_vocabulary_is_filtered_as_a_full_sort_would() -> None:
    scores = torch.randn(3, 2000, generator=torch.Generator().manual_seed(0)).double()
    for top_p in (0.2, 0.7, 0.99):
        got = Rule(1.0, top_p=top_p).allowed(scores)[1]
        for row, mask in zip(scores.softmax(-1), got, strict=True):
            values, order = row.sort(descending=True)
            count = int((values.cumsum(0) < top_p).sum()) + 1
            assert set(mask.nonzero()[:, 0].tolist()) == set(order[:count].tolist())


@given(seed=st.integers(0, 10_000), top_k=st.integers(0, 6), top_p=st.sampled_from([0.3, 0.8, 1.0]))
@settings(max_examples=60, deadline=None)
def test_a_choice_called_sure_survives_rounding(seed: int, top_k: int, top_p: float) -> None:
    """Coarse logits, so that near ties abound, moved by less than half the slack."""
    pick = torch.Generator().manual_seed(seed)
    slack, rule = 0.05, Rule(0.8, top_k, top_p)
    logits = torch.randint(0, 12, (40, 8), generator=pick) * 0.1
    logits += torch.rand(40, 8, generator=pick) * 0.02
    noise = torch.stack([gumbel(pick, 8) for _ in range(40)])
    token, sure = rule.choose(logits, noise, slack)
    moved = logits + (torch.rand(40, 8, generator=pick) - 0.5) * slack * 0.99
    other = rule.choose(moved, noise, 0.0)[0]
    assert torch.equal(token[sure], other[sure])
    assert sure.any(), "none is: nothing was compared"


def test_rows_end_at_any_of_several_eos_tokens_and_leave_the_batch() -> None:
    model, tok = tiny_lms.model("llama"), tiny_lms.tokenizer()
    free = generate(model, tok, PROMPTS, max_new_tokens=12, eos=[])
    ends = [free[0].ids[2], free[1].ids[5]]
    model.generation_config.eos_token_id = ends
    widths: list[int] = []

    def count(_module: Any, _args: Any, inputs: dict[str, Any]) -> None:
        widths.extend([len(inputs["input_ids"])] if inputs["use_cache"] else [])

    model.register_forward_pre_hook(count, with_kwargs=True)
    got = generate(model, tok, PROMPTS, max_new_tokens=12)
    for g, f in zip(got, free, strict=True):
        at = min([f.ids.index(e) for e in ends if e in f.ids], default=None)
        assert g.ids == (f.ids if at is None else f.ids[: at + 1])
        assert g.reason == ("length" if at is None else "eos")
    assert widths[0] == len(PROMPTS) and widths[-1] == sum(len(g.ids) == 12 for g in got)
    assert sum(widths) == sum(len(g.ids) for g in got), "a finished row costs nothing"


class Scripted(nn.Module):
    """Writes given tokens after a prompt of one token, whatever it is."""

    def __init__(self, script: list[int]) -> None:
        super().__init__()
        self.inner, self.script = tiny_lms.model("llama"), script
        self.config, self.generation_config = self.inner.config, self.inner.generation_config

    def forward(self, input_ids: torch.Tensor, past_key_values: Any = None, **inputs: Any) -> Any:
        out = self.inner(input_ids=input_ids, past_key_values=past_key_values, **inputs)
        out.logits = torch.zeros_like(out.logits)
        out.logits[:, -1, self.script[past_key_values.get_seq_length() - 1]] = 9.0
        return out


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("The cat sat on the mat.", ["sat on"], "The cat "),
        ("one two three", ["ee", "two t"], "one "),
        ("Größe 🙂 and 東京", ["🙂"], "Größe "),
        ("Größe 🙂 and 東京", ["京"], "Größe 🙂 and 東"),
        ("abc", ["nothing"], "abc"),
    ],
)
def test_stop_strings_are_found_across_tokens_and_characters_stay_whole(
    text: str, stop: list[str], expected: str
) -> None:
    tok = tiny_lms.tokenizer()
    script = tok.encode(text)
    (got,) = generate(Scripted(script), tok, [[40]], max_new_tokens=len(script), stop=stop)
    assert got.text == expected
    assert got.reason == ("stop" if expected != text else "length")
    assert list(got.ids) == script[: len(got.ids)]
    # It stopped at the first token that completed the stop string.
    assert expected == text or not any(s in tok.decode(got.ids[:-1]) for s in stop)


def test_special_tokens_are_no_text_and_a_torn_character_is_marked() -> None:
    tok = tiny_lms.tokenizer()
    script = [*tok.encode("cat"), tok.eos_token_id]
    (got,) = generate(Scripted(script), tok, [[40]], max_new_tokens=9)
    assert (got.text, got.reason, got.ids[-1]) == ("cat", "eos", tok.eos_token_id)
    smile = tok.encode("a🙂")
    (torn,) = generate(Scripted(smile), tok, [[40]], max_new_tokens=len(smile) - 1)
    assert torn.text.startswith("a�") and torn.reason == "length"


def test_log_probabilities_are_those_of_a_full_forward_pass() -> None:
    model, tok = tiny_lms.model("gemma3"), tiny_lms.tokenizer()
    for rule in ({}, {"temperature": 0.7, "top_k": 20, "seeds": range(len(PROMPTS))}):
        for prompt, g in zip(
            PROMPTS, generate(model, tok, PROMPTS, max_new_tokens=8, logprobs=True, **rule), strict=True
        ):
            ids = (tok.encode(prompt) or [0]) + list(g.ids)
            with torch.no_grad():
                whole = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
            expected = [float(whole[i - 1, ids[i]]) for i in range(len(ids) - len(g.ids), len(ids))]
            assert g.logprobs == pytest.approx(expected, abs=1e-4)


def test_the_end_of_the_context_ends_a_text_and_a_full_one_is_refused() -> None:
    model, tok = tiny_lms.model("gpt2"), tiny_lms.tokenizer()
    (got,) = generate(model, tok, [[5] * 120], max_new_tokens=50, eos=[])
    assert (len(got.ids), got.reason) == (8, "length")
    with pytest.raises(UsageError, match="prompt 1 has 128 tokens and the model's context is 128"):
        generate(model, tok, [[5], [5] * 128], max_new_tokens=1)


def test_an_empty_prompt_is_bos_and_a_written_bos_is_not_doubled() -> None:
    model, tok = tiny_lms.model("llama"), tiny_lms.tokenizer()
    empty, none, bos = generate(model, tok, ["", [], [tok.bos_token_id]], max_new_tokens=5)
    assert empty == none == bos
    real, stories = tiny_lms.stories()
    plain, written = generate(real, stories, ["Lily", "<s>Lily"], max_new_tokens=5)
    assert plain == written


def test_the_model_is_left_as_it_was_and_dropout_does_not_reach_the_text() -> None:
    model, tok = tiny_lms.model("gpt2").train(), tiny_lms.tokenizer()
    model.transformer.h[0].eval()
    first, second = (generate(model, tok, PROMPTS, max_new_tokens=6) for _ in range(2))
    assert first == second
    assert model.training and not model.transformer.h[0].training


def test_no_prompts_give_no_texts() -> None:
    assert generate(tiny_lms.model("llama"), tiny_lms.tokenizer(), [], max_new_tokens=3) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temperature": 0.5}, "one seed a prompt: 1 prompts, seeds given: none"),
        ({"temperature": 0.5, "seeds": [1, 2]}, "seeds given: 2"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"temperature": 0.5, "top_p": 0.0, "seeds": [1]}, "top_p is 0.0"),
        ({"top_k": -3}, "top_k is -3"),
        ({"stop": "end"}, "lists of texts"),
        ({"stop": [""]}, "stop strings are not empty"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        generate(tiny_lms.model("llama"), tiny_lms.tokenizer(), ["a"], max_new_tokens=3, **wrong)


def test_chat_writes_the_template_up_to_the_answer() -> None:
    import copy

    tok = copy.deepcopy(tiny_lms.tokenizer())
    with pytest.raises(UsageError, match="no chat template"):
        chat(tok, [{"role": "user", "content": "hi"}])
    every = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    tok.chat_template = every + "{% if add_generation_prompt %}[me]{% endif %}"
    ids = chat(tok, [{"role": "user", "content": "hi"}], system="be kind")
    assert tok.decode(ids) == "[system]be kind[user]hi[me]"


def test_the_slack_is_wider_than_what_a_batch_moves() -> None:
    """On the real model: logits of a padded batch beside those of each row alone."""
    model, tok = tiny_lms.stories()
    ids = [tok.encode(p) for p in STORIES]
    widest = max(map(len, ids))
    with torch.no_grad():
        batch = torch.tensor([[0] * (widest - len(i)) + i for i in ids])
        mask = torch.tensor([[0] * (widest - len(i)) + [1] * len(i) for i in ids])
        places = (mask.cumsum(-1) - 1).clamp(min=0)
        together = model(batch, attention_mask=mask, position_ids=places).logits[:, -1]
        alone = torch.stack([model(torch.tensor([i])).logits[0, -1] for i in ids])
    assert float((together - alone).abs().max()) < generation.SLACK / 2
