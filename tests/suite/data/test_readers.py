"""Tables and data sets read from files: values against hand-written ones, refusals in one line."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from suite.data import dataset, read, readers
from suite.data.registry import File
from suite.errors import DataError


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_lines_end_at_line_feeds_alone(tmp_path: Path) -> None:
    path = put(tmp_path / "a.txt.gz", "one\n\u2028two\r\n\x0bthree\n\nlast".encode())
    assert readers.lines(path)["text"].to_pylist() == ["one", "\u2028two\r", "\x0bthree", "", "last"]
    assert readers.lines(put(tmp_path / "empty.txt", b"")).num_rows == 0
    assert readers.lines(put(tmp_path / "end.txt", b"a\n"))["text"].to_pylist() == ["a"]


def test_tsv_keeps_quotes_and_takes_registered_names(tmp_path: Path) -> None:
    path = put(tmp_path / "a.tsv.gz", b'say "a\t* b\nc\t\n')
    assert readers.tsv(path, ("x", "y")).to_pylist() == [{"x": 'say "a', "y": "* b"}, {"x": "c", "y": ""}]
    assert readers.tsv(path).column_names == ["c0", "c1"]


def test_tsv_with_a_short_line_names_it(tmp_path: Path) -> None:
    path = put(tmp_path / "a.tsv", b"a\tb\nc\n")
    with pytest.raises(DataError, match=r"a.tsv, line 2: 1 fields where 2 are expected"):
        readers.tsv(path)


def test_jsonl_gives_null_for_what_an_object_lacks(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl.gz", b'{"a": 1, "b": "x"}\n\n{"b": "y", "c": [1.5]}\n')
    table = readers.jsonl(path)
    assert table.column_names == ["a", "b", "c"]
    assert table.to_pylist() == [{"a": 1, "b": "x", "c": None}, {"a": None, "b": "y", "c": [1.5]}]


def test_a_string_among_lists_becomes_a_list_of_one(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", b'{"o": "x"}\n{"o": ["y", "z"]}\n{"o": null}\n')
    assert readers.jsonl(path)["o"].to_pylist() == [["x"], ["y", "z"], None]


def test_json_is_a_list_of_rows_or_one(tmp_path: Path) -> None:
    assert readers.json_(put(tmp_path / "l.json", b'[{"a": 1}, {"a": 2}]'))["a"].to_pylist() == [1, 2]
    assert readers.json_(put(tmp_path / "o.json.gz", b'{"a": [3, 4]}')).to_pylist() == [{"a": [3, 4]}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "a.jsonl, line 2: no JSON"),
        ("a.jsonl", b"[1]\n", "line 1: a JSON object is expected, not list"),
        ("a.jsonl", b'{"a": 1}\n{"a": "x"}\n', "the values of 'a' make no column"),
        ("a.jsonl", b'{"a": ' + b"1" * 30 + b"}\n", "the values of 'a' make no column"),
        ("a.json", b"[" * 100_000, "no JSON"),
        ("a.json", b"[1, 2]", "item 1: a JSON object is expected, not int"),
        ("a.jsonl", b"\xff\xfe", "is no UTF-8 text"),
        ("a.jsonl", pickle.dumps({"a": 1}), "is no UTF-8 text"),
    ],
)
def test_what_is_not_what_its_name_says_is_one_data_error(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = put(tmp_path / name, content)
    with pytest.raises(DataError, match=message) as caught:
        (readers.json_ if name.endswith(".json") else readers.jsonl)(path)
    assert "\n" not in str(caught.value)


def test_a_cut_gzip_file_and_one_that_expands_are_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "a.txt.gz", b"0" * 100_000)
    with pytest.raises(DataError, match="holds more than 99,999 bytes"):
        readers.content(path, max_bytes=99_999)
    assert readers.content(path, max_bytes=100_000) == b"0" * 100_000
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match="cannot be read"):
        readers.lines(path)


def registered(register, folder: Path, name: str, content: bytes, **more: object) -> File:
    """Register a file of this content and put it at hand."""
    file = File(name, hashlib.sha256(content).hexdigest(), len(content), **more)  # type: ignore[arg-type]
    register(file)
    put(folder / "small" / name, content)
    return file


def test_read_takes_the_reader_from_the_name_or_the_registry(folders, register) -> None:
    registered(register, folders[0], "rows.jsonl.gz", b'{"a": 1}\n', rows=1)
    assert read("small/rows.jsonl.gz").to_pylist() == read("small").to_pylist() == [{"a": 1}]
    registered(register, folders[0], "captions.en.gz", b"a\nb\n", reader="lines")
    assert read("small").to_pylist() == [{"text": "a"}, {"text": "b"}]
    registered(register, folders[0], "rows.tsv", b"a\tb\n", columns=("x", "y"))
    assert read("small").to_pylist() == [{"x": "a", "y": "b"}]


def test_read_refuses_another_number_of_rows(folders, register) -> None:
    registered(register, folders[0], "a.txt", b"a\nb\n", rows=3)
    with pytest.raises(DataError, match="has 2 rows where 3 are registered"):
        read("small/a.txt")


def test_read_names_the_readers_and_the_files_to_choose_from(folders, register) -> None:
    registered(register, folders[0], "a.pkl", pickle.dumps(1))
    with pytest.raises(DataError, match=r"nothing reads '.pkl' files; the readers are lines, txt, tsv"):
        read("small/a.pkl")
    register(File("a.txt", None, None), File("b.txt", None, None))
    with pytest.raises(DataError, match=r"'small' has 2 files; name one, as `suite data list small`"):
        read("small")


class Trap:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("known", [True, False])
def test_a_swapped_or_renamed_file_is_refused_before_it_is_parsed(
    folders, register, tmp_path: Path, known: bool
) -> None:
    evil = pickle.dumps(Trap(tmp_path / "sprung"))
    register(File("a.parquet", "0" * 64 if known else None, 10_000 if known else None))
    put(folders[0] / "small" / "a.parquet", evil)
    with pytest.raises(DataError, match="another checksum" if known else "no readable parquet file"):
        read("small/a.parquet")
    with pytest.raises(DataError):
        dataset("small/a.parquet")
    assert not (tmp_path / "sprung").exists()


def test_a_registered_file_that_expands_is_read_no_further_than_its_size(folders, register) -> None:
    register(File("a.txt.gz", "0" * 64, 1000))
    put(folders[0] / "small" / "a.txt.gz", bytes(5_000_000))
    with pytest.raises(DataError, match="it holds more bytes"):
        read("small/a.txt.gz")


def png(rows: list[list[tuple[int, int, int]]]) -> bytes:
    import numpy as np
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.array(rows, dtype=np.uint8)).save(out, format="PNG")
    return out.getvalue()


COLOURS = [[(255, 0, 0), (0, 255, 0)], [(0, 0, 255), (7, 8, 9)]]


def images(kind: str) -> bytes:
    """A parquet file of two images, the second one broken, and a label."""
    values: list[object] = [png(COLOURS), b"GIF89a"]
    if kind == "struct":
        values = [{"bytes": value, "path": "/etc/passwd"} for value in values]
    out = io.BytesIO()
    pq.write_table(pa.table({"image": values, "label": [3, 4]}), out)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["binary", "struct"])
def test_images_are_decoded_when_they_are_looked_at(folders, register, kind: str) -> None:
    import numpy as np

    registered(register, folders[0], "pool.parquet", images(kind), rows=2)
    found = dataset("small/pool.parquet")
    assert found["label"][:] == [3, 4]  # the broken one is not looked at
    assert np.asarray(found[0]["image"]).tolist() == [[list(c) for c in row] for row in COLOURS]
    with pytest.raises(DataError, match="neither JPEG nor PNG"):
        found[1]


def test_a_path_in_a_row_is_never_opened(folders, register) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"image": [{"bytes": None, "path": "/etc/passwd"}]}, image_schema()), out)
    registered(register, folders[0], "pool.parquet", out.getvalue())
    with pytest.raises(DataError, match="holds no bytes"):
        dataset("small")[0]


def image_schema() -> pa.Schema:
    return pa.schema({"image": pa.struct({"bytes": pa.binary(), "path": pa.string()})})


def test_a_data_set_leaves_nothing_in_the_folders_of_the_library(
    folders, register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "library")
    registered(register, folders[0], "a.txt", b"a\nb\n")
    before = sorted(folders[0].rglob("*"))
    assert dataset("small").to_dict() == {"text": ["a", "b"]}
    assert not (tmp_path / "library").exists()
    assert not folders[1].exists() and sorted(folders[0].rglob("*")) == before


def test_a_parquet_file_too_large_for_memory_is_mapped_from_the_suites_cache(
    folders, register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "library")
    registered(register, folders[0], "pool.parquet", images("binary"), rows=2)
    monkeypatch.setattr(readers, "IN_MEMORY_BYTES", 100)
    found = dataset("small")
    assert found["label"][:] == [3, 4] and len(found.cache_files) == 1
    assert Path(found.cache_files[0]["filename"]).is_relative_to(folders[1] / "arrow")
    assert not (tmp_path / "library").exists()


def test_real_rows_are_those_that_another_reader_finds(real_data: Path) -> None:
    found = read("gsm8k/test.jsonl.gz").to_pylist()
    lines = gzip.decompress((real_data / "gsm8k" / "test.jsonl.gz").read_bytes()).splitlines()
    assert found == [json.loads(line) for line in lines] and len(found) == 1319


def test_real_images_decode_to_what_pillow_decodes(real_data: Path) -> None:
    import numpy as np
    from PIL import Image

    path = real_data / "images" / "mnist.parquet"
    encoded = pq.read_table(path, columns=["image"])["image"][0].as_py()
    expected = np.asarray(Image.open(io.BytesIO(encoded)))
    found = dataset("images/mnist.parquet")
    assert len(found) == 4000 and expected.shape == (28, 28)
    assert np.array_equal(np.asarray(found[0]["image"]), expected)
