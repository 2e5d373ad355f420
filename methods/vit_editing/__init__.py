"""Editors of vision transformers: the method half of the family card."""

from __future__ import annotations

from typing import Any

from methods.vit_editing.papers import GRACE, KE, KN, LORA, MEND, ROME, SPT, T_PATCHER, WHERE_TO_EDIT
from suite.api import MethodSpec, Needs, Paper

DESCENT = {"lr": 4e-4, "steps": 50, "enough": 0.1}
"""At small: the paper's rate of 2e-5 is for matrices of 768 columns. Its cross-entropy of 0.01, at which an
edit stops, is out of reach: with the last norm and the head as they are, no stream gives less than 0.02
(ship) to 0.17 (cat). For cat and bird 0.1 is, too, and their edits take all of the steps.
"""
BRIEF = {"lr": 3e-4, "steps": 10}
RATE = (
    "At small rate, steps and the loss to stop at are this suite's own, the same for all that descend alike."
)
SEARCH = {"pairs": 4, "inner": 3, "outer": 5, "inner_lr": 0.3}
"""At small: the paper's inner rate of 1e-3 moves a model of this size so little that no unit opens."""
PRACTICE: dict[str, Any] = {"episodes": 4, "apart": 8}
"""Of training networks that transform gradients."""
META = {**SEARCH, "net_lr": 1e-3}
INTEGRALS: dict[str, Any] = {"copies": 2, "steps": 10}
VALUE: dict[str, Any] = {"decay": 0.0, "lr": 0.3, "clamp": 16.0, "copies": 2, "steps": 30}
"""Of ROME's search for a value: the published rate and clamp leave most failures of a small model wrong."""


def _method(
    name: str, where: str, paper: Paper, role: Any, summary: str, *, minutes: float = 3, **more: Any
) -> MethodSpec:
    needs = {"smoke": Needs(0.3, 900), "small": Needs(minutes, 1500), "paper": Needs(240, 16_000)}
    return MethodSpec(
        name=name,
        family="vit_editing",
        summary=summary,
        where=f"methods.vit_editing.{where}",
        paper=paper,
        role=role,
        needs=needs,
        **more,
    )


def _descent(name: str, where: str, summary: str, **more: Any) -> MethodSpec:
    """An editor that goes down the loss by RMSprop."""
    presets = more.pop("presets", {"smoke": BRIEF, "small": DESCENT})
    fields: dict[str, Any] = {"paper": WHERE_TO_EDIT, "role": "baseline", "deviations": RATE} | more
    return _method(name, where, fields.pop("paper"), fields.pop("role"), summary, presets=presets, **fields)


def _rival(
    name: str, where: str, paper: Paper, summary: str, *, smoke: Any, small: Any, minutes: float = 3
) -> MethodSpec:
    """An editor that was made for language models."""
    note = (
        "A recipe for language models carried over, see its module; at small its settings are this suite's."
    )
    presets = {"smoke": smoke, "small": small}
    return _method(name, where, paper, "baseline", summary, minutes=minutes, presets=presets, deviations=note)


LAMBDAS = "0,0.001,0.005,0.01,0.025,0.05,0.1"

METHODS: list[MethodSpec] = [
    _method("identity", "floors:Identity", WHERE_TO_EDIT, "null", "leaves the model as it is", minutes=1),
    _method(
        "relabel",
        "floors:Relabel",
        WHERE_TO_EDIT,
        "control",
        "the answer given to the failure gets the name of the right class, in all pictures",
        minutes=1,
        deviations="Not in the paper.",
    ),
    _descent(
        "where-to-edit",
        "where_to_edit:WhereToEdit",
        "a hypernetwork says which hidden units of the middle FFNs to edit",
        role="paper",
        minutes=15,
        presets={
            "smoke": {**BRIEF, **META, "pairs": 2, "iterations": 4},
            "small": {**DESCENT, **META, "iterations": 400, "cosine": 1200},
        },
        deviations=f"{RATE} So are the sizes and rates of meta-training.",
    ),
    _descent(
        "oracle-mask",
        "oracle_mask:OracleMask",
        "masks searched for the failure itself, which the hypernetwork was to learn",
        role="control",
        presets={"smoke": {**BRIEF, **SEARCH, "pairs": 2}, "small": {**DESCENT, **SEARCH}},
    ),
    _descent("random-mask", "masks:RandomMask", "units drawn at random", role="control"),
    _descent("gradient-mask", "masks:GradientMask", "units of the largest gradients of the failure"),
    _descent("spt", "spt:SPT", "units of the largest sensitivity, the squared gradients", paper=SPT),
    _descent("ft", "finetuning:FineTune", "fine-tuning of the middle FFNs"),
    _descent(
        "ft-l1",
        "finetuning:FineTune",
        "the same with an L1 pull to the original weights",
        params={"pull": "l1", "knobs": LAMBDAS},
    ),
    _descent(
        "ft-l2",
        "finetuning:FineTune",
        "the same with an L2 pull",
        params={"pull": "l2", "knobs": LAMBDAS},
    ),
    _descent(
        "ft-all",
        "finetuning:FineTuneAll",
        "fine-tuning of all parameters",
        presets={"smoke": BRIEF, "small": {**DESCENT, "lr": 2e-5}},
        deviations="At small steps and the loss to stop at are this suite's own; the rate is the paper's.",
    ),
    _descent(
        "ft-block-early",
        "finetuning:FineTune",
        "fine-tuning of as many FFNs at the beginning",
        params={"blocks": "early"},
        role="control",
    ),
    _descent(
        "ft-block-late",
        "finetuning:FineTune",
        "fine-tuning of as many FFNs at the end",
        params={"blocks": "late"},
        role="control",
    ),
    _descent(
        "head-only",
        "finetuning:HeadOnly",
        "the head's rows of the right and the wrong class",
        presets={"smoke": {"steps": 20}, "small": {"steps": 50, "lr": 3e-3}},
    ),
    _rival(
        "lora",
        "lora:LoRA",
        LORA,
        "low-rank changes of maps of the attention",
        smoke={"knobs": "5,3", "steps": 5},
        small={"knobs": "10,5,3", "lr": 0.02, "maps": "value,output"},
    ),
    _rival(
        "kn",
        "knowledge_neurons:KnowledgeNeurons",
        KN,
        "knowledge neurons turned over",
        smoke={"knobs": "0.5,0.2", "copies": 2, "steps": 4},
        small={
            **INTEGRALS,
            "knobs": "0.5,0.2,0.1",
            "attributes": "target",
            "new": 20.0,
            "share": 0.2,
        },
    ),
    _rival(
        "rome",
        "rome:ROME",
        ROME,
        "a rank-one change of one FFN",
        smoke={"knobs": "0.0625,16", "decay": 0.0, "lr": 0.1, "copies": 2, "steps": 6, "samples": 200},
        small={**VALUE, "knobs": "0.0625,0.5,2", "seen": "all", "copies": 4},
    ),
    _rival(
        "mend",
        "mend:MEND",
        MEND,
        "trained networks transform the gradient",
        minutes=6,
        smoke={
            **PRACTICE,
            "knobs": "0.5,2",
            "iterations": 4,
            "lr": 3e-3,
            "episodes": 2,
            "rank": 8,
            "rate": 0.1,
        },
        small={
            **PRACTICE,
            "knobs": "0.5,1,2",
            "iterations": 300,
            "lr": 3e-4,
            "rank": 64,
            "rate": 1.5,
            "c_edit": 0.3,
        },
    ),
    _rival(
        "ke",
        "ke:KE",
        KE,
        "a trained network masks and gates the gradient",
        minutes=6,
        smoke={
            **PRACTICE,
            "knobs": "0.1,0.01",
            "iterations": 4,
            "lr": 3e-3,
            "width": 16,
            "hidden": 8,
            "dual": 1.0,
        },
        small={
            **PRACTICE,
            "knobs": "0.1,0.03,0.01",
            "iterations": 100,
            "lr": 1e-2,
            "width": 64,
            "hidden": 32,
            "dual": 1.0,
        },
    ),
    _rival(
        "t-patcher",
        "tpatcher:TPatcher",
        T_PATCHER,
        "one new hidden unit for each failure",
        smoke={"knobs": "0.1,5", "steps": 20, "samples": 200},
        small={"knobs": "0,0.001,0.01", "lr": 0.003},
    ),
    _rival(
        "grace",
        "grace:GRACE",
        GRACE,
        "a codebook of edits beside one block",
        smoke={"knobs": "0.25,0.75", "steps": 10, "samples": 100},
        small={"knobs": "0.6,0.8,1"},
    ),
]
