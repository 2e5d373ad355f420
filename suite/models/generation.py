"""Batched text generation with a KV cache, whose texts do not depend on how the prompts are batched.

    for output in generate(model, tokenizer, prompts, max_new_tokens=64, stop=["\n"]):
        print(output.text)
    generate(model, tokenizer, prompts, max_new_tokens=64, temperature=0.8, seeds=range(len(prompts)))

A batch changes the shapes of matrix products and so the last bits of a row's logits. Where the two best
candidates are closer than that, the batch would decide which one is written. Two things prevent it, in
float32: the noise of sampling comes from a generator of the row's own, and a choice that is closer than
SLACK is made on logits computed for this row alone, without padding and cache. In bfloat16 and float16
rounding reaches so far that near ties are common; there a text may change with the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from suite.errors import UsageError
from suite.models._calls import (
    accepts,
    context_length,
    device_of,
    encode,
    eos_ids,
    evaluating,
    in_batches,
    need_prefix,
    target_log_probs,
)
from suite.models._sampling import Rule, gumbel

# With the batch the float32 logits of small models move by 1e-5 to 5e-5, two of them by twice that: a larger
# lead is safe.
SLACK = 2e-4
# Tokens of the prompt that are decoded with the new ones: a space or a character may need what is before it.
BEFORE = 8

Prompt = str | Sequence[int]
Reason = Literal["eos", "stop", "length"]


@dataclass(frozen=True)
class Generated:
    """What follows one prompt.

    text: special tokens left out, cut before the stop string; a last character that the limit cut in two is
    U+FFFD. ids: every token that was made, an EOS and the tokens of a stop string too. reason: why it ended.
    n_prompt: tokens of the prompt. logprobs: of each of ids under softmax(logits), before temperature and
    filters, float32; empty unless asked for.
    """

    text: str
    ids: tuple[int, ...]
    reason: Reason
    n_prompt: int
    logprobs: tuple[float, ...] = ()


def generate(
    model: nn.Module,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    *,
    max_new_tokens: int,
    stop: Sequence[str] = (),
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seeds: Sequence[int] | None = None,
    batch_size: int = 32,
    logprobs: bool = False,
    eos: Sequence[int] | None = None,
) -> list[Generated]:
    """Continues every prompt, in order: greedily at temperature 0, else sampled with seeds[i] for prompts[i].

    prompts: texts (the tokenizer adds its own special tokens) or token ids (taken as they are); an empty one
    becomes BOS, or EOS where there is no BOS. A row ends at a token of `eos` (default: those of the model's
    generation config), before the first stop string wherever the token borders are, after max_new_tokens, or
    at the end of the model's context. Rows that ended leave the batch.

    model: a causal language model of transformers with a KV cache. Raises UsageError for settings that make
    no sense and for a prompt that fills the context.
    """
    rule = Rule(temperature, top_k, top_p)
    if isinstance(prompts, str) or isinstance(stop, str):
        raise UsageError("prompts and stop are lists of texts, not one text")
    if "" in stop or max_new_tokens < 1:
        raise UsageError(f"stop strings are not empty and max_new_tokens is 1 or more, not {max_new_tokens}")
    seeds = _seeds(rule, seeds, len(prompts))
    ends = frozenset(eos_ids(model, tokenizer) if eos is None else eos)
    limit = context_length(model)
    rows = []
    for i, prompt in enumerate(prompts):
        ids = _ids(tokenizer, prompt, i, limit)
        room = max_new_tokens if limit is None else min(max_new_tokens, limit - len(ids))
        noise = None if seeds is None else torch.Generator().manual_seed(int(seeds[i]))
        rows.append(_Row(ids, room, noise))
    takes = frozenset(name for name in ("position_ids", "logits_to_keep") if accepts(model, name))
    writer = _Writer(model, tokenizer, rule, tuple(stop), ends, logprobs, takes)
    with evaluating(model):
        for chosen in in_batches([len(row.ids) for row in rows], batch_size):
            writer.run([rows[i] for i in chosen])
    return [row.done for row in rows if row.done is not None]


def chat(tokenizer: Any, messages: Sequence[dict[str, str]], *, system: str | None = None) -> list[int]:
    """Token ids of a conversation ([{"role": "user", "content": ...}, ...]) up to where the answer begins.

    system: a first message with the role "system". UsageError where the tokenizer has no chat template.
    """
    if getattr(tokenizer, "chat_template", None) is None:
        raise UsageError("this tokenizer has no chat template; write the prompt as a text")
    first = [] if system is None else [{"role": "system", "content": system}]
    ids = tokenizer.apply_chat_template(
        [*first, *messages], add_generation_prompt=True, tokenize=True, return_dict=False
    )
    return [int(i) for i in ids]


def _seeds(rule: Rule, seeds: Sequence[int] | None, count: int) -> Sequence[int] | None:
    """One seed a row where the rule samples, None where it does not."""
    if rule.temperature == 0:
        return None
    if seeds is None or len(seeds) != count:
        given = "none" if seeds is None else len(seeds)
        raise UsageError(f"sampling needs one seed a prompt: {count} prompts, seeds given: {given}")
    return seeds


def _ids(tokenizer: Any, prompt: Prompt, number: int, limit: int | None) -> list[int]:
    ids = encode(tokenizer, prompt) if isinstance(prompt, str) else [int(i) for i in prompt]
    ids = ids or [need_prefix(tokenizer)]
    if limit is not None and len(ids) >= limit:
        raise UsageError(
            f"prompt {number} has {len(ids)} tokens and the model's context is {limit}: nothing fits behind "
            "it; shorten the prompt"
        )
    return ids


@dataclass(eq=False)
class _Row:
    """One text in the making."""

    ids: list[int]
    room: int
    noise: torch.Generator | None
    new: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    done: Generated | None = None


@dataclass(frozen=True)
class _Writer:
    """Writes batches of rows to their ends."""

    model: nn.Module
    tokenizer: Any
    rule: Rule
    stop: tuple[str, ...]
    eos: frozenset[int]
    logprobs: bool
    takes: frozenset[str]

    def run(self, rows: list[_Row]) -> None:
        """All rows of one batch; `done` of each is set at the end."""
        from transformers import DynamicCache

        device = device_of(self.model)
        longest = max(len(row.ids) for row in rows)
        pads = [longest - len(row.ids) for row in rows]
        ids = torch.tensor([[0] * n + row.ids for n, row in zip(pads, rows, strict=True)], device=device)
        mask = (torch.arange(longest) >= torch.tensor(pads)[:, None]).long().to(device)
        cache = DynamicCache(config=self.model.config)
        while rows:
            tokens = self._choose(self._logits(ids, mask, cache), rows)
            for row, token in zip(rows, tokens.tolist(), strict=True):
                self._append(row, token)
            left = [i for i, row in enumerate(rows) if row.done is None]
            if len(left) < len(rows) and left:
                keep = torch.tensor(left, device=device)
                cache.batch_select_indices(keep)
                mask, tokens = mask[keep], tokens[keep]
            rows = [rows[i] for i in left]
            ids, mask = tokens[:, None], torch.cat([mask, mask.new_ones(len(mask), 1)], 1)

    def _logits(self, ids: Tensor, mask: Tensor, cache: Any) -> Tensor:
        """Logits (B, V) of the token after the last one; ids are those that the cache does not have yet."""
        inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "use_cache": True}
        if "position_ids" in self.takes:
            inputs["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        if "logits_to_keep" in self.takes:
            inputs["logits_to_keep"] = 1
        logits: Tensor = self.model(**inputs, past_key_values=cache).logits[:, -1]
        if cache.get_seq_length() != mask.shape[1]:
            raise UsageError(
                f"{type(self.model).__name__} does not fill the KV cache, so it cannot generate here"
            )
        return logits

    def _choose(self, logits: Tensor, rows: list[_Row]) -> Tensor:
        """The next token of each row, (B,); those that rounding could decide are settled alone."""
        noise = None
        if rows[0].noise is not None:
            noise = torch.stack([gumbel(row.noise, logits.shape[-1]) for row in rows]).to(logits.device)
        tokens, sure = self.rule.choose(logits, noise, SLACK if logits.dtype == torch.float32 else 0.0)
        for i in (~sure).nonzero()[:, 0].tolist():
            drawn = None if noise is None else noise[i : i + 1]
            tokens[i] = self.rule.choose(self._alone(rows[i], logits.device), drawn, 0.0)[0][0]
        if self.logprobs:
            for row, value in zip(rows, target_log_probs(logits, tokens)[0].tolist(), strict=True):
                row.logprobs.append(value)
        return tokens

    def _alone(self, row: _Row, device: torch.device) -> Tensor:
        """Logits (1, V) after everything the row has, computed as if it were the only one."""
        last = {"logits_to_keep": 1} if "logits_to_keep" in self.takes else {}
        ids = torch.tensor([row.ids + row.new], device=device)
        logits: Tensor = self.model(input_ids=ids, use_cache=False, **last).logits
        return logits[:, -1]

    def _append(self, row: _Row, token: int) -> None:
        """Adds a token; sets `done` where it was the last one."""
        row.new.append(token)
        text, reason = self._ending(row)
        if reason is not None:
            text = self._text(row) if text is None else text
            row.done = Generated(text, tuple(row.new), reason, len(row.ids), tuple(row.logprobs))

    def _ending(self, row: _Row) -> tuple[str | None, Reason | None]:
        """The text, where it had to be looked at, and why the row ends now, if it does."""
        if row.new[-1] in self.eos:
            return None, "eos"
        if self.stop:
            text = self._text(row)
            found = [at for stop in self.stop if (at := text.find(stop)) >= 0]
            if found:
                return text[: min(found)], "stop"
        return None, "length" if len(row.new) == row.room else None

    def _text(self, row: _Row) -> str:
        """The new tokens as they read behind the prompt; all decoded anew, so that no character is torn."""
        before = row.ids[-BEFORE:]
        start, whole = self._decode(before), self._decode(before + row.new)
        return whole[len(start) :] if whole.startswith(start) else self._decode(row.new)

    def _decode(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
