"""How prompts reach a ViT: against the same sums in numpy, and equal to the encoder where there is none."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from prompt_vits import WIDTH, backbone, task
from torch import nn

from methods.cldyb.prompt_network import Adam, PromptNetwork
from methods.cldyb.prompted import PromptedEncoder
from suite.errors import Skip, UsageError
from suite.models.registry import Images
from tasks.cldyb.features import Encoder

KINDS = ("vit", "deit", "dinov2", "conv")
PICTURES = task(0, 1, n=2).x


def prompted(kind: str = "vit", layers: int = 3, attention: str = "sdpa") -> PromptedEncoder:
    return PromptedEncoder(backbone(kind, layers, attention).fresh(), WIDTH)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_without_a_prompt_it_is_the_encoder(kind: str, attention: str) -> None:
    ours = prompted(kind, attention=attention)
    truth = backbone(kind, 3, attention).features(PICTURES.numpy())
    assert float((ours.queries(ours.tokens(PICTURES)) - truth).abs().max()) < 1e-6
    nothing = {1: (torch.zeros(4, 0, WIDTH), torch.zeros(4, 0, WIDTH))}
    empty = ours.outputs(ours.tokens(PICTURES), torch.zeros(4, 0, WIDTH), nothing)
    assert float((empty[:, 0] - truth).abs().max()) < 1e-6


def linear(layer: Any, x: Any) -> Any:
    return x @ layer.weight.double().numpy().T + layer.bias.double().numpy()


def normed(layer: Any, x: Any) -> Any:
    out = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + layer.eps)
    return out * layer.weight.double().numpy() + layer.bias.double().numpy()


def attended(layer: Any, x: Any, prefix: Any, heads: int = 2) -> Any:
    """One picture: x (T, d), prefix (keys, values) or None."""
    q, k, v = (linear(m, x) for m in (layer.q_proj, layer.k_proj, layer.v_proj))
    if prefix is not None:
        k, v = np.concatenate([prefix[0], k]), np.concatenate([prefix[1], v])
    out = []
    for part in np.split(np.arange(x.shape[1]), heads):
        z = q[:, part] @ k[:, part].T / math.sqrt(len(part))
        p = np.exp(z - z.max(1, keepdims=True))
        out.append(p / p.sum(1, keepdims=True) @ v[:, part])
    return linear(layer.o_proj, np.concatenate(out, axis=1))


def by_hand(model: Any, x: Any, prefixes: Any) -> Any:
    """All tokens (T, d) of one picture after the last norm."""
    erf = np.vectorize(math.erf)
    for number, block in enumerate(model.layers):
        x = x + attended(block.attention, normed(block.layernorm_before, x), prefixes.get(number))
        h = linear(block.mlp.fc1, normed(block.layernorm_after, x))
        x = x + linear(block.mlp.fc2, h * (1 + erf(h / math.sqrt(2))) / 2)
    return normed(model.layernorm, x)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_prefixes_and_prompt_tokens_as_written_out(attention: str) -> None:
    """Prefixes of different lengths in two of three blocks, another for every picture; and tokens behind the
    class token at its position.
    """
    ours = prompted(attention=attention)
    tokens = ours.tokens(PICTURES)
    prefixes = {0: (noise(4, 2, WIDTH), noise(4, 2, WIDTH, seed=1)), 2: (noise(4, 3, WIDTH, seed=2),) * 2}
    prompts = noise(4, 2, WIDTH, seed=3)
    with torch.no_grad():
        got = ours.outputs(tokens, prompts, prefixes)
    model = backbone("vit", 3, attention).encoder.body
    place = model.embeddings.position_embeddings[0, 0].double().numpy()
    for i in range(4):
        x = tokens[i].double().numpy()
        x = np.concatenate([x[:1], prompts[i].double().numpy() + place, x[1:]])
        own = {n: tuple(side[i].double().numpy() for side in pair) for n, pair in prefixes.items()}
        np.testing.assert_allclose(got[i].numpy(), by_hand(model, x, own), atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_both_attentions_see_the_same_prefix_in_every_family(kind: str) -> None:
    prefixes = {1: (noise(4, 3, WIDTH), noise(4, 3, WIDTH, seed=1))}
    out = []
    for attention in ("sdpa", "eager"):
        ours = prompted(kind, attention=attention)
        out.append(ours.outputs(ours.tokens(PICTURES), prefixes=prefixes))
        plain = ours.outputs(ours.tokens(PICTURES))
    torch.testing.assert_close(out[0], out[1], atol=1e-5, rtol=1e-4)
    assert out[0].shape == plain.shape and not torch.allclose(out[0], plain, atol=1e-2)


def test_gradients_reach_prompts_alone_and_a_failure_leaves_no_prefix_behind() -> None:
    ours = prompted()
    tokens = ours.tokens(PICTURES)
    keys, values = noise(4, 2, WIDTH).requires_grad_(), noise(4, 2, WIDTH).requires_grad_()
    ours.outputs(tokens, prefixes={1: (keys, values)})[:, 0].square().sum().backward()
    assert float(keys.grad.abs().min()) > 0 and float(values.grad.abs().min()) > 0
    assert all(p.grad is None for p in ours.encoder.parameters())
    with pytest.raises(RuntimeError):
        ours.outputs(tokens, prefixes={1: (noise(4, 2, 3), noise(4, 2, 3))})
    truth = backbone("vit", 3).features(PICTURES.numpy())
    np.testing.assert_array_equal(ours.queries(tokens).numpy(), truth)


def test_what_the_attention_asks_with() -> None:
    """The query of a block under a prefix in the block before."""
    ours = prompted()
    tokens = ours.tokens(PICTURES)
    prefixes = {0: (noise(4, 2, WIDTH), noise(4, 2, WIDTH)), 1: (noise(4, 1, WIDTH), noise(4, 1, WIDTH))}
    asked = ours.tapped(tokens, prefixes)
    model = backbone("vit", 3).encoder.body
    assert {n: tuple(q.shape) for n, q in asked.items()} == dict.fromkeys(range(3), (4, 5, WIDTH))
    x = tokens[2].double().numpy()
    first, block = model.layers[0], model.layers[1]
    x = x + attended(first.attention, normed(first.layernorm_before, x), [p[2].numpy() for p in prefixes[0]])
    h = linear(first.mlp.fc1, normed(first.layernorm_after, x))
    x = x + linear(first.mlp.fc2, h * (1 + np.vectorize(math.erf)(h / math.sqrt(2))) / 2)
    expected = linear(block.attention.q_proj, normed(block.layernorm_before, x))
    np.testing.assert_allclose(asked[1][2].numpy(), expected, atol=2e-5)


class Flat(nn.Module):
    def features(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


class Restless(nn.Module):
    """A ViT that does something between its blocks."""

    def __init__(self) -> None:
        super().__init__()
        inner: Any = backbone("vit", 3).fresh().body
        self.embeddings, self.layers, self.layernorm = inner.embeddings, inner.layers, inner.layernorm

    def forward(self, x: torch.Tensor) -> Any:
        x = self.embeddings(x)
        for layer in self.layers:
            x = 1.5 * layer(x)
        return SimpleNamespace(last_hidden_state=self.layernorm(x))


@pytest.mark.parametrize(
    ("kind", "why"), [(Flat, "Flat has no embeddings"), (Restless, "more than to pass its tokens")]
)
def test_what_is_no_vit_is_skipped_with_a_reason(kind: Any, why: str) -> None:
    encoder = Encoder(kind(), Images(8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))
    with pytest.raises(Skip, match=rf"needs a ViT: .*{why}.*--base-model vit-32-clean"):
        PromptedEncoder(encoder, WIDTH)
    with pytest.raises(Skip, match="needs a ViT"):
        PromptedEncoder(nn.Identity(), 3)


def test_prompts_in_blocks_that_there_are_not() -> None:
    prompted().needs(3, "layers")
    with pytest.raises(UsageError, match="layers reach block 4, but the encoder has 3"):
        prompted().needs(4, "layers")


@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_adam_is_that_of_torch(clip: float) -> None:
    """Two rates, a cut to a norm, a parameter that a loss does not reach."""
    start = [noise(3, 2, seed=5), noise(4, seed=6), noise(2, seed=7)]
    ours, theirs = ([nn.Parameter(p.clone()) for p in start] for _ in range(2))
    mine = Adam({"a": ours[0], "b": ours[1], "c": ours[2]}, 0.1, factors={"b": 0.2}, clip=clip)
    groups = [{"params": [theirs[0], theirs[2]], "lr": 0.1}, {"params": [theirs[1]], "lr": 0.02}]
    truth = torch.optim.Adam(groups)

    def loss(p: list[nn.Parameter], step: int) -> torch.Tensor:
        found = (p[0].sin() * 3).sum() + (p[1] ** 4).sum()
        return found if step % 2 else found + p[2].exp().sum()

    for step in range(5):
        mine.step(loss(ours, step))
        truth.zero_grad(set_to_none=True)
        loss(theirs, step).backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(theirs, clip)
        truth.step()
    for mine_now, truth_now in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine_now, truth_now, rtol=1e-5, atol=1e-6)


def test_adam_moves_by_the_altered_gradient() -> None:
    p = nn.Parameter(torch.zeros(2))

    def alter(grads: dict[str, torch.Tensor]) -> None:
        grads["p"][1] = 0.0

    Adam({"p": p}, 0.1, alter=alter).step((p * torch.tensor([3.0, 5.0])).sum())
    assert p.tolist() == pytest.approx([-0.1, 0.0])


def test_a_network_of_prompts_takes_on_other_shapes() -> None:
    one, two = PromptNetwork(3, {"p": torch.ones(2, 3)}), PromptNetwork(3, {"p": torch.zeros(0, 3)})
    one.head.grow(torch.ones(2, 3))
    two.load(one.copied())
    assert torch.equal(two.prompts["p"], torch.ones(2, 3)) and two.head.weight.shape == (2, 3)
    assert set(one.copied()) == {"prompts.p", "head.weight", "head.bias"}
