"""Models built like Llama: which linear maps read which activation, and changes that leave the logits alone.

A block has four sites, each an activation with the linear maps that read it and the part that produces it:

    site   read by          produced by
    qkv    q, k and v       the norm before attention
    out    o                the values, weighted by attention (v)
    ffn    gate and up      the norm before the FFN
    down   down             up (times the activated gate)

Llama, Mistral, Qwen2, Qwen3 and SmolLM are such models, and Gemma 1 to 3, whose norms multiply by 1 + weight
and which may have two more of them, behind attention and FFN. What is not built so is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from suite.errors import UsageError
from suite.models.anatomy import anatomy

READERS = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "out": ("self_attn.o_proj",),
    "ffn": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
SITES = tuple(READERS)
BEFORE_FFN = ("pre_feedforward_layernorm", "post_attention_layernorm")
"""The first of them that a block has is the norm before its FFN."""
BEHIND = ("post_attention_layernorm", "post_feedforward_layernorm")
"""Norms behind attention and FFN, of a block that has the first name of BEFORE_FFN."""


@dataclass(frozen=True)
class Block:
    """One layer. before_attention, before_ffn: its norms; behind: norms on what it adds to the stream."""

    index: int
    module: Any
    before_attention: Any
    before_ffn: Any
    behind: tuple[Any, ...]

    def linear(self, path: str) -> Any:
        """A linear map by its path in the block, as in READERS."""
        return self.module.get_submodule(path)

    def readers(self, site: str) -> tuple[Any, ...]:
        """The maps that read a site."""
        return tuple(self.linear(path) for path in READERS[site])

    def replace(self, path: str, module: nn.Module) -> None:
        """Puts another module in the place of a linear map."""
        self.module.set_submodule(path, module)


@dataclass(frozen=True)
class LlamaLike:
    """A model and its parts. offset: what its norms add to their weight before they multiply, 0 or 1."""

    model: Any
    blocks: tuple[Block, ...]
    last_norm: Any
    heads: int
    kv_heads: int
    head_dim: int
    offset: float

    @property
    def width(self) -> int:
        return int(self.blocks[0].linear(READERS["qkv"][0]).in_features)

    @property
    def neurons(self) -> int:
        return int(self.blocks[0].linear(READERS["down"][0]).in_features)

    @property
    def body(self) -> Any:
        """The stack of blocks with the embedding and the last norm."""
        return anatomy(self.model).owners[-1]

    def site_width(self, site: str) -> int:
        """How many channels a site has."""
        return {"out": self.heads * self.head_dim, "down": self.neurons}.get(site, self.width)

    def gain(self, norm: Any) -> Tensor:
        """What a norm multiplies by, (d,) float64."""
        found: Tensor = norm.weight.detach().double() + self.offset
        return found

    def set_gain(self, norm: Any, gain: Tensor) -> None:
        norm.weight.data.copy_(gain - self.offset)

    def refuse_norms_behind(self, what: str) -> None:
        """UsageError where a norm stands between maps and stream: no rotation passes its gain."""
        if any(block.behind for block in self.blocks):
            raise UsageError(
                f"{type(self.model).__name__} has norms behind attention and FFN, whose gains no {what} "
                "passes; it needs a model like Llama"
            )


def llama_like(model: Any) -> LlamaLike:
    """The parts of a model built like Llama; UsageError, naming the part that is missing, for any other."""
    body, name = anatomy(model), type(model).__name__
    blocks = tuple(_block(i, layer.block, name) for i, layer in enumerate(body.layers))
    if not isinstance(model.get_output_embeddings(), nn.Linear) or not hasattr(body.owners[-1], "norm"):
        raise UsageError(
            f"{name} has no last norm and linear map to the vocabulary; a model like Llama has both"
        )
    last = body.owners[-1].norm
    norms = [norm for b in blocks for norm in (b.before_attention, b.before_ffn, *b.behind)] + [last]
    offsets = {_offset(norm, name) for norm in norms}
    if len(offsets) > 1:
        raise UsageError(f"{name} mixes norms that multiply by their weight with such that add 1 to it")
    kv_width = blocks[0].linear("self_attn.k_proj").out_features
    return LlamaLike(model, blocks, last, body.heads, kv_width // body.head_dim, body.head_dim, offsets.pop())


def _block(index: int, module: Any, name: str) -> Block:
    for path in (path for paths in READERS.values() for path in paths):
        try:
            part = module.get_submodule(path)
        except AttributeError:
            part = None
        if not hasattr(part, "in_features"):
            raise UsageError(f"{name}: its layers have no linear {path}; this needs a model like Llama")
    norms = {child: part for child, part in module.named_children() if "norm" in type(part).__name__.lower()}
    before = next((path for path in BEFORE_FFN if path in norms), "")
    behind = BEHIND if before == BEFORE_FFN[0] else ()
    if sorted(norms) != sorted({"input_layernorm", before, *behind}):
        raise UsageError(
            f"{name}: its layers have the norms {', '.join(norms) or 'none'}; this needs a model like Llama"
        )
    return Block(
        index, module, norms["input_layernorm"], norms[before], tuple(norms[path] for path in behind)
    )


def _offset(norm: Any, name: str) -> float:
    """0 for a norm that gives x / rms(x) times its weight, 1 where it adds 1 to the weight (Gemma)."""
    if getattr(norm, "weight", None) is None:
        raise UsageError(f"{name}: {type(norm).__name__} is no RMS norm with a gain, as Llama's is")
    if norm.weight.is_meta:
        return 1.0 if "Gemma" in type(norm).__name__ else 0.0
    x = torch.linspace(-1, 2, len(norm.weight)).to(norm.weight)[None, None]
    with torch.no_grad():
        unit, found = x.float() / x.float().square().mean().sqrt(), norm(x).float()
        for offset in (0.0, 1.0):
            if torch.allclose(found, unit * (norm.weight.float() + offset), rtol=0.02, atol=1e-3):
                return offset
    raise UsageError(f"{name}: {type(norm).__name__} is no RMS norm with a gain, as Llama's and Gemma's are")


def untie(model: Any) -> None:
    """Gives the last map a weight of its own, and has the configuration say so."""
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if head.weight is embedding.weight:
        head.weight = nn.Parameter(head.weight.detach().clone(), head.weight.requires_grad)
    model.config.get_text_config().tie_word_embeddings = False
    model.config.tie_word_embeddings = False
    # transformers keeps here what it ties again when it saves.
    if hasattr(model, "all_tied_weights_keys"):
        model.all_tied_weights_keys = {}


def fuse_gains(llama: LlamaLike) -> None:
    """The norms' gains into the maps that read them; the gains are 1 afterwards. Unties the embeddings."""
    untie(llama.model)
    for norm, readers in norm_readers(llama):
        for linear in readers:
            linear.weight.data.copy_(linear.weight.double() * llama.gain(norm).to(linear.weight.device))
        llama.set_gain(norm, torch.ones_like(norm.weight))


def norm_readers(llama: LlamaLike) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """(norm, the maps that read it), the last norm with the map to the vocabulary included."""
    for block in llama.blocks:
        yield block.before_attention, block.readers("qkv")
        yield block.before_ffn, block.readers("ffn")
    yield llama.last_norm, (llama.model.get_output_embeddings(),)


def rotate_stream(llama: LlamaLike, basis: Tensor) -> None:
    """Writes the residual stream h as h @ basis, orthogonal (d, d): readers undo it, writers do it.

    The gains must be 1 (`fuse_gains`), as no rotation passes another. UsageError for norms behind the maps.
    """
    llama.refuse_norms_behind("rotation of the stream")
    _turn(llama.model.get_input_embeddings(), basis)
    _turn(llama.model.get_output_embeddings(), basis)
    for block in llama.blocks:
        for linear in (*block.readers("qkv"), *block.readers("ffn")):
            _turn(linear, basis)
        for linear in (*block.readers("out"), *block.readers("down")):
            turn_outputs(linear, basis)


def _turn(module: Any, basis: Tensor) -> None:
    module.weight.data.copy_(module.weight.double() @ basis.to(module.weight.device, torch.float64))


def turn_outputs(linear: Any, basis: Tensor) -> None:
    """Has a linear map give y @ basis in place of y, orthogonal (o, o)."""
    q = basis.to(linear.weight.device, torch.float64)
    linear.weight.data.copy_(q.T @ linear.weight.double())
    if linear.bias is not None:
        linear.bias.data.copy_(linear.bias.double() @ q)


def rescale(llama: LlamaLike, block: Block, site: str, factors: Tensor) -> None:
    """Divides a site's activation by positive factors (d,) and multiplies its readers' columns: same outputs.

    At "out" the factors of the query heads that share a head of keys and values must be equal, since values
    are divided once for all of them (`shared_by_heads` makes such). ValueError where they are not.
    """
    s = factors.double()
    if site == "out":
        per_kv = s.view(llama.kv_heads, -1, llama.head_dim)
        if not torch.equal(per_kv, per_kv[:, :1].expand_as(per_kv)):
            raise ValueError("factors of query heads that share their values differ; see shared_by_heads")
        _divide_rows(block.linear("self_attn.v_proj"), per_kv[:, 0].reshape(-1))
    elif site == "down":
        _divide_rows(block.linear("mlp.up_proj"), s)
    else:
        norm = block.before_attention if site == "qkv" else block.before_ffn
        llama.set_gain(norm, llama.gain(norm) / s.to(norm.weight.device))
    for linear in block.readers(site):
        linear.weight.data.copy_(linear.weight.double() * s.to(linear.weight.device))


def shared_by_heads(llama: LlamaLike, factors: Tensor) -> Tensor:
    """Factors of the "out" site, the largest of each group of query heads in the place of all its own."""
    per_kv = factors.view(llama.kv_heads, -1, llama.head_dim)
    return per_kv.amax(1, keepdim=True).expand_as(per_kv).reshape(-1)


def _divide_rows(linear: Any, s: Tensor) -> None:
    s = s.to(linear.weight.device)
    linear.weight.data.copy_(linear.weight.double() / s[:, None])
    if linear.bias is not None:
        linear.bias.data.copy_(linear.bias.double() / s)


def widen(llama: LlamaLike, units: int) -> None:
    """Zero neurons behind those of every FFN; gate, up and down read and write them with zeros."""
    for block in llama.blocks:
        ffn = block.module.mlp
        for linear in block.readers("ffn"):
            linear.weight = _grown(linear.weight, units, 0)
            if linear.bias is not None:
                linear.bias = _grown(linear.bias, units, 0)
            linear.out_features += units
        (down,) = block.readers("down")
        down.weight = _grown(down.weight, units, 1)
        down.in_features += units
        if hasattr(ffn, "intermediate_size"):
            ffn.intermediate_size += units
    llama.model.config.get_text_config().intermediate_size += units


def _grown(parameter: Any, by: int, dim: int) -> nn.Parameter:
    """The parameter with `by` zeros, or rows or columns of zeros, behind it."""
    shape = list(parameter.shape)
    shape[dim] = by
    return nn.Parameter(torch.cat([parameter, parameter.new_zeros(shape)], dim), parameter.requires_grad)


def units_that_fit(neurons: int, cap: int = 128) -> int:
    """The largest power of two up to `cap` that divides the FFN's width, and at least 2."""
    return max(2, math.gcd(neurons, cap))


def modules_of(blocks: Sequence[Block]) -> list[Any]:
    return [block.module for block in blocks]
