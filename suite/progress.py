"""Progress on standard error: a bar over cells, and one for what the running cell reports."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from suite.plan import Planned


class Progress:
    """Bars with rate and time left; nothing is drawn when asked to be quiet or where nobody looks.

    With several workers only the bar over cells is drawn, with the cell that reported last.
    """

    def __init__(self, cells: int, jobs: int = 1, quiet: bool = False) -> None:
        self.quiet = quiet
        self.drawn = cells > 0 and not quiet and sys.stderr.isatty()
        self.single = jobs == 1 or cells == 1
        self.outer: Any = (
            self._bar(total=cells, unit="cell", position=0) if self.drawn and cells > 1 else None
        )
        self.inner: Any = None
        self.shown: tuple[str, str] | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_inner()
        if self.outer is not None:
            self.outer.close()

    def watch(self, planned: Planned, label: str, done: int, total: int) -> None:
        """Show what a running cell reports."""
        if not self.drawn:
            return
        if not self.single:
            self.outer.set_postfix_str(f"{planned.cell.title}: {label} {done}/{total}")
            return
        if self.shown != (planned.cell.id, label):
            self._close_inner()
            self.shown = (planned.cell.id, label)
            position = int(self.outer is not None)
            self.inner = self._bar(
                total=total, desc=f"{planned.cell.title}: {label}", position=position, leave=False
            )
        self.inner.total = total
        self.inner.update(done - self.inner.n)

    def finished(self, line: str) -> None:
        """One more cell has ended; `line` says how."""
        self._close_inner()
        if self.outer is not None:
            self.outer.update(1)
        if self.quiet:
            return
        if self.drawn:
            from tqdm import tqdm

            tqdm.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr)

    def _close_inner(self) -> None:
        if self.inner is not None:
            self.inner.close()
        self.inner = self.shown = None

    @staticmethod
    def _bar(**options: Any) -> Any:
        from tqdm import tqdm

        return tqdm(file=sys.stderr, dynamic_ncols=True, **options)
