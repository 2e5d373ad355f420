"""pytest --suite-check METHOD: the conformance checks of a competitor as tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from suite.conformance import Check


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one option of the plug-in."""
    group = parser.getgroup("suite", "Touchstone")
    group.addoption(
        "--suite-check",
        action="append",
        default=[],
        metavar="METHOD",
        help="run the conformance checks of this method as tests (may be given again)",
    )


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Put the checks of every asked method behind the tests that were collected."""
    for method in config.getoption("--suite-check"):
        items.extend(_items(session, method))


def _items(session: pytest.Session, method: str) -> Iterator[pytest.Item]:
    from suite.conformance import checks
    from suite.errors import SuiteError

    try:
        found = checks(method)
    except SuiteError as error:
        raise pytest.UsageError(str(error)) from None
    for check in found:
        yield CheckItem.from_parent(session, name=f"{method}::{check.name}", check=check)


class CheckItem(pytest.Item):
    """One promise of one method."""

    def __init__(self, *, check: Check, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]
        self.check = check

    def runtest(self) -> None:
        """Run the check; a broken promise raises."""
        self.check()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """The broken promise in two lines rather than a traceback."""
        from suite.errors import SuiteError

        if isinstance(excinfo.value, SuiteError):
            return f"promise: {self.check.promise}\nbroken: {excinfo.value}"
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[str, int | None, str]:
        """Where pytest says that the test stands."""
        return "suite check", None, self.name
