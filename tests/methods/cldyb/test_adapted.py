"""Parts inside a frozen transformer: they add what they should where they should, and nothing else does."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.cldyb import adapted
from methods.cldyb.adapt_base import Bottlenecked
from methods.cldyb.adapt_parts import Bottleneck, LowRank
from methods.cldyb.adapt_seqlora import SeqLoRA
from methods.cldyb.adapted import Adapted, Host, Steady, blocks
from suite.errors import Skip, UsageError
from tests.methods.cldyb.adapt_vits import BACKBONE, PIXELS, WIDTH, shaken, task, taught, vit

SITES: Any = ("mlp", "attention", "query", "key", "value")
X = torch.cat([task(0, 3).x, task(1).x])


def parts_for(host: Host, kind: str = "bottleneck") -> nn.ModuleDict:
    make = (lambda: Bottleneck(WIDTH, 3)) if kind == "bottleneck" else (lambda: LowRank(WIDTH, WIDTH, 3))
    parts = nn.ModuleDict({name: make() for name in host.places})
    for part in parts.values():
        part.draw(torch.Generator().manual_seed(1))
    return parts


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ["vit", "dinov2"])
def test_untrained_parts_leave_the_encoder_as_it_is(kind: str, attention: str) -> None:
    encoder = vit(2, attention, kind)
    plain = encoder(X)
    host = Host(encoder, SITES)
    assert sorted(host.places) == sorted(f"{site}_{i}" for site in SITES for i in (0, 1))
    for shape in ("bottleneck", "low-rank"):
        parts = parts_for(host, shape)
        torch.testing.assert_close(host.run(X, parts), plain, rtol=0, atol=1e-6)
        assert all(bool(p.down.any()) for p in parts.values())
        for name in parts:
            one = shaken(copy.deepcopy(parts))
            alone = nn.ModuleDict({name: one[name]})
            assert not torch.allclose(host.run(X, alone), plain, atol=1e-4), name
    assert torch.equal(encoder(X), plain)


def by_hand(encoder: Any, x: Tensor, mlp: Bottleneck | None, attention: Bottleneck | None) -> Tensor:
    """The forward pass of a transformers ViT of one block, written out."""
    body = encoder.body
    block = body.layers[0]
    states = body.embeddings(encoder.norm(x.permute(0, 3, 1, 2).float() / 127.5 - 1))
    normed = block.layernorm_before(states)
    states = states + block.attention(normed)[0]
    if attention is not None:
        inner = F.relu(normed @ attention.down.T + attention.down_bias)
        states = states + 0.1 * (inner @ attention.up.T + attention.up_bias)
    out = states + block.mlp(block.layernorm_after(states))
    if mlp is not None:
        inner = F.relu(states @ mlp.down.T + mlp.down_bias)
        out = out + 0.1 * (inner @ mlp.up.T + mlp.up_bias)
    token: Tensor = body.layernorm(out)[:, 0]
    return token


def test_an_adapter_stands_beside_the_mlp_or_the_attention() -> None:
    encoder = vit(1)
    host = Host(copy.deepcopy(encoder), ("mlp", "attention"))
    parts = shaken(parts_for(host))
    both: Any = (parts["mlp_0"], parts["attention_0"])
    for mlp, attention in ((both[0], None), (None, both[1]), both):
        named = {"mlp_0": mlp, "attention_0": attention}
        used = nn.ModuleDict({name: part for name, part in named.items() if part is not None})
        found = host.run(X, used)
        torch.testing.assert_close(found, by_hand(encoder, X, mlp, attention), rtol=1e-5, atol=1e-5)


def test_an_adapter_by_numbers() -> None:
    """relu of (1 + 2, -1) is (3, 0); 0.5 (2 x 3 + 1) = 3.5; gelu(x) = x Phi(x); dropout in training alone."""
    one = Bottleneck(2, 2, 0.5, dropout=0.5)
    with torch.no_grad():
        one.down.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        one.down_bias.copy_(torch.tensor([2.0, 0.0]))
        one.up.copy_(torch.tensor([[2.0, 5.0], [0.0, 0.0]]))
        one.up_bias.copy_(torch.tensor([1.0, 0.0]))
    x = torch.tensor([[1.0, -1.0]])
    assert one.eval()(x).detach().tolist() == [[3.5, 0.0]]
    assert {float(one.train()(x)[0, 0].detach()) for _ in range(20)} == {0.5, 6.5}
    curved = Bottleneck(2, 2, None, activation="gelu")
    with torch.no_grad():
        curved.down.copy_(one.down)
        curved.up.copy_(one.up)
        curved.scale.fill_(3.0)
    phi = float(torch.distributions.Normal(0.0, 1.0).cdf(torch.tensor(1.0)))
    assert float(curved(x)[0, 0].detach()) == pytest.approx(3 * (2 * phi - 5 * (1 - phi)), rel=1e-5)


@pytest.mark.parametrize("scale", [1.0, None])
def test_a_low_rank_update_is_one_of_the_weights(scale: float | None) -> None:
    encoder = vit(2)
    host = Host(copy.deepcopy(encoder), ("query", "key", "value"))
    made = {name: LowRank(WIDTH, WIDTH, 3, scale) for name in host.places}
    parts = shaken(nn.ModuleDict(made))
    earlier = LowRank(WIDTH, WIDTH, 2)
    shaken(nn.ModuleDict({"a": earlier}), 4)
    made["value_1"].before = (earlier.down.detach(), earlier.up.detach())
    names = {"query": "q_proj", "key": "k_proj", "value": "v_proj"}
    with torch.no_grad():
        for name, part in made.items():
            site, _, number = name.partition("_")
            weight = getattr(encoder.body.layers[int(number)].attention, names[site]).weight
            weight.add_(part.up @ part.down * part.scale)
            if name == "value_1":
                weight.add_(earlier.up @ earlier.down * part.scale)
    torch.testing.assert_close(host.run(X, parts), encoder(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("start", [0, 1, 2])
def test_tokens_kept_for_a_task_give_the_same_features_and_gradients(start: int) -> None:
    host = Host(vit(), ("mlp", "key"), start)
    parts = shaken(parts_for(host))
    assert {name[-1] for name in host.places} == {"0", "1", "2"} - {str(i) for i in range(start)}
    tokens = host.kept(X)
    assert tokens.shape == (len(X), 1 + (PIXELS // 4) ** 2, WIDTH) and not tokens.requires_grad
    rows = torch.tensor([7, 2, 2, 16])
    found = []
    for x in (X[rows], tokens[rows]):
        features = host.run(x, parts)
        grads = torch.autograd.grad(features.square().sum(), list(parts.parameters()))
        found.append((features, *grads))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_pictures_that_are_too_many_to_keep_are_used_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(vit(), ("mlp",))
    assert host.kept(X).ndim == 3
    monkeypatch.setattr(adapted, "KEPT_BYTES", 5 * WIDTH * 4 * (len(X) - 1))
    assert host.kept(X) is X


def test_moments_of_what_enters_the_keys() -> None:
    encoder = vit()
    host = Host(encoder, ("value",), 1)
    parts = shaken(parts_for(host, "low-rank"))
    seen: list[Tensor] = []
    handle = encoder.body.layers[2].layernorm_before.register_forward_hook(lambda m, a, out: seen.append(out))
    host.run(X, parts)
    handle.remove()
    tokens = seen[0].detach().double().flatten(0, 1)
    for x in (X, host.tokens(X)):
        found = host.moments(x, parts, 5)
        assert sorted(found) == [1, 2]
        torch.testing.assert_close(found[2], tokens.T @ tokens / len(tokens), rtol=1e-5, atol=1e-6)


def test_whoever_holds_a_host_does_not_own_its_weights() -> None:
    host = Host(vit(), ("mlp",))
    network = Adapted(host, parts_for(host))
    assert sum(p.numel() for p in network.parameters()) == 3 * (2 * 3 * WIDTH + 3 + WIDTH)
    assert set(network.state_dict()) == {
        f"parts.mlp_{i}.{n}" for i in range(3) for n in ("down", "down_bias", "up", "up_bias")
    }
    assert copy.deepcopy(network).host is host
    network.train()
    assert not host.encoder.training and not any(p.requires_grad for p in host.encoder.parameters())


class Older(nn.Module):
    """A block as transformers called its modules before version 5."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Module()
        self.attention.attention = nn.Module()
        for name in ("query", "key", "value"):
            setattr(self.attention.attention, name, nn.Linear(4, 4))
        self.layernorm_before, self.layernorm_after = nn.LayerNorm(4), nn.LayerNorm(4)
        self.intermediate, self.output = nn.Linear(4, 8), nn.Linear(8, 4)


def test_blocks_are_known_by_the_names_of_their_modules() -> None:
    stack = nn.ModuleList([Older(), Older()])
    found = blocks(nn.ModuleDict({"other": nn.ModuleList([nn.Linear(1, 1)]), "stack": stack}))
    assert [b.whole for b in found] == list(stack)
    inner: Any = stack[1].attention.attention
    assert (found[1].query, found[1].key, found[1].value) == (inner.query, inner.key, inner.value)
    assert found[1].norm is stack[1].layernorm_after
    with pytest.raises(Skip, match="needs a ViT: .* choose --base-model vit-32-clean"):
        blocks(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ModuleList([nn.ReLU()])))
    with pytest.raises(UsageError, match="start=7"):
        Host(vit(), ("mlp",), 7)


def test_only_parts_and_head_learn() -> None:
    learner = taught(Bottlenecked(epochs=2, batch=5, lr=0.05, inner=4), task(0, 3), task(1))
    fresh = BACKBONE.fresh()
    for name, value in learner.host.encoder.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name]), name
    names = {key.split("/")[1].split(".")[1] for key in learner.state() if "encoder" in key}
    assert names == {"parts"}
    assert not torch.equal(learner.representation(X), fresh(X))


def test_sequential_low_rank_updates_forget_nothing_but_the_encoder() -> None:
    """The head's old rows have no gradient and no decay."""
    learner = taught(SeqLoRA(epochs=2, batch=5, rank=3), task(0, 3))
    before, features = learner.network.head.weight.detach().clone(), learner.representation(X)
    learner.learn(task(1, 4), 5)
    assert torch.equal(learner.network.head.weight[:2], before)
    assert not torch.equal(learner.representation(X), features)


def test_an_encoder_held_steady_keeps_its_statistics() -> None:
    steady = Steady(vit(1)).train()
    assert steady.training and steady.body.body.training and not steady.body.norm.training
    steady(X)
    assert float(steady.body.norm.running_mean.abs().max()) == 0


@pytest.mark.parametrize(
    "settings", [{"reads": "features"}, {"inner": 0}, {"dropout": 1.0}, {"head_rate": -1.0}]
)
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(settings))):
        Bottlenecked(**settings)


def test_a_rank_above_the_width_is_refused() -> None:
    with pytest.raises(UsageError, match="rank must be at most"):
        SeqLoRA(rank=17).begin(BACKBONE, 0)
