"""What is claimed about the protocols themselves, computed: whether it holds, and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from suite.api import Context
from suite.data import resolve
from tasks.compositional.cogs.task import CogsTask
from tasks.compositional.contract import Problem
from tasks.compositional.geoquery.task import GeoQueryTask, template
from tasks.compositional.metrics import consistent
from tasks.compositional.scan import splits
from tasks.compositional.scan.grammar import LONGEST_OUTPUT, commands, interpret

Answer = tuple[bool, str]
Parts = Mapping[str, splits.Split]
COMMANDS, LEFT_OUT = 20_910, 1_209
RULES = tuple(name for name in splits.SPLITS if name not in splits.MCD)
MCD = ("mcd1", "mcd2")
"""The third one's index file has to be put in place by hand, so a check must not depend on it."""


def grammar_size() -> Answer:
    """The grammar makes the 20,910 commands that were published."""
    count = len(set(commands()))
    return count == COMMANDS, f"{count:,} different commands"


def nothing_shared() -> Answer:
    """No test command of a split that is made by rule is among its training commands."""
    return _shared(_rules())


def nothing_shared_mcd() -> Answer:
    """No test command of MCD1 or MCD2 is among its training or dev commands."""
    return _shared(_parts(MCD))


def words_known() -> Answer:
    """Every word of a test command occurs in a training command, in the splits made by rule."""
    return _known(_rules())


def words_known_mcd() -> Answer:
    """Every word of a test command of MCD1 or MCD2 occurs in a training command."""
    return _known(_parts(MCD))


def left_out() -> Answer:
    """1,209 commands are in neither part of the around_right split: those in which only "turn" fills it."""
    part = splits.published("around_right")
    missing = set(commands()) - set(part.train) - set(part.test)
    turned = sum(splits.has(command, "turn around right") for command in missing)
    found = f"{len(missing):,} commands in neither part, {turned:,} of them with 'turn around right'"
    return len(missing) == LEFT_OUT == turned, found


def jump_closure() -> Answer:
    """One substitution makes every test command of scan-jump from the training lines, rightly labelled.

    Asks the registered competitor `compsub` for its closure of depth 1.
    """
    from suite import catalog

    part = splits.published("addprim_jump")
    problem = Problem("scan", splits.examples(part.train), (), frozenset(), interpret, LONGEST_OUTPUT)
    compsub = catalog.load(catalog.method("compsub").where)(depth=1)
    made = {new.x: new.y for new in compsub.augment(problem, Context(seed=0))}
    test = set(part.test)
    right = sum(made.get(x) == interpret(x) for x in test)
    found = (
        f"of {len(test):,} test commands {right:,} are in the closure with their right actions; it makes "
        f"{len(made.keys() - test):,} other commands"
    )
    return right == len(test), found


def _shared(parts: Parts) -> Answer:
    counts = {name: len({*part.train, *part.dev} & set(part.test)) for name, part in parts.items()}
    found = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    return not found, f"{len(counts)} splits; test commands in train or dev: {found or 'none'}"


def _known(parts: Parts) -> Answer:
    new = {name: sorted(_words(part.test) - _words(part.train)) for name, part in parts.items()}
    found = ", ".join(f"{name} {' '.join(words)}" for name, words in new.items() if words)
    return not found, f"{len(new)} splits; words of test that train lacks: {found or 'none'}"


def cogs_rows() -> Answer:
    """Whether the grammar makes every published form of COGS, with a lexicon of the training set alone."""
    task = CogsTask()
    ctx = Context(seed=0, data=resolve)
    parts, meaning = task.parts(ctx), task.interpreter(ctx)
    rows = [*parts.train, *parts.dev, *parts.iid, *parts.test]
    wrong = sum(not consistent(row.x, row.y, meaning) for row in rows)
    return not wrong, f"{len(rows):,} rows; {wrong:,} differ"


def geoquery_templates() -> Answer:
    """Whether train of the query split lacks every program and every masked program of test."""
    parts = GeoQueryTask("query").parts(Context(seed=0, data=resolve))
    known = {template(e.y) for e in parts.train}
    asked = {template(e.y) for e in parts.test}
    return known.isdisjoint(asked), f"{len(asked)} templates in test, {len(known & asked)} of them in train"


@cache
def _rules() -> Parts:
    """Two checks look at these, and making them is most of the work."""
    return _parts(RULES)


def _parts(names: Iterable[str]) -> Parts:
    return {name: splits.published(name, open_data=resolve) for name in names}


def _words(lines: Iterable[str]) -> set[str]:
    return {word for line in set(lines) for word in line.split()}
