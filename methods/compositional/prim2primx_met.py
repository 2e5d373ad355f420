"""Prim2PrimX and MET together, the combination that Jiang, Zhou and Bansal 2022 report."""

from __future__ import annotations

from dataclasses import dataclass

from methods.compositional.met import Met
from methods.compositional.prim2primx import Prim2PrimX


@dataclass(frozen=True)
class Prim2PrimXMet(Met, Prim2PrimX):
    """Multiplied primitives as training data, mutual exclusivity as the loss.

    aug_ratio: as Prim2PrimX alone has it, the share of mutations in the released merged file.
    """

    aug_ratio: float = Prim2PrimX.aug_ratio
