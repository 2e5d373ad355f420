"""Language models on tasks of lm-eval: the task half of the family card."""

from __future__ import annotations

from suite.api import Paper, TaskSpec
from tasks.lmeval.metrics import METRICS

LM_EVAL = Paper(
    "Lessons from the Trenches on Reproducible Evaluation of Language Models",
    2024,
    "https://arxiv.org/abs/2405.14782",
)


TASKS = [
    TaskSpec(
        name="lm-eval",
        family="lmeval",
        summary="a language model on lm-eval tasks of a folder; by default a small plumbing check",
        where="tasks.lmeval.task:LmEval",
        paper=LM_EVAL,
        metrics=METRICS,
        primary="accuracy",
        protocol=(
            "The base model, as the method returns it, on lm-eval tasks from YAML files in the folder "
            "`include`; lm-eval builds prompts and computes the metrics. The packaged folder is a plumbing "
            "check and no benchmark: the packaged model lm-icl was trained to turn words round. mini_choice "
            "asks which of four orders of a word's letters is its reverse (64 documents), mini_reverse has "
            "it written (32 documents); no word is among those of its training. "
            "accuracy over all is the share of documents right, each task weighted by its documents, and "
            "exists because every task must have acc or exact_match; no other metric is averaged over tasks. "
            "There is no ceiling: a method returns a model, and none knows the answers."
        ),
        presets={"smoke": {"limit": 8}},
        nulls=("uniform-logits", "random-weights"),
    ),
]
