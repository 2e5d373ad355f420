"""What can go wrong, each kind with its exit code; a message says what, where and what to do next.

SuiteError            2
  UsageError          2   a wrong name, flag, field or value
  DataError           2   a file that is missing, damaged or not what its checksum promises
  StoreError          2   results that cannot be written or read
  MethodError         1   a competitor broke its contract
  Incomplete          3   cells are missing, so no verdict can be given
Skip                  -   an incompatible pair: a reason, not a failure
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SuiteError(Exception):
    """Base of every error that the command line prints as one line."""

    exit_code = 2


class UsageError(SuiteError):
    """The request itself is wrong."""


class DataError(SuiteError):
    """A data file is missing, damaged or has another checksum."""


class StoreError(SuiteError):
    """The results folder cannot be read or written."""


class MethodError(SuiteError):
    """A competitor or task broke its contract (a NaN score, an undeclared metric)."""

    exit_code = 1


class Incomplete(SuiteError):
    """Something needed for an answer has not been run."""

    exit_code = 3


class Skip(Exception):
    """Raised by a task or method whose pair makes no sense; the message is the reason."""


def unknown(kind: str, name: str, known: Iterable[str], see: str) -> UsageError:
    """The error for a name nobody has, with the nearest name that somebody has."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return UsageError(f"{kind} '{name}' not found; {hint}`{see}` shows all")
