"""Sequences that were found and are published with the suite: benchmarks of their own.

They lie in `sequences/`, made by `tasks.cldyb.emit`; each is of one pool, named in it by its hash.
"""

from __future__ import annotations

from pathlib import Path

from suite.errors import DataError
from tasks.cldyb.contract import ContinualLearner
from tasks.cldyb.sequence import FoundSequence

FOLDER = Path(__file__).parent / "sequences"
SHORT = 12
"""Digits of a key that name a sequence."""


def published() -> dict[str, FoundSequence]:
    """All by name, in alphabetical order."""
    return {path.stem: FoundSequence.read(path) for path in sorted(FOLDER.glob("*.json"))}


def named(reference: str) -> str:
    """NAME@KEY or FILE@KEY of a name or a file."""
    return f"{reference}@{_read(reference).key[:SHORT]}"


def resolve(reference: str) -> FoundSequence:
    """The sequence that NAME@KEY, or FILE@KEY, means.

    ValueError where there is none, or it has another key: a row of the leaderboard names its sequence by
    content, not by where a file lies.
    """
    name, _, key = reference.rpartition("@")
    if not name:
        raise ValueError(f"sequence '{reference}': say which by its key, {named(reference)}")
    found = _read(name)
    if len(key) < SHORT or not found.key.startswith(key):
        raise ValueError(f"sequence '{name}' has the key {found.key[:SHORT]}, not {key}")
    return found


def _read(name: str) -> FoundSequence:
    file = name.endswith(".json")
    path = Path(name).expanduser() if file else FOLDER / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(one.stem for one in FOLDER.glob("*.json"))) or "none"
        what = "no such file" if file else f"published are {known}; a file ends in .json"
        raise ValueError(f"sequence '{name}': {what}")
    try:
        return FoundSequence.read(path)
    except DataError as error:
        raise ValueError(str(error)) from None


def against(found: FoundSequence, method: ContinualLearner) -> bool:
    """Whether the search was against a learner of this class, in whatever setting."""
    from suite import catalog

    own = f"{type(method).__module__}:{type(method).__qualname__}"
    known = catalog.methods()
    return any(known[name].where == own for name in found.learners if name in known)
