"""What a reader must know before trusting a row: older code, other data, one seed, failures, a claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Literal, NamedTuple

from suite.api import MethodSpec, TaskSpec

Kind = Literal[
    "older-code", "other-data", "other-device", "single-seed", "failed", "claimed", "other-protocol"
]
BAD = ("failed", "timeout", "out-of-memory")


class Mark(NamedTuple):
    """A doubt about a row, as a word for machines and a phrase for readers."""

    kind: Kind
    text: str


class Today(NamedTuple):
    """The fingerprints that a run of a task by a method would have if the checkout made it."""

    code: str
    data_fingerprint: str


Checkout = Callable[[str, str], Today | None]
"""What the checkout's fingerprints of a task and a method are; None where it lacks one of them."""


def unknown(task: str, method: str) -> None:
    """A checkout of which nothing is known: no row is compared with it."""


def checkout(tasks: Mapping[str, TaskSpec], methods: Mapping[str, MethodSpec]) -> Checkout:
    """The checkout that runs now, asked pair by pair; imports neither task nor method."""
    from suite.data import fingerprint
    from suite.fingerprint import code_fingerprint

    @cache
    def data(task: str) -> str:
        return fingerprint(tasks[task].data) if tasks[task].data else ""

    @cache
    def today(task: str, method: str) -> Today | None:
        if task not in tasks or method not in methods:
            return None
        modules = (tasks[task].where.partition(":")[0], methods[method].where.partition(":")[0])
        return Today(code_fingerprint(*modules), data(task))

    return today


def marks(
    *,
    stale: int,
    other_data: bool,
    seeds: int,
    statuses: Mapping[str, int],
    comparable: bool,
    claimed: bool,
    only_claimed: bool,
    confirmed: bool | None,
    devices: tuple[str, ...] = (),
    usual_device: str = "",
) -> tuple[Mark, ...]:
    """The marks of an entry; `stale` and `seeds` are numbers of runs and of seeds with a value, `devices` the
    kinds of device that its runs come from, `usual_device` that of most runs of the table.
    """
    made: list[Mark] = []
    if only_claimed:
        made.append(Mark("claimed", "claimed by others, not run here yet: not ranked"))
    elif claimed:
        said = {True: "confirmed by ours", False: "not confirmed: ours differ", None: "not compared yet"}
        made.append(Mark("claimed", f"values claimed by others, {said[confirmed]}"))
    if not comparable:
        made.append(
            Mark(
                "other-protocol", "an older version of the method, or other task settings or data: not ranked"
            )
        )
    if other_data:
        made.append(Mark("other-data", "measured on other data than the checkout has"))
    if stale:
        made.append(Mark("older-code", f"{stale} {_noun('run', stale)} by older code"))
    if set(devices) - {usual_device}:
        timed = f"times of {usual_device} alone" if usual_device in devices else "no times compared"
        made.append(Mark("other-device", f"run on {' and '.join(devices)}: {timed}"))
    if seeds == 1:
        made.append(Mark("single-seed", "one seed: no interval"))
    bad = {status: count for status, count in statuses.items() if status in BAD}
    if bad:
        made.append(Mark("failed", ", ".join(f"{count} {status}" for status, count in bad.items())))
    return tuple(made)


def _noun(noun: str, count: int) -> str:
    return noun if count == 1 else noun + "s"
