"""Every split equals the published files: by checksum always, by line where the files are at hand."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from suite.errors import DataError
from tasks.compositional.contract import Example
from tasks.compositional.scan import splits
from tasks.compositional.scan.grammar import commands, interpret
from tasks.compositional.scan.splits import Split, examples, has, published, with_dev

# Split: lines and start of the SHA-256 of the published file after `LC_ALL=C sort`, for train and for test.
PUBLISHED = {
    "length": ((16_990, "7ffb97f45029871c"), (3_920, "3297fd0b676c391f")),
    "addprim_jump": ((14_670, "0683daacfdce23cf"), (7_706, "522454c6280eab95")),
    "addprim_turn_left": ((21_890, "e0c26b51b6bba265"), (1_208, "14dd6316d16204d2")),
    "around_right": ((15_225, "f2b91818e1216d5c"), (4_476, "8e1297eb61d98ff6")),
    "opposite_right": ((15_225, "152a78134665d1ec"), (4_476, "9f337575c283168a")),
    "right": ((15_225, "b2bb5aaafd620068"), (4_476, "666691ecf2889a4d")),
    "jump_around_right": ((18_528, "48179f66fd28dcea"), (1_173, "68ad864f20ede044")),
    "filler_num0": ((15_225, "f2b91818e1216d5c"), (1_173, "68ad864f20ede044")),
    "filler_num1": ((16_290, "506f659952c886b5"), (1_173, "68ad864f20ede044")),
    "filler_num2": ((17_391, "b1b2bcfa0e8430d0"), (1_173, "68ad864f20ede044")),
    "filler_num3": ((18_528, "48179f66fd28dcea"), (1_173, "68ad864f20ede044")),
}
FILES = {
    "length": "length_split__tasks_{}_length",
    **{s: f"add_prim_split__tasks_{{}}_{s}" for s in ("addprim_jump", "addprim_turn_left")},
    **{
        s: f"template_split__tasks_{{}}_template_{s}"
        for s in ("around_right", "opposite_right", "right", "jump_around_right")
    },
    **{f"filler_num{k}": f"filler_split__tasks_{{}}_filler_num{k}" for k in range(4)},
}


def data_file(name: str) -> Path:
    """A file of SUITE_DATA_DIR; skips the test where there is none."""
    root = os.environ.get("SUITE_DATA_DIR")
    if not root:
        pytest.skip("SUITE_DATA_DIR is not set")
    path = Path(root) / name
    if not path.exists():
        pytest.skip(f"{name} is not in SUITE_DATA_DIR")
    return path


def lines_of(part: tuple[str, ...]) -> list[str]:
    return sorted(f"IN: {x} OUT: {y}\n" for x, y in examples(part))


@pytest.mark.parametrize("name", PUBLISHED)
def test_split_has_the_published_lines(name: str) -> None:
    split = published(name)
    for part, (n, digest) in zip((split.train, split.test), PUBLISHED[name], strict=True):
        assert len(part) == n
        assert hashlib.sha256("".join(lines_of(part)).encode()).hexdigest().startswith(digest)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", ["train", "test"])
def test_split_equals_the_official_file(name: str, part: str) -> None:
    path = data_file(f"scan/{FILES[name].format(part)}.txt.gz")
    with gzip.open(path, "rt") as file:
        official = Counter(file)
    assert Counter(lines_of(getattr(published(name), part))) == official


@pytest.mark.parametrize("name", ["simple", *PUBLISHED])
def test_train_dev_and_test_share_no_line_but_repeated_primitives(name: str) -> None:
    whole = published(name)
    split = with_dev(whole)
    assert not set(split.test) & (set(split.train) | set(split.dev))
    assert set(split.dev) & set(split.train) <= {c for c, n in Counter(whole.train).items() if n > 1}


def test_bare_primitives_are_repeated_as_published() -> None:
    assert Counter(published("addprim_jump").train)["jump"] == 1_467
    assert len(set(published("addprim_jump").train)) == 13_204
    assert Counter(published("addprim_turn_left").train)["turn left"] == 2_189
    assert len(set(published("addprim_turn_left").train)) == 19_702


def test_1209_commands_with_turn_are_in_no_part_of_a_template_split() -> None:
    split = published("around_right")
    missing = set(commands()) - set(split.train) - set(split.test)
    assert len(missing) == 1_209
    assert all(has(c, "turn around right") for c in missing)


def test_simple_is_an_80_20_draw_that_only_the_seed_decides() -> None:
    split = published("simple", seed=3)
    assert (len(split.train), len(split.test)) == (16_728, 4_182)
    assert sorted(split.train + split.test) == sorted(commands())
    assert split == published("simple", seed=3)
    assert split != published("simple", seed=4)


def test_dev_is_640_lines_taken_out_of_train() -> None:
    whole = published("addprim_jump")
    split = with_dev(whole, seed=1)
    assert len(split.dev) == 640
    assert Counter(split.train) + Counter(split.dev) == Counter(whole.train)
    assert split.test == whole.test
    assert split == with_dev(whole, seed=1)
    assert set(split.dev) != set(with_dev(whole, seed=2).dev)


def test_a_published_dev_part_leaves_train_whole() -> None:
    split = Split(train=("walk", "run"), test=("jump",), dev=("look",))
    assert with_dev(split) == split


def test_sample_keeps_order_and_never_repeats() -> None:
    drawn = splits.sample(commands(), 500, seed=0)
    assert len(set(drawn)) == 500
    assert list(drawn) == [c for c in commands() if c in set(drawn)]
    assert splits.sample(("a", "b"), None, 0) == splits.sample(("a", "b"), 9, 0) == ("a", "b")


def test_words_are_matched_as_whole_tokens() -> None:
    assert has("turn left twice", "turn left")
    assert not has("turn left twice", "turn right")
    assert not has("jump around right", "around rig")


def test_examples_carry_the_meaning() -> None:
    assert examples(["walk left"]) == [Example("walk left", "I_TURN_LEFT I_WALK")]


def test_unknown_split_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no split 'jmp'; there are simple, length"):
        published("jmp")


@pytest.mark.parametrize(("name", "means"), [("mcd1", (12.47, 18.38)), ("mcd2", (12.42, 16.52))])
def test_mcd_has_the_published_sizes_and_mean_output_lengths(name: str, means: tuple[float, float]) -> None:
    data_file(f"scan/mcd/{name}.json")
    split = published(name, open_data=data_file)
    assert (len(split.train), len(split.dev), len(split.test)) == (8_365, 1_046, 1_045)
    assert len({*split.train, *split.dev, *split.test}) == 10_456
    for part, mean in zip((split.train, split.test), means, strict=True):
        assert sum(len(interpret(c).split()) for c in part) / len(part) == pytest.approx(mean, abs=0.005)


def mcd_folder(folder: Path, index: str, lines: list[str] | None = None) -> Path:
    """A data folder whose tasks.txt has the commands in reverse, and an mcd1.json of the given text."""
    (folder / "scan/mcd").mkdir(parents=True)
    (folder / "scan/mcd/mcd1.json").write_text(index)
    every = lines if lines is not None else list(reversed(commands()))
    text = "".join(f"IN: {c} OUT: I_X\n" for c in every)
    (folder / "scan/tasks.txt.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def test_mcd_indices_count_lines_of_the_published_file(tmp_path: Path) -> None:
    index = json.dumps({"trainIdxs": [0, 20_909], "devIdxs": [20_908], "testIdxs": [20_906]})
    folder = mcd_folder(tmp_path, index)
    split = published("mcd1", open_data=lambda name: folder / name)
    assert split.train == ("turn around right thrice after turn around right thrice", "walk")
    assert split.dev == ("walk twice",)
    assert split.test == ("walk left",)


def test_mcd_without_data_says_how_to_get_it() -> None:
    with pytest.raises(DataError, match=r"mcd3 needs scan/tasks.txt.gz .* `suite data get scan`"):
        published("mcd3")


@pytest.mark.parametrize("index", ["{", '{"trainIdxs": [0]}', '{"trainIdxs": [99999]}', "[]"])
def test_a_damaged_index_is_one_clear_error(tmp_path: Path, index: str) -> None:
    folder = mcd_folder(tmp_path, index)
    with pytest.raises(DataError, match=r"mcd1.json is no index of SCAN lines"):
        published("mcd1", open_data=lambda name: folder / name)


def test_a_foreign_tasks_file_is_one_clear_error(tmp_path: Path) -> None:
    folder = mcd_folder(tmp_path, "{}", lines=["walk"])
    with pytest.raises(DataError, match="does not hold the 20,910 commands"):
        published("mcd1", open_data=lambda name: folder / name)


def test_a_truncated_tasks_file_is_one_clear_error(tmp_path: Path) -> None:
    folder = mcd_folder(tmp_path, "{}")
    path = folder / "scan/tasks.txt.gz"
    path.write_bytes(path.read_bytes()[:2_000])
    with pytest.raises(DataError, match=r"tasks.txt.gz cannot be read"):
        published("mcd1", open_data=lambda name: folder / name)
