"""The pages in a browser: how soon the front page can be used, how fast a long table sorts and filters.

    python benchmarks/bench_browser.py [--tasks 50] [--methods 200] [--seeds 3] [--site FOLDER]

Builds the site of a made-up store (or takes a built one), opens it from disk in headless Chromium, and prints
medians. Seeds change neither page's size, so few are made. Exits 1 beyond a budget: front page usable within
1 s, at most 300 KiB compressed with its style and scripts, sort and filter of 200 rows within 50 ms.

"usable" is the end of the scripts that run before the page is ready, counted from the start of the
navigation; "sort" and "filter" go, by the page's clock, from one click or one key to the end of the next
layout: what a reader waits for. Rows further down may be put in place in the frames after.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import million  # noqa: E402

SECONDS, KIB, MILLISECONDS = 1.0, 300, 50
ROUNDS = 9
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
READY = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
SORT = """(i) => {
    const buttons = document.querySelector("table[data-table]").tHead.querySelectorAll("button");
    const start = performance.now();
    buttons[i % buttons.length].click();
    document.body.offsetHeight;
    return performance.now() - start;
}"""
FILTER = """(text) => {
    const field = document.querySelector("form.tools input[name=q]");
    const start = performance.now();
    field.value = text;
    field.dispatchEvent(new Event("input", {bubbles: true}));
    document.body.offsetHeight;
    return performance.now() - start;
}"""
TEXTS = ("m", "method-1", "method-15", "method-150", "", "method-0", "9", "nothing", "")


def built(tasks: int, methods: int, seeds: int, folder: Path) -> Path:
    """The site of a made-up store."""
    million.make(folder / "results", tasks, methods, seeds)
    words = ["-m", "suite", "leaderboard", "build", "--results", folder / "results", "--out", folder / "site"]
    subprocess.run([sys.executable, *map(str, words)], check=True, cwd=million.ROOT)
    return folder / "site"


def weight(page: Path) -> tuple[int, int]:
    """(bytes, gzip bytes) of a page with the styles and scripts that it names."""
    text = page.read_text(encoding="utf-8")
    names = re.findall(r'<(?:link rel="stylesheet" href|script src)="([^"]+)"', text)
    files = [page, *(page.parent / name for name in names)]
    return sum(f.stat().st_size for f in files), sum(len(gzip.compress(f.read_bytes())) for f in files)


def measured(site: Path) -> dict[str, float]:
    """Milliseconds: front page usable and painted, sort and filter of the longest task page."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("SUITE_CHROMIUM") or shutil.which("chromium")
    if path is None:
        sys.exit("there is no chromium here; SUITE_CHROMIUM names one")
    longest = max((site / "task").glob("*.html"), key=lambda p: (p.stat().st_size, p.name))
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=ARGUMENTS)
        fronts = [_front(browser, site / "index.html") for _ in range(ROUNDS)]
        tab = browser.new_page()
        tab.goto(longest.as_uri())
        rows = tab.evaluate("document.querySelector('table[data-table]').tBodies[0].rows.length")
        sorts = [_after_rest(tab, SORT, i) for i in range(ROUNDS)]
        filters = [_after_rest(tab, FILTER, text) for text in TEXTS]
        browser.close()
    return {
        "usable": median(ready for ready, _ in fronts),
        "painted": median(paint for _, paint in fronts),
        "rows": rows,
        "sort": median(sorts),
        "slowest sort": max(sorts),
        "filter": median(filters),
        "slowest filter": max(filters),
    }


def _after_rest(tab: Any, action: str, argument: Any) -> float:
    """Milliseconds of one action, begun once all that the last one left for later frames is done."""
    tab.wait_for_function("!document.querySelector('tr.later')")
    tab.wait_for_timeout(100)
    took: float = tab.evaluate(action, argument)
    return took


def _front(browser: Any, page: Path) -> tuple[float, float]:
    """(usable, painted) in milliseconds, in a new profile without a cache."""
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(page.as_uri())
    found = tab.evaluate(READY), tab.evaluate(PAINT)
    context.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="The pages in a browser, against their budgets.")
    parser.add_argument("--tasks", type=int, default=50)
    parser.add_argument("--methods", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--site", type=Path, help="a site that is built already")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = given.site or built(given.tasks, given.methods, given.seeds, Path(folder))
        found = measured(site)
        whole, packed = weight(site / "index.html")
    print(f"front page: usable after {found['usable']:.0f} ms, painted after {found['painted']:.0f} ms")
    print(f"front page with style and scripts: {whole / 1024:.0f} KiB, {packed / 1024:.0f} KiB compressed")
    print(f"task page of {found['rows']:.0f} rows, median and slowest:")
    for what in ("sort", "filter"):
        print(f"  {what}: {found[what]:.1f} ms, {found[f'slowest {what}']:.1f} ms")
    missed = [
        *(["front page usable"] if found["usable"] > 1000 * SECONDS else []),
        *(["front page weight"] if packed > 1024 * KIB else []),
        *(what for what in ("sort", "filter") if found[what] > MILLISECONDS),
    ]
    if missed:
        print(f"beyond the budget: {', '.join(missed)}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
