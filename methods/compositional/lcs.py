"""LCS: learning to substitute components (the 2025 paper; "L2S2" at ACL 2023), and its uniform control.

The parser first trains on the training lines (warm-up). Then, at every step, a policy takes one ascent
step on the parser's loss over the sentences it makes, and the parser takes one descent step on freshly
made sentences only, as in the released code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from methods.compositional.neural import Neural, Session
from suite.api import Context
from tasks.compositional.contract import Augmented, Problem


@dataclass(frozen=True)
class Lcs(Neural):
    """Substitutions drawn from a policy that is trained against the parser.

    compsub: warm up on the CompSub closure of depth `depth` too, as "CompSub+LCS" does.
    policy: "learned", or "uniform": the paper's RandS2 control, which picks as a policy with
    equal logits would.
    estimator: of the policy's gradient. "st_gumbel_advantage" is the released code's (straight-through
    Gumbel-softmax times advantage); "score_function" is unbiased; "differentiable_embedding" splices the
    soft incoming embedding into the parser's input, the objective as the paper states it.
    draws: sentences made from each one in a policy step. warm_up: share of the steps before alternation.
    candidates: at most so many outgoing components a sentence. pool: about so many that may enter, thinned
    evenly over their kinds (all where None); SCAN's hundred are never thinned. The policy's sizes are the
    released ones (embedding and query 512; hidden 128 a direction, with which the released code runs).
    """

    compsub: bool = False
    depth: int = 2
    policy: Literal["learned", "uniform"] = "learned"
    estimator: Literal["st_gumbel_advantage", "score_function", "differentiable_embedding"] = (
        "st_gumbel_advantage"
    )
    draws: int = 4
    warm_up: float = 80 / 150
    candidates: int = 10
    pool: int | None = 3000
    policy_embed: int = 512
    policy_hidden: int = 128
    policy_width: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.draws < 2:
            raise ValueError(
                "draws must be at least 2: a single draw is its own baseline and teaches nothing"
            )
        if self.candidates < 1:
            raise ValueError(f"candidates must be at least 1, not {self.candidates}")
        if self.pool is not None and self.pool < 2:
            raise ValueError(f"pool must be at least 2, or none for every component; not {self.pool}")
        if not 0 <= self.warm_up <= 1:
            raise ValueError(f"warm_up must lie in [0, 1], not {self.warm_up}")

    def augment(self, problem: Problem, ctx: Context) -> list[Augmented]:
        """The CompSub closure for the warm-up, where asked for."""
        if not self.compsub:
            return []
        from methods.compositional.compsub import CompSub

        return CompSub(depth=self.depth).augment(problem, ctx)

    def optimise(self, model: Any, session: Session) -> list[Augmented]:
        """Warm up, then alternate; returns the distinct sentences made on the way."""
        from methods.compositional.alternation import alternate

        return alternate(self, model, session)
