from __future__ import annotations

from pathlib import Path

import pytest

from suite import checkpoints


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path))
    return tmp_path / "checkpoints"


def test_what_was_written_is_there_for_the_next_holder() -> None:
    with checkpoints.held("cell", "code") as folder:
        assert folder is not None
        (folder / "half").write_text("done")
    with checkpoints.held("cell", "code") as folder:
        assert folder is not None
        assert (folder / "half").read_text() == "done"


def test_two_holders_never_share_a_folder() -> None:
    with checkpoints.held("cell", "code") as first, checkpoints.held("cell", "code") as second:
        assert first is not None
        assert second is None


def test_other_code_never_resumes() -> None:
    with checkpoints.held("cell", "code") as first, checkpoints.held("cell", "other") as second:
        assert None not in (first, second)
        assert first != second


def test_nothing_stays_of_a_folder_that_was_discarded_or_left_empty(cache: Path) -> None:
    with checkpoints.held("cell", "code") as folder:
        assert folder is not None
        (folder / "half").touch()
        checkpoints.discard(folder)
    with pytest.raises(ValueError, match="broken"), checkpoints.held("empty", "code"):
        raise ValueError("broken")
    assert list(cache.iterdir()) == []


def test_an_unwritable_cache_gives_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path / "file"))
    with checkpoints.held("cell", "code") as folder:
        assert folder is None


def test_another_device_has_another_folder_and_the_processors_is_as_before() -> None:
    cpu, cuda, second = (checkpoints.folder_of("cell", "code", d).name for d in ("cpu", "cuda", "cuda:1"))
    assert (cpu, cuda, second) == ("cell-code", "cell-code-cuda", "cell-code-cuda")
