"""The competitors on lm-eval tasks: the model as it is, and two floors."""

from __future__ import annotations

from suite.api import MethodSpec, Needs, Paper

LM_EVAL = Paper(
    "Lessons from the Trenches on Reproducible Evaluation of Language Models",
    2024,
    "https://arxiv.org/abs/2405.14782",
)
NEEDS = {"smoke": Needs(0.2, 900), "small": Needs(0.5, 1000), "paper": Needs(60, 8000)}

METHODS = [
    MethodSpec(
        name="unmodified",
        family="lmeval",
        summary="the base model as it is",
        where="methods.lmeval.unmodified:Unmodified",
        paper=LM_EVAL,
        role="baseline",
        needs=NEEDS,
    ),
    MethodSpec(
        name="uniform-logits",
        family="lmeval",
        summary="every next token equally likely, so that the shortest choice wins",
        where="methods.lmeval.floors:UniformLogits",
        paper=LM_EVAL,
        role="null",
        needs=NEEDS,
    ),
    MethodSpec(
        name="random-weights",
        family="lmeval",
        summary="the base model's architecture with weights drawn anew",
        where="methods.lmeval.floors:RandomWeights",
        paper=LM_EVAL,
        role="null",
        needs=NEEDS,
    ),
]
