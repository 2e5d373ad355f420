"""Facts about snapshots: the same rows, the same bytes, and nothing removed too early."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_rows import outcome, run

from suite import _compaction, _folder
from suite.api import Sample
from suite.errors import StoreError
from suite.records import Outcome, ScoreRow
from suite.store import Store

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
int32 = st.integers(-(2**31), 2**31 - 1)
score_rows = st.builds(
    ScoreRow, texts, texts, st.floats(allow_nan=False), st.none() | int32, st.none() | st.booleans()
)
sample_rows = st.builds(
    Sample,
    int32,
    st.floats(width=32, allow_nan=False),
    st.none() | texts,
    st.none() | texts,
    st.none() | texts,
)


@st.composite
def outcomes(draw: st.DrawFn) -> list[Outcome]:
    """Up to eight runs of three tasks, with any scores and samples."""
    return [
        outcome(
            number,
            draw(st.lists(score_rows, max_size=4)),
            draw(st.lists(sample_rows, max_size=4)),
            task=draw(st.sampled_from(["a", "b", "c d"])),
            error=draw(texts),
            wall_s=draw(st.floats(allow_nan=False)),
        )
        for number in range(draw(st.integers(1, 8)))
    ]


@pytest.fixture(scope="module")
def no_fsync() -> Iterator[None]:
    """Durability is not what the properties are about, and hundreds of files wait long for a busy disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


def tables(store: Store) -> list[list[dict[str, object]]]:
    runs = store.runs()
    return [t.to_pylist() for t in (runs, store.scores(), store.samples(runs.column("run").to_pylist()))]


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.parquet"))}


@settings(max_examples=25, deadline=None)
@given(made=outcomes(), data=st.data())
def test_rows_are_the_same_before_and_after_compaction(
    no_fsync: None, made: list[Outcome], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for item in made:
            store.append(item)
            if data.draw(st.booleans()):
                before = tables(store)
                store.compact(prune=data.draw(st.booleans()))
                assert tables(store) == before
        assert len(store.runs()) == len(made)
        assert store.check() == [p for p in store.check() if p.kind == "missing"]


@settings(max_examples=15, deadline=None)
@given(made=outcomes(), chance=st.randoms(use_true_random=False))
def test_snapshots_of_the_same_rows_are_the_same_bytes(
    no_fsync: None, made: list[Outcome], chance: random.Random
) -> None:
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        for item in made:
            Store(Path(one)).append(item)
        for item in chance.sample(made, len(made)):
            Store(Path(other)).append(item)
            if chance.random() < 0.5:
                Store(Path(other)).compact(prune=chance.random() < 0.5)
        for folder in (one, other):
            Store(Path(folder)).compact(prune=True)
        assert contents(Path(one)) == contents(Path(other))


def filled(root: Path, runs: int = 4) -> Store:
    store = Store(root)
    for number in range(runs):
        store.append(outcome(number, samples=[Sample(number, 0.5)]))
    return store


def test_pruning_leaves_one_snapshot_a_table(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.compact(prune=True)
    names = [Path(name) for name in contents(tmp_path)]
    assert [name.parts[0] for name in names] == ["runs", "samples", "scores"]
    assert all(name.name.startswith("snapshot-") for name in names)


def test_compacting_twice_changes_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.compact()
    before = contents(tmp_path)
    store.compact()
    assert contents(tmp_path) == before


def test_a_part_that_a_snapshot_covers_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(tmp_path)
    store.compact()
    store.append(outcome(9))
    opened: list[str] = []
    real = _folder.read

    def spy(path: str, *rest: object) -> object:
        opened.append(os.path.basename(path))
        return real(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(_folder, "read", spy)
    assert len(store.runs()) == 5
    assert [name.partition("-")[0] for name in opened] == ["snapshot", run(9).run[:16]]


def test_leftovers_of_a_killed_cell_are_neither_compacted_nor_pruned(tmp_path: Path) -> None:
    store = filled(tmp_path, 2)
    (tmp_path / "runs" / "task=scan-jump" / f"{run(1).run}.parquet").unlink()
    store.compact(prune=True)
    assert (tmp_path / "scores" / "task=scan-jump" / f"{run(1).run}.parquet").exists()
    assert set(store.scores().column("run").to_pylist()) == {run(0).run}


def test_a_bad_part_is_kept_for_a_look(tmp_path: Path) -> None:
    store = filled(tmp_path, 2)
    part = tmp_path / "runs" / "task=scan-jump" / f"{run(1).run}.parquet"
    part.write_bytes(b"")
    store.compact(prune=True)
    assert part.exists() and len(store.runs()) == 1


def test_a_damaged_snapshot_of_the_same_name_replaces_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path, 2)
    store.compact()
    [snapshot] = (tmp_path / "runs" / "task=scan-jump").glob("snapshot-*")
    snapshot.write_bytes(b"")
    store.compact(prune=True)
    assert len(Store(tmp_path).runs()) == 2
    assert (tmp_path / "runs" / "task=scan-jump" / f"{run(1).run}.parquet").exists()


def test_a_full_disk_while_compacting_is_one_line_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path)
    before = contents(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="no space left"):
        store.compact(prune=True)
    assert contents(tmp_path) == before
    assert not list(tmp_path.rglob(".*"))


def test_a_part_that_is_pruned_between_listing_and_opening_is_read_from_the_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path)
    before = tables(store)
    real, moments = _folder.listing, iter(["prune"])

    def listed_then_pruned(folder: _folder.Folder) -> _folder.Listing:
        found = real(folder)
        if folder.kind == kind and next(moments, None):
            monkeypatch.setattr(_folder, "listing", real)
            Store(tmp_path).compact(prune=True)
        return found

    for kind in ("runs", "scores", "samples"):
        moments = iter(["prune"])
        monkeypatch.setattr(_folder, "listing", listed_then_pruned)
        assert tables(store) == before
        Store(tmp_path).append(outcome(100 + len(kind), samples=[Sample(1, 1.0)]))
        before = tables(Store(tmp_path))
    assert store.problems == []


def test_a_listing_that_straddles_a_prune_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first listing misses the new snapshot and the parts that it replaced."""
    store = filled(tmp_path)
    before = tables(store)
    store.compact(prune=True)
    real, torn = os.listdir, {str(tmp_path / k / "task=scan-jump") for k in ("runs", "scores", "samples")}

    def listdir(path: str) -> list[str]:
        if str(path) in torn:
            torn.remove(str(path))
            return []
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    assert tables(store) == before
    assert torn == set()


def test_two_compactions_at_once_never_remove_each_others_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second compaction runs wholly between the first one's reading and its writing."""
    store = filled(tmp_path)
    real, inside = _compaction.place, iter(["once"])

    def place(data: bytes, final: str) -> None:
        if next(inside, None):
            Store(tmp_path).append(outcome(50, samples=[Sample(0, 0.0)]))
            Store(tmp_path).compact(prune=True)
        real(data, final)

    monkeypatch.setattr(_compaction, "place", place)
    store.compact(prune=True)
    assert len(Store(tmp_path).runs()) == 5
    assert len(Store(tmp_path).scores()) == 15
    Store(tmp_path).compact(prune=True)
    assert len(contents(tmp_path)) == 3


def test_dictionary_columns_are_read_across_a_snapshot_and_later_parts(tmp_path: Path) -> None:
    """A snapshot and a later part of a task, read as the pages read samples: encoded, in order of runs."""
    store = Store(tmp_path)
    for number in (2, 0):
        store.append(outcome(number, [], [Sample(k, float(k), "in", "out", "in") for k in (1, 0)], task="a"))
    store.compact(prune=True)
    store.append(outcome(1, [], [Sample(7, 0.5, None, None, None)], task="a"))
    folder, columns = _folder.Folder(tmp_path, "samples", "a"), ["run", "index", "input"]
    plain = _folder.load(folder, columns, lambda *_: None).rows
    encoded = _folder.load(folder, columns, lambda *_: None, encoded={"run", "input"}).rows
    assert encoded.to_pylist() == plain.to_pylist()
    assert [row["index"] for row in plain.to_pylist()] == [1, 0, 7, 1, 0]
