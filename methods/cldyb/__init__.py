"""Continual learners, and adversaries that build their task sequences: the method half of the family card."""

from __future__ import annotations

from typing import Any

from methods.cldyb.papers import (
    AFEC,
    CLDYB,
    CLSER,
    CODA,
    DER,
    DUALPROMPT,
    EASE,
    ER,
    EWC,
    FECAM,
    HIDE,
    INFLORA,
    L2P,
    LAE,
    LORA,
    LWF,
    MAS,
    MOS,
    PGP,
    RANPAC,
    SIMPLECIL,
    SLCA,
    SLDA,
)
from suite.api import MethodSpec, Needs, Paper

HEAD = (
    "Trains a head on frozen features at every profile; the original trains the whole network. At small 20 "
    "epochs of batches of 32, with a tenth of the training pictures kept where any are."
)
SEARCHED = "No published constant of the search could be had; the defaults are this suite's own."
REPLAY = {"lr": 0.01, "epochs": 20, "batch": 32, "exemplars": 100}
PLAIN = {"lr": 0.003, "epochs": 10, "batch": 32}
QUICK = {"epochs": 3, "batch": 16, "lr": 0.01}


def _method(
    name: str, where: str, paper: Paper, role: Any, summary: str, *, minutes: float = 1, **more: Any
) -> MethodSpec:
    needs = {"smoke": Needs(0.1, 800), "small": Needs(minutes, 1500), "paper": Needs(120, 16_000)}
    return MethodSpec(
        name=name,
        family="cldyb",
        summary=summary,
        where=f"methods.cldyb.{where}",
        paper=paper,
        role=role,
        needs=needs,
        **more,
    )


def _trained(name: str, where: str, paper: Paper, summary: str, small: Any, **more: Any) -> MethodSpec:
    """A learner that trains by gradient descent."""
    smoke = QUICK | ({"exemplars": 20, "replay": 8} if "exemplars" in small else {})
    note = " ".join(filter(None, (HEAD, more.pop("more", ""))))
    role = more.pop("role", "baseline")
    return _method(
        name, where, paper, role, summary, presets={"smoke": smoke, "small": small}, deviations=note, **more
    )


NOUGHT = (
    "On frozen features its cross-entropy is over all classes seen: over the new ones alone, as toolboxes "
    "have it, its penalty would be nought and it would be finetune."
)

SHORT = (
    "Trains at small for an epoch or a few on 40 pictures a class, without augmentation; nothing but a rate "
    "was tried there, and not for all."
)
LAST = {"start": -2}
"""Parts in the last two of the small ViT's six blocks alone."""
FEW = "At small in the last two blocks alone."
LORAS = {**LAST, "epochs": 5, "batch": 16, "lr": 0.005}
FASTER = "Ten times the published rate, for sixty steps a task."
PROMPTED = {"epochs": 1, "batch": 8, "lr": 0.01}


def _encoder(
    name: str,
    where: str,
    paper: Paper,
    summary: str,
    small: Any,
    note: str = "",
    role: Any = "baseline",
    **params: Any,
) -> MethodSpec:
    """A learner that trains prompts, adapters or all of a copy of the backbone on images."""
    less = {key: 1 for key in ("epochs", "align_epochs", "inference_epochs") if key in small}
    return _method(
        name,
        where,
        paper,
        role,
        summary,
        params=params,
        presets={"smoke": {**small, **less}, "small": small},
        deviations=" ".join(filter(None, (SHORT, note))),
        minutes=15,
    )


ENCODERS: list[MethodSpec] = [
    _encoder(
        "slca",
        "slca:SLCA",
        SLCA,
        "all of the network at a low rate, then the head aligned on class Gaussians",
        {"epochs": 1, "batch": 16, "samples": 256, "align_epochs": 10},
        "Batch norms are held.",
    ),
    _encoder(
        "l2p",
        "l2p:L2P",
        L2P,
        "a pool of prompts, the nearest ones prepended",
        PROMPTED,
        "No vote over a test batch.",
    ),
    _encoder(
        "dualprompt",
        "dualprompt:DualPrompt",
        DUALPROMPT,
        "general and task prompts as prefixes of layers",
        PROMPTED,
        "No vote over a test batch; keys and values are not mixed by the port's reshape.",
    ),
    _encoder(
        "coda-prompt",
        "coda_prompt:CODAPrompt",
        CODA,
        "prompts as a weighted sum of components, new ones orthogonal to old",
        PROMPTED,
        "Ten components a task.",
    ),
    _encoder(
        "hide-prompt",
        "hide_prompt:HiDePrompt",
        HIDE,
        "task inference, a task's prompt, and a head on class Gaussians",
        PROMPTED
        | {
            "head_factor": 1.0,
            "inference_epochs": 10,
            "inference_lr": 0.001,
            "align_epochs": 10,
        },
        "One Gaussian a class; at small the head learns as fast as the prefix, not at a tenth of its rate; "
        "keys and values are not mixed by the code's reshape.",
    ),
    _encoder(
        "pgp",
        "pgp:PGP",
        PGP,
        "L2P with gradients projected off the space of earlier tasks",
        PROMPTED,
        "The released code's rule, over dimensions where the code's axis counts pictures; at small it "
        "projects little. No vote over a test batch.",
    ),
    _encoder(
        "lae",
        "lae:LAE",
        LAE,
        "an online adapter and its slow average, the surer one answers",
        {**LAST, "stop": None, "decay": 0.998},
        "At small in the last two blocks, not the first five; the average decays by 0.998, not 0.9999: there "
        "are few steps.",
    ),
    _encoder(
        "ease",
        "ease:EASE",
        EASE,
        "an adapter a task, prototypes in every subspace",
        {**LAST, "epochs": 5, "batch": 16, "inner": 16},
        f"{FEW} Adapters are 16 wide there, not 64.",
    ),
    _encoder(
        "mos",
        "mos:MOS",
        MOS,
        "adapters merged on the way and found again at test",
        {**LAST, "epochs": 5, "batch": 16, "align_epochs": 10, "samples": 64},
        f"{FEW} Merges after a step only, where the toolbox merges in every forward pass as well.",
    ),
    _encoder(
        "inflora",
        "inflora:InfLoRA",
        INFLORA,
        "low-rank updates that leave earlier tasks' inputs alone",
        {**LORAS, "sessions": 5},
        f"{FEW} {FASTER}",
    ),
    _encoder(
        "seqlora",
        "adapt_seqlora:SeqLoRA",
        LORA,
        "one low-rank update, trained on from task to task",
        LORAS,
        f"{FEW} {FASTER}",
        role="control",
    ),
]

METHODS: list[MethodSpec] = [
    *ENCODERS,
    _method(
        "simplecil",
        "simplecil:SimpleCIL",
        SIMPLECIL,
        "baseline",
        "the nearest class mean by cosine; no training",
    ),
    _method(
        "slda", "slda:SLDA", SLDA, "baseline", "streaming discriminant analysis: class means, one covariance"
    ),
    _method(
        "ranpac",
        "ranpac:RanPAC",
        RANPAC,
        "baseline",
        "random projection and ridge regression",
        presets={"smoke": {"dim": 200}, "small": {"dim": 500}},
        deviations="Without the tuning of the first session (the paper's 'no phase 1'). At small 500 "
        "dimensions instead of 10,000.",
    ),
    _method(
        "fecam", "fecam:FeCAM", FECAM, "baseline", "Mahalanobis distance to class means, a covariance a class"
    ),
    _trained(
        "finetune", "finetune:FineTune", EWC, "every task as it comes, nothing kept", PLAIN, role="control"
    ),
    _method(
        "joint",
        "finetune:Joint",
        EWC,
        "control",
        "trained anew on all tasks so far",
        presets={"smoke": QUICK | {"epochs": 10}, "small": {"lr": 0.01, "epochs": 60, "batch": 32}},
        deviations="A linear head on frozen features: no ceiling, discriminant analysis beats it.",
        minutes=3,
    ),
    _trained(
        "ewc",
        "ewc:EWC",
        EWC,
        "holds parameters by Fisher information",
        PLAIN | {"strength": 100.0, "sample": 50},
        more=NOUGHT,
    ),
    _trained(
        "mas",
        "mas:MAS",
        MAS,
        "holds parameters by how much the output hangs on them",
        PLAIN | {"sample": 50},
        more=NOUGHT,
    ),
    _trained(
        "afec",
        "afec:AFEC",
        AFEC,
        "EWC, and active forgetting towards a network of the new task",
        PLAIN | {"strength": 100.0, "sample": 50},
        more=NOUGHT,
    ),
    _trained("lwf", "lwf:LwF", LWF, "distils the outputs of the model before the task", PLAIN, more=NOUGHT),
    _trained("er", "er:ER", ER, "replays a reservoir of training examples", REPLAY),
    _trained("derpp", "derpp:DERpp", DER, "replays examples with the outputs they had", REPLAY),
    _trained(
        "clser",
        "clser:CLSER",
        CLSER,
        "replay with a plastic and a stable average as teachers",
        REPLAY | {"plastic_decay": 0.95, "stable_decay": 0.95},
        more="Averages decay by 0.95, not 0.999: a task has 140 steps at small.",
    ),
    _method("chance", "floors:RandomGuess", CLDYB, "null", "a class drawn at random"),
    _method(
        "nearest-example",
        "floors:Nearest",
        CLDYB,
        "control",
        "the class of the nearest training example, all kept",
    ),
    _method("majority", "floors:Majority", CLDYB, "null", "the class with most training examples"),
    _method("mcts", "adversaries:TreeSearch", CLDYB, "paper", "Monte-Carlo tree search", deviations=SEARCHED),
    _method(
        "mcts-max",
        "adversaries:TreeSearch",
        CLDYB,
        "paper",
        "the same, exploiting and committing by the best return seen",
        params={"backup": "max", "commit": "max"},
        deviations=SEARCHED,
    ),
    _method(
        "random-tasks", "adversaries:RandomTasks", CLDYB, "null", "one random sequence of proposed tasks"
    ),
    _method(
        "random-restarts",
        "adversaries:RandomRestarts",
        CLDYB,
        "control",
        "the best of as many random sequences as the budget allows",
    ),
    _method(
        "greedy", "adversaries:Greedy", CLDYB, "baseline", "the task with the largest reward at each step"
    ),
    _method(
        "flat-monte-carlo",
        "adversaries:FlatMonteCarlo",
        CLDYB,
        "baseline",
        "random look-aheads shared out evenly, no tree",
    ),
    _method("ncm-hard", "adversaries:NcmHard", CLDYB, "baseline", "the task that class means answer worst"),
    _method(
        "gradient-proxy",
        "gradient_adversary:GradientHard",
        CLDYB,
        "baseline",
        "the task whose gradient points most against that of the tasks so far",
        deviations="A reviewer of the paper asked for such a thing; the formula is this suite's own.",
    ),
    _method("beam", "sequence_adversaries:Beam", CLDYB, "baseline", "beam search"),
    _method(
        "annealing", "sequence_adversaries:Annealing", CLDYB, "baseline", "simulated annealing of sequences"
    ),
    _method("brute-force", "sequence_adversaries:BruteForce", CLDYB, "ceiling", "every sequence"),
]
