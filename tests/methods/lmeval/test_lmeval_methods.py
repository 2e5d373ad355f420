"""The competitors on lm-eval tasks, on a tiny model and through the whole suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from methods.lmeval.floors import RandomWeights, UniformLogits
from methods.lmeval.unmodified import Unmodified
from suite.api import Context
from suite.plan import plan
from suite.runner import execute

IDS = torch.tensor([[1, 5, 7, 2]])


def tiny() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=11,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config).eval()


def weights(model: Any) -> torch.Tensor:
    return torch.cat([p.flatten() for p in model.parameters()])


def test_unmodified_gives_the_model_back() -> None:
    model = tiny()
    before = weights(model).clone()
    assert Unmodified().adapt(model, None, Context(0)) is model
    assert torch.equal(weights(model), before)


@torch.no_grad()
def test_uniform_logits_give_every_token_one_probability() -> None:
    model = UniformLogits().adapt(tiny(), None, Context(0))
    probabilities = model(IDS).logits.softmax(-1)
    torch.testing.assert_close(probabilities, torch.full((1, 4, 11), 1 / 11))
    out = model.generate(IDS, max_new_tokens=3, do_sample=False, eos_token_id=None)
    assert out.tolist() == [[1, 5, 7, 2, 0, 0, 0]]


def test_random_weights_are_drawn_by_the_seed_alone() -> None:
    model, state = tiny(), torch.get_rng_state()
    first, again, other = (RandomWeights().adapt(model, None, Context(seed)) for seed in (1, 1, 2))
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))
    assert not torch.equal(weights(first), weights(model))
    assert torch.equal(torch.get_rng_state(), state)
    assert not first.training and first.config is model.config


def values(method: str) -> dict[tuple[str, str], float]:
    outcome = execute(plan("lm-eval", method, "smoke"))
    assert outcome.run.status == "ok", outcome.run.error
    assert len(outcome.samples) == 16
    return {(s.metric, s.slice): s.value for s in outcome.scores}


def test_a_smoke_cell_ends_ok_and_the_floors_are_below_the_model() -> None:
    model, uniform, random = (values(m) for m in ("unmodified", "uniform-logits", "random-weights"))
    assert model["accuracy", "mini_choice"] > max(
        uniform["accuracy", "mini_choice"], random["accuracy", "mini_choice"]
    )
    assert model["accuracy", "all"] > 0.9  # its card says 98 % of such words
    # Token 0 is no word.
    assert uniform["exact_match", "mini_reverse:first-word"] == 0
    assert set(model) >= {("accuracy", "all"), ("acc", "mini_choice"), ("acc_norm", "mini_choice")}


def test_the_rows_of_a_run_are_in_the_store(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from suite.cli import main

    what = ["--task", "lm-eval", "--method", "unmodified"]
    results = ["--results", str(tmp_path)]
    ran = CliRunner().invoke(main, ["run", *what, "--profile", "smoke", *results])
    assert ran.exit_code == 0, ran.output
    shown = CliRunner().invoke(main, ["results", "--where", "slice=mini_choice", *results])
    assert shown.exit_code == 0 and "mini_choice" in shown.output, shown.output
