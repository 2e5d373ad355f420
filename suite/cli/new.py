"""`suite new method`: writes a working competitor, its line in the family card and its test."""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

import click

from suite.cli.output import Name
from suite.errors import SuiteError, UsageError, unknown

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 40
CODE, TEST = "template.py.txt", "template_test.py.txt"


@dataclass(frozen=True)
class Names:
    """A method's name as the command line, the module and the class spell it."""

    name: str
    family: str

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")

    @property
    def cls(self) -> str:
        return "".join(part.capitalize() for part in self.name.split("-"))

    @property
    def line(self) -> str:
        """The entry of the family card."""
        return (
            "    MethodSpec(\n"
            f'        name="{self.name}",\n'
            f'        family="{self.family}",\n'
            '        summary="one line that says what it does",\n'
            f'        where="methods.{self.family}.{self.module}:{self.cls}",\n'
            '        paper=Paper("Title", 2025, "https://example.org"),\n'
            '        role="baseline",\n'
            "    ),\n"
        )


@click.group()
def command() -> None:
    """Write a new method, ready to edit."""


@command.command()
@click.argument("name")
@click.option("--family", required=True, type=Name("family"), help="The family that it competes in.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Checkout to write into; default: the one that the suite runs from.",
)
def method(name: str, family: str, folder: Path | None) -> None:
    """Write methods/FAMILY/NAME.py, its test, and its line in the family card."""
    root = folder or _checkout()
    names = _validated(name, family, root)
    card = root / "methods" / family / "__init__.py"
    files = {
        root / "methods" / family / f"{names.module}.py": _filled(root, names, CODE),
        root / "tests" / "methods" / family / f"test_{names.module}.py": _filled(root, names, TEST),
    }
    taken = [path for path in files if path.exists()]
    if taken:
        raise UsageError(f"{taken[0]} exists and is not overwritten; choose another name")
    changed = with_line(card, names.line)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        click.echo(f"wrote {path}")
    card.write_text(changed, encoding="utf-8")
    click.echo(f"added a line to {card}")
    click.echo(f"next: edit them, then `suite check {name}` and `suite run --method {name} --task TASK`")


def _checkout() -> Path:
    """The folder that holds the packages `methods` and `tasks`."""
    import methods

    return Path(methods.__path__[0]).parent


def _validated(name: str, family: str, root: Path) -> Names:
    from suite import catalog

    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME or keyword.iskeyword(name.replace("-", "_")):
        raise UsageError(
            f"'{name}' cannot be a method's name: lower-case letters, digits and single hyphens, a letter "
            f"first, at most {LONGEST_NAME} characters, no word of Python"
        )
    if name in catalog.methods():
        raise UsageError(f"there is a method '{name}' already (`suite show {name}`); choose another name")
    families = [path.parent.name for path in sorted(root.glob(f"tasks/*/{CODE}"))]
    if family not in families:
        raise unknown("family with a template", family, families, "suite list families")
    return Names(name, family)


def _filled(root: Path, names: Names, template: str) -> str:
    path = root / "tasks" / names.family / template
    if not path.is_file():
        raise SuiteError(f"{path} is missing: it is the template of new methods of family {names.family}")
    values = {"name": names.name, "module": names.module, "cls": names.cls}
    return Template(path.read_text(encoding="utf-8")).substitute(values)


def with_line(card: Path, line: str) -> str:
    """The text of a family card with `line` at the end of its list METHODS; UsageError where it has none."""
    try:
        text = card.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, SyntaxError) as error:
        raise UsageError(f"{card} cannot be read as a family card: {error}") from None
    end = next((end for node in tree.body if (end := _end_of_methods(node)) is not None), None)
    lines = text.splitlines(keepends=True)
    if end is None or lines[end - 1].strip() != "]":
        raise UsageError(f"{card} has no list METHODS that ends in a line of its own; add this there: {line}")
    missing = {"MethodSpec", "Paper"} - {
        alias.name for node in tree.body for alias in getattr(node, "names", ())
    }
    if missing:
        raise UsageError(
            f"{card} does not import {' and '.join(sorted(missing))} from suite.api; import it first"
        )
    return "".join([*lines[: end - 1], line, *lines[end - 1 :]])


def _end_of_methods(node: ast.stmt) -> int | None:
    """The last line of `METHODS = [...]`, annotated or not; None for another statement."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.List):
        return None
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    named = any(isinstance(target, ast.Name) and target.id == "METHODS" for target in targets)
    return node.value.end_lineno if named else None
