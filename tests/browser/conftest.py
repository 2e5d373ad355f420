"""One headless Chromium for all browser tests, sites built from made-up stores, and pages that are watched.

Without Playwright or a browser the tests are skipped with the reason. SUITE_CHROMIUM names another browser.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from logged_store import PNG, LoggedStore

from leaderboard import site
from leaderboard.content import Content
from leaderboard.runpages import logged
from suite.records import ScoreRow

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
METHODS = {
    "toy-good": (1.0, 9.0),
    "toy-slow": (0.9, 40.0),
    "toy-nan": (0.7, 4.0),
    "toy-raise": (0.65, 2.0),
    "toy-bad": (0.5, 0.1),
}
EXAMPLES = 20
# Every field of a run may hold such a text; a task's name must also fit a folder's name.
HOSTILE = [
    "<script>document.title='taken'</script>",
    '"><img src=x onerror=document.title="taken">',
    "\u202eright to left",
    "{{ 7*7 }} ${7*7} `7`",
    "javascript:document.title='taken'",
    "a\nb\tc\x00d",
    "x" * 10_000,
    "../../etc/passwd",
    "",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = os.environ.get("SUITE_CHROMIUM") or shutil.which("chromium")
    if path is None or not Path(path).exists():
        pytest.skip("there is no chromium here; SUITE_CHROMIUM names one")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield running
        running.close()


def build(rows: LoggedStore, out: Path) -> Path:
    """The whole site of a store, as `suite leaderboard build` makes it but for claims."""
    import toy_plugin

    from leaderboard import bundle

    content = Content(
        rows.board(),
        {spec.name: spec for spec in toy_plugin.METHODS},
        logged=logged(rows.store),
        charts=bool(bundle.files()),
    )
    site.build(content, out, rows.store)
    return out


@pytest.fixture(scope="session")
def toy_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five methods with five seeds each, texts and a picture among their examples, and a smoke profile."""
    folder = tmp_path_factory.mktemp("toy")
    rows, chance = LoggedStore(folder / "results"), random.Random(0)
    for method, (share, seconds) in METHODS.items():
        for seed in range(5):
            correct = [float(chance.random() < share) for _ in range(EXAMPLES)]
            texts = {i: (f"is {i} even?", "yes" if c else "no", "yes") for i, c in enumerate(correct[:6])}
            texts[0] = (PNG, *texts[0][1:])
            even = ScoreRow("accuracy", "even", sum(correct[::2]) / 10, 10, True)
            more = {"texts": texts, "scores": [even], "wall_s": seconds + seed, "peak_mb": 100 * seconds}
            rows.add(method, seed, correct, **more)
    rows.add("toy-coin", 0, status="failed", error="ValueError: no coin")
    rows.add("toy-nan", 0, [1.0], profile="smoke")
    rows.add("toy-slow", 0, [0.0], profile="smoke")
    return build(rows, folder / "site")


@pytest.fixture(scope="session")
def hostile_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names and texts that try to be markup, script, paths and numbers, in every field."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = LoggedStore(folder / "results")
    for name in HOSTILE:
        for seed, method in ((0, name), (1, name), (0, name + "2"), (1, name + "2")):
            rows.add(
                method,
                seed,
                [1.0, float(method == name), float("nan")],
                value=0.5 + seed / 10,
                texts={0: (name, name + "?", name), 1: (None, name, None)},
                scores=[ScoreRow("errors", name or "none", float("inf"), 1, False)],
                task=name[:50] or "none",
                family=name,
                profile=name or "small",
                overrides={name: name},
                base_model=name,
                settings=name,
                task_settings=name,
                host=name,
                packages=name,
                git_commit=name,
                device=name,
                wall_s=float("nan"),
                peak_mb=float("inf"),
            )
        rows.add(name, 2, status="failed", error=name, task=name[:50] or "none", family=name)
    return build(rows, folder / "site")


class Watched:
    """A tab in which every request, console error and uncaught exception is kept."""

    def __init__(self, context: Any, folder: Path) -> None:
        self.tab = context.new_page()
        self.folder = folder.as_uri()
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("console", self._said)
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def open(self, name: str) -> Any:
        self.tab.goto(f"{self.folder}/{name}")
        return self.tab

    def check(self) -> None:
        """Nothing was said on the console, and nothing asked for outside the site's folder."""
        outside = [u for u in self.requests if not u.startswith((self.folder + "/", "data:", "blob:"))]
        assert self.errors == [] and outside == []


@pytest.fixture
def watch(browser: Any) -> Iterator[Callable[..., Watched]]:
    """Opens a watched tab on a site; what it saw is checked when the test ends."""
    opened: list[tuple[Any, Watched]] = []

    def start(folder: Path, **options: Any) -> Watched:
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}} | options)
        context.set_default_timeout(10_000)
        opened.append((context, Watched(context, folder)))
        return opened[-1][1]

    yield start
    for context, watched in opened:
        context.close()
        watched.check()
