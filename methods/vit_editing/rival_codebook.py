"""A codebook on the class token: near a key, the block's output is swapped for the key's value."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from methods.vit_editing.rival_streams import with_token
from tasks.vit_editing.contract import Edited

if TYPE_CHECKING:
    from tasks.vit_editing.contract import Classifier

APART = 1e-5
"""A radius that is cut for a key of another class ends this much before the half-way, as released."""


class Codebook(NamedTuple):
    """keys (m, d), values (m, d), radii (m,) and the class of each key (m,)."""

    keys: Tensor
    values: Tensor
    radii: Tensor
    classes: Tensor

    def nearest(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Of tokens (n, d) the distance to the nearest key and its number, (n,) each; of equally near ones
        the newest.
        """
        newest_first = torch.cdist(tokens, self.keys.flip(0), compute_mode="donot_use_mm_for_euclid_dist")
        distance, number = newest_first.min(1)
        return distance, len(self.keys) - 1 - number


def empty(width: int, device: torch.device | None = None) -> Codebook:
    """No key at all."""
    none = torch.zeros(0, device=device)
    return Codebook(none.new_zeros(0, width), none.new_zeros(0, width), none, none.long())


def placed(book: Codebook, token: Tensor, value: Tensor, label: int, radius: float) -> tuple[Codebook, int]:
    """The book with a place for a failure's class token (d,), and the number of its key.

    No key within `radius` beyond its own radius: a new key. One of the same class: its radius grows to reach
    the token. One of another class: a new key, and both radii are cut to half the distance (that of the new
    key to no less than APART, so that it has its own token).
    """
    more = (token[None], value[None], book.radii.new_tensor([radius]), book.classes.new_tensor([label]))
    grown = Codebook(*(torch.cat(pair) for pair in zip(book, more, strict=True)))
    number = len(book.keys)
    if not number:
        return grown, 0
    found = book.nearest(token[None])
    distance, near = float(found[0]), int(found[1])
    if distance > radius + float(book.radii[near]):
        return grown, number
    if int(book.classes[near]) != label:
        radii = grown.radii.clone()
        radii[near], radii[number] = max(distance / 2 - APART, 0.0), max(distance / 2, APART)
        return grown._replace(radii=radii), number
    radii = book.radii.clone()
    radii[near] = max(float(radii[near]), distance)
    return book._replace(radii=radii), near


class Swapped(Edited):
    """A classifier with a codebook at a block. added: entries of keys, values and radii."""

    def __init__(self, model: Classifier, block: int, book: Codebook, steps: int, distance: float) -> None:
        self.model, self.book, self.start = model, book, block
        self.touched, self.steps, self.distance = 0, steps, distance
        self.added = book.keys.numel() + book.values.numel() + book.radii.numel()

    def logits_from(self, h: Tensor) -> Tensor:
        after = self.model.through(h, self.start, self.start + 1)
        return self.model.logits_from(with_token(after, self.swapped(h[:, 0], after[:, 0])), self.start + 1)

    def swapped(self, before: Tensor, after: Tensor) -> Tensor:
        """The class token behind the block, (n, d), for those before and behind it as the model has them."""
        distance, number = self.book.nearest(before)
        hit = distance <= self.book.radii[number]
        return torch.where(hit[:, None], self.book.values[number], after)
