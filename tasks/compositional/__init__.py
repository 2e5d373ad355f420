"""Compositional generalization: known parts in new combinations. The task half of the family card."""

from __future__ import annotations

from suite.api import Paper, TaskSpec
from tasks.compositional.metrics import METRICS

SCAN = Paper("Generalization without Systematicity", 2018, "https://arxiv.org/abs/1711.00350")
TEMPLATE = Paper("Rearranging the Familiar", 2018, "https://arxiv.org/abs/1807.07545")
MCD = Paper("Measuring Compositional Generalization", 2020, "https://arxiv.org/abs/1912.09713")

ALWAYS = (
    "Commands are translated into action sequences; a test command counts when every action is right. "
    "Outputs are capped at 53 tokens, 1.1 times the longest of the language. Choose settings on dev, never "
    "on test."
)
DEV = "Dev: 640 training lines drawn once and removed from train."
OWN_DEV = (
    "Dev: the published 1,046 commands; training stays whole (the CompSub paper's released code drops 640 "
    "training lines all the same)."
)
TURN = "The 1,209 commands in which 'turn' fills the template are in neither part, as published."


def _scan(name: str, split: str, paper: Paper, summary: str, rule: str, dev: str = DEV) -> TaskSpec:
    """One SCAN split as a task."""
    data = ("scan/tasks.txt.gz", f"scan/mcd/{split}.json") if split.startswith("mcd") else ()
    return TaskSpec(
        name=f"scan-{name}",
        family="compositional",
        summary=summary,
        where="tasks.compositional.task:ScanTask",
        paper=paper,
        metrics=METRICS,
        primary="exact_match",
        protocol=f"{rule} {dev} {ALWAYS}",
        params={"split": split},
        presets={"smoke": {"n_train": 600, "n_test": 200}},
        data=data,
        nulls=("nearest",),
        ceiling="interpreter",
    )


def _filler(k: int, lines: str, fillers: str) -> TaskSpec:
    rule = (
        f"Test: the 1,173 commands with 'jump around right'. Train: {lines} commands; 'around right' occurs "
        f"there with {fillers}. {TURN}"
    )
    summary = f"SCAN: 'jump around right' after {k} other verbs with 'around right'"
    return _scan(f"filler-num{k}", f"filler_num{k}", TEMPLATE, summary, rule)


def _template(name: str, split: str, template: str) -> TaskSpec:
    rule = (
        f"Train: the 15,225 commands without '{template}'. Test: the 4,476 commands in which walk, look, run "
        f"or jump fills it. {TURN}"
    )
    return _scan(name, split, TEMPLATE, f"SCAN: the template '{template}' is new at test", rule)


def _mcd(k: int) -> TaskSpec:
    rule = (
        "Maximum compound divergence: train and test share their words but as few compounds as can be. Train "
        "8,365, test 1,045 of the 20,910 commands, by the published index file."
    )
    return _scan(f"mcd{k}", f"mcd{k}", MCD, f"SCAN: maximum compound divergence, split {k}", rule, OWN_DEV)


TASKS = [
    _scan(
        "simple",
        "simple",
        SCAN,
        "SCAN: random 80/20 split; nothing is new but the sentence",
        "A random 80/20 split of the 20,910 commands (train 16,728, test 4,182), drawn by split_seed; the "
        "published draw cannot be made again.",
    ),
    _scan(
        "length",
        "length",
        SCAN,
        "SCAN: trained on short outputs, tested on long ones",
        "Train: the 16,990 commands of at most 22 actions. Test: the 3,920 commands of 24 to 48.",
    ),
    _scan(
        "jump",
        "addprim_jump",
        SCAN,
        "SCAN: 'jump' is seen alone and must be used in sentences",
        "Train: the 13,203 commands without 'jump' and the bare command 'jump' 1,467 times (14,670 lines). "
        "Test: the 7,706 other commands with 'jump'.",
    ),
    _scan(
        "turn-left",
        "addprim_turn_left",
        SCAN,
        "SCAN: 'turn left' is seen alone and must be used in sentences",
        "Train: the 19,701 commands without 'turn left' and the bare command 2,189 times (21,890 lines). "
        "Test: the 1,208 other commands with 'turn left'.",
    ),
    _template("around-right", "around_right", "around right"),
    _template("opposite-right", "opposite_right", "opposite right"),
    _template("right", "right", "right"),
    _scan(
        "jump-around-right",
        "jump_around_right",
        TEMPLATE,
        "SCAN: 'jump around right' is new, other verbs with 'around right' are known",
        "Train: the 18,528 commands with neither 'jump around right' nor 'turn around right'. Test: the "
        f"1,173 commands with 'jump around right'. {TURN}",
    ),
    _filler(0, "15,225", "no word"),
    _filler(1, "16,290", "'look'"),
    _filler(2, "17,391", "'look' and 'walk'"),
    _filler(3, "18,528", "'look', 'walk' and 'run'"),
    *(_mcd(k) for k in (1, 2, 3)),
]
