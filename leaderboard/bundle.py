"""The scripts and the style of the run and compare pages, and the charts where they were built."""

from __future__ import annotations

from pathlib import Path

STATIC = Path(__file__).parent / "static"
CHARTS = ("charts.js", "charts.licences.txt")


def files() -> list[Path]:
    """The built chart files; none where node was absent at set-up: the pages are complete without them."""
    found = [STATIC / "dist" / name for name in CHARTS]
    return found if all(path.is_file() for path in found) else []


def write(folder: Path) -> list[str]:
    """Copy the scripts, the style and the charts to the site's folder; their names, sorted."""
    sources = {path.name: path for path in [*sorted((STATIC / "src").iterdir()), *files()]}
    for name, path in sources.items():
        (folder / name).write_bytes(path.read_bytes())
    return sorted(sources)
