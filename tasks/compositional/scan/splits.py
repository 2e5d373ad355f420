"""The splits of SCAN by their set rules, equal line for line (order aside) to the published files.

    simple          random 80/20 of all commands, drawn by the split seed
    length          train: at most 22 actions; test: 24 to 48 (Lake & Baroni 2018)
    addprim_*       train: every command without the primitive, and the primitive alone many times over
    around_right, opposite_right, right, jump_around_right
                    test: a verb with the template; train: no word with the template (Loula et al. 2018)
    filler_num0..3  jump_around_right's test; 0 to 3 other verbs with the template are in train
    mcd1..3         maximum compound divergence, by published index files (Keysers et al. 2020)

In the template splits the commands in which only `turn` fills the template are in neither part, as in
the published files (1,209 of them for "around right").
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.errors import DataError
from tasks.compositional.contract import Example
from tasks.compositional.scan.grammar import VERBS, commands, interpret

Open = Callable[[str], Path]

TASKS_FILE = "scan/tasks.txt.gz"
LONGEST_TRAIN_OUTPUT = 22
DEV_LINES = 640
PRIMITIVES = {"addprim_jump": ("jump", 1_467), "addprim_turn_left": ("turn left", 2_189)}
"""Split to (primitive, how often the published training file repeats it)."""
TEMPLATES = {"around_right": "around right", "opposite_right": "opposite right", "right": "right"}
FILLERS = ("look", "walk", "run")
"""In the order in which filler_num1, 2 and 3 add them to the training set."""
MCD = ("mcd1", "mcd2", "mcd3")
SPLITS = (
    *("simple", "length", *PRIMITIVES, *TEMPLATES, "jump_around_right"),
    *(f"filler_num{k}" for k in range(4)),
    *MCD,
)


@dataclass(frozen=True)
class Split:
    """Commands by part. Training lines may repeat; `dev` is empty where the publishers give none."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    dev: tuple[str, ...] = ()


def published(name: str, seed: int = 0, open_data: Open | None = None) -> Split:
    """The split as published, in grammar order (MCD: in the order of its index files).

    `seed` draws the simple split; `open_data` gives the files that MCD needs. Raises ValueError for an
    unknown name and DataError when MCD's files cannot be had.
    """
    if name == "simple":
        return _simple(seed)
    if name == "length":
        return _by_rule(lambda c: interpret(c).count(" ") < LONGEST_TRAIN_OUTPUT)
    if name in PRIMITIVES:
        return _addprim(*PRIMITIVES[name])
    if name in TEMPLATES:
        return _template(TEMPLATES[name], test_verbs=VERBS)
    if name == "jump_around_right":
        return _template("around right", test_verbs=("jump",), train_verbs=FILLERS)
    if name.startswith("filler_num") and name in SPLITS:
        return _template("around right", test_verbs=("jump",), train_verbs=FILLERS[: int(name[-1])])
    if name in MCD:
        return _mcd(name, open_data)
    raise ValueError(f"no split '{name}'; there are {', '.join(SPLITS)}")


def with_dev(split: Split, seed: int = 0, lines: int = DEV_LINES) -> Split:
    """The split with a dev part: its own, or else `lines` training lines drawn by `seed` and removed.

    The released code of the CompSub paper drops 640 training lines even where a dev file exists (MCD);
    here training then stays whole.
    """
    if split.dev:
        return split
    order = shuffled(len(split.train), seed)
    drawn = set(order[:lines])
    return Split(
        train=tuple(line for k, line in enumerate(split.train) if k not in drawn),
        test=split.test,
        dev=tuple(split.train[k] for k in order[:lines]),
    )


def examples(lines: Iterable[str]) -> list[Example]:
    """The commands with their actions."""
    return [Example(line, interpret(line)) for line in lines]


def sample(items: Sequence[str], n: int | None, seed: int) -> tuple[str, ...]:
    """`n` items drawn without replacement, in their order; all of them when `n` is None or too large."""
    if n is None or n >= len(items):
        return tuple(items)
    return tuple(items[k] for k in sorted(shuffled(len(items), seed)[:n]))


def shuffled(n: int, seed: int) -> list[int]:
    """0..n-1 in an order that depends on `seed` alone, the same on every platform."""
    order = list(range(n))
    random.Random(seed).shuffle(order)
    return order


def has(command: str, words: str) -> bool:
    """Whether `words` occur in `command` one after the other, as whole tokens."""
    return f" {words} " in f" {command} "


def _by_rule(in_train: Callable[[str], bool]) -> Split:
    every = commands()
    return Split(tuple(c for c in every if in_train(c)), tuple(c for c in every if not in_train(c)))


def _simple(seed: int) -> Split:
    every = commands()
    train = set(shuffled(len(every), seed)[: len(every) * 4 // 5])
    return Split(
        tuple(c for k, c in enumerate(every) if k in train),
        tuple(c for k, c in enumerate(every) if k not in train),
    )


def _addprim(primitive: str, times: int) -> Split:
    split = _by_rule(lambda c: not has(c, primitive))
    return Split(
        train=split.train + (primitive,) * times,
        test=tuple(c for c in split.test if c != primitive),
    )


def _template(template: str, test_verbs: Sequence[str], train_verbs: Sequence[str] = ()) -> Split:
    """Test: a verb of `test_verbs` fills the template; train: at most `train_verbs` fill it."""
    split = _by_rule(lambda c: not _filled(c, template, {*VERBS, "turn"} - set(train_verbs)))
    test = (c for c in split.test if _filled(c, template, test_verbs) and not has(c, f"turn {template}"))
    return Split(split.train, tuple(test))


def _filled(command: str, template: str, verbs: Iterable[str]) -> bool:
    return any(has(command, f"{verb} {template}") for verb in verbs)


def _mcd(name: str, open_data: Open | None) -> Split:
    if open_data is None:
        raise DataError(
            f"scan split {name} needs {TASKS_FILE} and its index file; get them with `suite data get scan`"
        )
    lines = _official_order(open_data(TASKS_FILE))
    path = open_data(f"scan/mcd/{name}.json")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        parts = [tuple(lines[k] for k in index[key]) for key in ("trainIdxs", "devIdxs", "testIdxs")]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(
            f"{path} is no index of SCAN lines ({error!r}); get it again with `suite data get scan`"
        ) from None
    return Split(train=parts[0], dev=parts[1], test=parts[2])


def _official_order(path: Path) -> list[str]:
    """The commands in the order of the published tasks.txt, to which the MCD indices refer."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines = [line.partition(" OUT: ")[0].removeprefix("IN: ") for line in file]
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); get it again with `suite data get scan`") from None
    if sorted(lines) != sorted(commands()):
        raise DataError(
            f"{path} does not hold the 20,910 commands of SCAN; get it again with `suite data get scan`"
        )
    return lines
