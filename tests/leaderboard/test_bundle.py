"""The bundle of the charts: by exact version, from a lock file that names no host, and never committed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from leaderboard import bundle

ROOT = Path(bundle.__file__).parent.parent
WEB = ROOT / "leaderboard" / "web"


def test_the_pages_own_files_are_copied(tmp_path: Path) -> None:
    names = bundle.write(tmp_path)
    assert {"compare.js", "parts.css", "run.js"} <= set(names)
    for name in names:
        assert (tmp_path / name).stat().st_size > 0
    assert ("charts.js" in names) == bool(bundle.files())


def test_without_a_build_there_are_no_charts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "STATIC", tmp_path)
    assert bundle.files() == []
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "charts.js").write_text("x")
    # a bundle without the licences of what is in it is none
    assert bundle.files() == []
    (tmp_path / "dist" / "charts.licences.txt").write_text("y")
    assert [path.name for path in bundle.files()] == ["charts.js", "charts.licences.txt"]


def test_versions_are_exact_and_the_lock_file_names_no_host() -> None:
    package = json.loads((WEB / "package.json").read_text())
    lock = json.loads((WEB / "package-lock.json").read_text())
    for group in ("dependencies", "devDependencies"):
        for name, version in package[group].items():
            assert re.fullmatch(r"\d+\.\d+\.\d+", version)
            assert lock["packages"][f"node_modules/{name}"]["version"] == version
    assert "http" not in json.dumps(lock) and "resolved" not in json.dumps(lock)
    assert all("integrity" in entry for path, entry in lock["packages"].items() if path)


def test_nothing_of_the_libraries_is_tracked() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "leaderboard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("no checkout of git here")
    assert not re.search(r"node_modules|static/dist", listed.stdout)


def test_a_built_bundle_asks_no_host_and_carries_its_licences() -> None:
    if not bundle.files():
        pytest.skip("the charts are not built: node was absent at set-up")
    charts, licences = (path.read_text(encoding="utf-8") for path in bundle.files())
    assert charts.startswith("/*!")
    addresses = set(re.findall(r"https?://[^\"'`\s]+", charts))
    assert all(address.startswith("http://www.w3.org/") for address in addresses)
    assert "eval(" not in charts and "new Function" not in charts
    plot = json.loads((WEB / "package.json").read_text())["dependencies"]["@observablehq/plot"]
    assert f"@observablehq/plot {plot}" in licences and "d3-scale " in licences


@pytest.mark.parametrize("name", ["compare.js", "run.js"])
def test_our_scripts_write_texts_never_markup(name: str) -> None:
    script = (ROOT / "leaderboard" / "static" / "src" / name).read_text(encoding="utf-8")
    for danger in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch("):
        assert danger not in script
