"""Where a row was made: the project's commit, the packages, the machine. No user, host name or path."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from suite.cell import canonical

PROJECT = Path(__file__).resolve().parent.parent
SOURCES = ("suite", "tasks", "methods", "leaderboard", "pyproject.toml")
PACKAGES = (
    "touchstone-suite",
    "accelerate",
    "datasets",
    "lm-eval",
    "numpy",
    "pandas",
    "peft",
    "pyarrow",
    "safetensors",
    "scikit-learn",
    "scipy",
    "tokenizers",
    "torch",
    "torchvision",
    "transformers",
)
_GIT_SECONDS = 10


class Code(NamedTuple):
    """The commit of a checkout and whether its sources differ from it; ("", False) outside of git."""

    commit: str
    dirty: bool


NO_CODE = Code("", False)


@cache
def environment() -> Mapping[str, Any]:
    """`git_commit`, `git_dirty`, `packages` and `host` of this process, as the columns of a run.

    Collected once; `packages` and `host` are canonical JSON.
    """
    code = code_of(PROJECT)
    return MappingProxyType(
        {
            "git_commit": code.commit,
            "git_dirty": code.dirty,
            "packages": canonical(packages()),
            "host": canonical(host()),
        }
    )


def code_of(project: Path) -> Code:
    """The state of the checkout whose top folder is `project`.

    A suite that is installed inside another project's repository must not name that project's commit, so
    the folder itself has to be the top. Only the sources count as dirty: results and notes beside them
    do not change a score, but a new file that git does not know yet may.
    """
    if not (project / ".git").exists():
        return NO_CODE
    command = ["git", "--no-optional-locks", "-C", str(project), "status", "--porcelain=v2", "--branch"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            [*command, "--untracked-files=normal", "--", *SOURCES],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return NO_CODE
    return _parse_status(done.stdout.decode(errors="replace"))


def _parse_status(text: str) -> Code:
    """`git status --porcelain=v2 --branch`: headers begin with '#', every other line is a change."""
    commit, dirty = "", False
    for line in text.splitlines():
        if line.startswith("# branch.oid "):
            commit = line.removeprefix("# branch.oid ").strip("()")
        elif not line.startswith("#"):
            dirty = True
    return Code("" if commit == "initial" else commit, dirty)


def packages() -> dict[str, str]:
    """Versions of the packages that can move a score, those that are installed; none is imported."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def host() -> dict[str, str | int]:
    """Processor, cores, operating system and Python version."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 0,
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name; the machine's kind where the system does not tell it."""
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == "model name":
                    return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
