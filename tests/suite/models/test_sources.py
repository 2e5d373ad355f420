"""Where a model is looked for, in which order, and what is said where it is nowhere; what it is known by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_models

from suite.errors import DataError, UsageError
from suite.models import fetch, fingerprint, path, sources
from suite.models.identity import state, verify
from suite.models.registry import File
from suite.models.sources import find, locate, size

Register = Callable[..., None]
ONE, TWO = tiny_models.weights(a=[1.0]), tiny_models.weights(a=[2.0])
PINNED = File("model.safetensors", tiny_models.sha256(ONE), len(ONE))
ENTRY = replace(tiny_models.PLAIN, data="plain-data", recipe="plain", files=(PINNED,))


def put(folder: Path, content: bytes = ONE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(content)
    return folder


def hub_snapshot(tmp_path: Path, name: str, commit: str = "0" * 40) -> Path:
    """A model in the hub's own cache, as its client lays it out."""
    home = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(commit)
    return put(home / "snapshots" / commit)


def test_the_places_are_looked_at_in_order(
    cache: Path, tmp_path: Path, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(ENTRY)
    monkeypatch.setenv("SUITE_MODELS_DIR", str(tmp_path / "mine"))
    monkeypatch.setenv("SUITE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(sources, "ZOO", tmp_path / "zoo")
    places = [
        (cache / "models" / "plain", "cache"),
        (tmp_path / "zoo" / "plain", "zoo"),
        (tmp_path / "data" / "plain-data", "data"),
        (tmp_path / "mine" / "plain", "folder"),
    ]
    assert locate(ENTRY) is None
    for folder, origin in places:
        put(folder)
        found = find("plain")
        assert (found.path, found.origin) == (folder, origin)


def test_a_folder_without_the_pinned_file_is_passed_over(cache: Path, register: Register) -> None:
    register(ENTRY)
    (cache / "models" / "plain").mkdir(parents=True)
    assert locate(ENTRY) is None


def test_a_path_is_a_model_and_its_files_are_its_name(
    cache: Path, tmp_path: Path, register: Register
) -> None:
    register()
    folder = put(tmp_path / "own")
    assert path(str(folder)) == folder and size(find(str(folder))) == len(ONE)
    before = fingerprint(str(folder))
    (folder / "card.md").write_text("A card does not compute.")
    assert fingerprint(str(folder)) == before
    put(folder, TWO)
    assert fingerprint(str(folder)) != before


def test_a_model_of_the_hub_is_known_by_id_and_commit(
    cache: Path, tmp_path: Path, register: Register
) -> None:
    register()
    snapshot = hub_snapshot(tmp_path, "some/model", "a" * 40)
    found = find("some/model")
    assert (found.path, found.origin) == (snapshot, "hub")
    assert fingerprint("some/model") == hashlib.sha256(f"hub:some/model@{'a' * 40}".encode()).hexdigest()


def test_a_named_model_may_be_asked_for_by_its_hub_id(
    cache: Path, tmp_path: Path, register: Register
) -> None:
    named = replace(tiny_models.PLAIN, hub="some/model")
    register(named)
    hub_snapshot(tmp_path, "some/model")
    assert find("some/model") == find("plain") and find("plain").entry == named


@pytest.mark.parametrize(
    ("changes", "way_out"),
    [
        ({"recipe": "plain"}, "make it with `suite models train plain`"),
        ({"hub": "some/model"}, "get it with `suite models get plain`"),
        ({"data": "folder"}, "put the folder folder into the folder SUITE_DATA_DIR"),
    ],
)
def test_a_model_that_is_nowhere_is_said_with_the_way_out(
    cache: Path, register: Register, changes: dict[str, str], way_out: str
) -> None:
    register(replace(tiny_models.PLAIN, **changes))  # type: ignore[arg-type]
    with pytest.raises(DataError) as caught:
        find("plain")
    assert way_out in str(caught.value) and str(cache / "models" / "plain") in str(caught.value)


def test_an_unknown_name_and_an_unknown_id_are_different_things(cache: Path, register: Register) -> None:
    register(ENTRY)
    with pytest.raises(UsageError, match="model 'plian' not found; did you mean 'plain'"):
        find("plian")
    with pytest.raises(DataError, match="some/model is in no local cache of the hub; get it with"):
        find("some/model")
    with pytest.raises(UsageError, match="not found"):
        find("../nowhere/at/all")


def test_a_pinned_model_is_known_by_its_checksum_wherever_it_is(
    cache: Path, tmp_path: Path, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(ENTRY)
    nowhere = fingerprint("plain")
    monkeypatch.setenv("SUITE_DATA_DIR", str(tmp_path))
    put(tmp_path / "plain-data")
    assert fingerprint("plain") == nowhere == ENTRY.origin


def test_a_folder_of_the_users_own_is_known_by_what_is_in_it(
    cache: Path, tmp_path: Path, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(ENTRY)
    monkeypatch.setenv("SUITE_MODELS_DIR", str(tmp_path))
    put(tmp_path / "plain")
    assert fingerprint("plain") == ENTRY.origin
    put(tmp_path / "plain", TWO)
    assert fingerprint("plain") != ENTRY.origin
    assert state(ENTRY).state == "unchecked"


def test_a_fetched_model_is_known_by_its_origin_and_a_copied_one_by_its_content(
    cache: Path, tmp_path: Path, register: Register
) -> None:
    entry = tiny_models.packed(tmp_path / "shelf", {"p/model.safetensors": ONE})
    register(entry)
    promised = fingerprint("plain")
    fetch.get("plain", pip=tiny_models.index(tmp_path / "shelf"))
    assert fingerprint("plain") == promised == entry.origin
    (cache / "models" / "plain" / sources.MANIFEST).unlink()
    assert fingerprint("plain") != promised


def test_the_code_of_a_network_of_ours_is_part_of_the_model(cache: Path, register: Register) -> None:
    register(ENTRY, replace(ENTRY, name="net", network="suite.models.resnet:resnet20"))
    assert fingerprint("net") != fingerprint("plain")


def test_the_state_of_a_model(
    cache: Path, tmp_path: Path, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(ENTRY)
    monkeypatch.setenv("SUITE_DATA_DIR", str(tmp_path))
    assert state(ENTRY).state == "missing"
    put(tmp_path / "plain-data")
    assert state(ENTRY)[0] == "ok" and state(ENTRY).reason == ""
    put(tmp_path / "plain-data", TWO)
    assert state(ENTRY).state == "damaged" and "put the registered file there" in state(ENTRY).reason


def test_a_large_file_is_not_read_again_until_its_size_or_time_changes(
    cache: Path, tmp_path: Path, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setattr("suite.models.identity.LARGE", len(ONE))
    register(tiny_models.packed(tmp_path / "shelf", {"p/model.safetensors": ONE}))
    found = fetch.get("plain", pip=tiny_models.index(tmp_path / "shelf"))
    file = found.path / "model.safetensors"
    before = file.stat()
    file.write_bytes(TWO)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    verify(found, thorough=False)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(DataError, match="another content"):
        verify(found, thorough=False)


def test_a_file_that_is_gone_is_said(cache: Path, tmp_path: Path, register: Register) -> None:
    register(tiny_models.packed(tmp_path / "shelf", {"p/model.safetensors": ONE, "p/config.json": b"{}"}))
    found = fetch.get("plain", pip=tiny_models.index(tmp_path / "shelf"))
    (found.path / "config.json").unlink()
    with pytest.raises(DataError, match=r"config.json is gone; remove .* and run `suite models get plain`"):
        verify(found)
