"""The code fingerprint: a hash of the project modules that a method and a task import, directly or not.

Comments, docstrings and layout do not count: each module is hashed by its syntax tree. Only modules
under the same top-level packages as the start modules (and `suite`, `tasks`, `methods`) are followed;
what comes from elsewhere is pinned by the package versions in a run's provenance.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path

OWN = frozenset({"suite", "tasks", "methods"})


def code_fingerprint(*modules: str) -> str:
    """SHA-256 over (module name, hash of its syntax tree) of the whole closure of `modules`."""
    return _fingerprint(tuple(sorted(set(modules))))


@cache
def _fingerprint(modules: tuple[str, ...]) -> str:
    parts = (f"{name}={digest}" for name, digest in sorted(module_hashes(modules).items()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def module_hashes(modules: Iterable[str]) -> dict[str, str]:
    """Module name to hash for every project module reachable from `modules`.

    Family cards are data about names, not code of a cell (their values are in the cell's settings),
    so a package's `__init__` counts only when something imports the package itself.
    """
    queue = list(modules)
    own = OWN | {m.partition(".")[0] for m in queue}
    found: dict[str, str] = {}
    while queue:
        name = queue.pop()
        if name in found:
            continue
        path = _source(name)
        if path is None:
            continue
        digest, imports = _read(path, name, frozenset(own))
        found[name] = digest
        queue += imports
    return found


@cache
def _source(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


@cache
def _read(path: Path, name: str, own: frozenset[str]) -> tuple[str, frozenset[str]]:
    tree = ast.parse(path.read_bytes())
    imports = frozenset(_imports(tree, name, path.name == "__init__.py", own))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            _drop_docstring(node)
    words: list[str] = []
    _spell(tree, words)
    return hashlib.sha256("".join(words).encode()).hexdigest(), imports


def _spell(node: object, words: list[str]) -> None:
    """Append a spelling of a syntax tree that does not depend on the version of Python.

    `ast.dump` does: each version adds fields. Empty fields are left out here, and so is `ctx`, which
    follows from where a node stands.
    """
    if isinstance(node, ast.AST):
        words.append(type(node).__name__ + "(")
        for name in node._fields:
            value = getattr(node, name, None)
            if value is not None and value != [] and name != "ctx":
                words.append(name + "=")
                _spell(value, words)
        words.append(")")
    elif isinstance(node, list):
        words.append("[")
        for item in node:
            _spell(item, words)
            words.append(",")
        words.append("]")
    else:
        words.append(repr(node))


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    body = node.body
    first = body[0].value if body and isinstance(body[0], ast.Expr) else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        node.body = body[1:]


def _imports(tree: ast.Module, name: str, is_package: bool, own: frozenset[str]) -> Iterable[str]:
    """Own modules that a module imports anywhere in it; others are never looked up (that imports them)."""
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.partition(".")[0] in own)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parent = parts[: len(parts) - node.level + 1]
                base = ".".join([*parent, base] if base else parent)
            if base.partition(".")[0] in own:
                yield from _imported_from(base, [a.name for a in node.names])


def _imported_from(base: str, names: list[str]) -> Iterable[str]:
    """`from package import x`: x may be a module of its own, or a name of the package."""
    source = _source(base)
    if source is None or source.name != "__init__.py":
        yield base
        return
    for name in names:
        child = f"{base}.{name}"
        yield child if _source(child) else base
