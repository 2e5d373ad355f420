"""The registered data sets: complete, honest about what nobody checked, and equal to the files at hand."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

from suite.data import fingerprint
from suite.data.entries import ENTRIES
from suite.data.hub import parts
from suite.data.readers import READERS
from suite.data.registry import Entry, File

PAPERS = {
    *("compsub", "compmctg", "cldyb", "vit-editing", "copra"),
    *("cream", "duquant", "iv", "lumos", "mt-editing"),
}
MODELS = {"resnet_cifar10", "stories260k-llama"}
SHA256 = re.compile(r"[0-9a-f]{64}")
FILES = [
    pytest.param(entry, file, id=f"{entry.name}/{file.name}") for entry in ENTRIES for file in entry.files
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_is_complete(entry: Entry) -> None:
    assert re.fullmatch(r"[a-z0-9_-]+", entry.name)
    assert entry.files and len({file.name for file in entry.files}) == len(entry.files)
    for said in (entry.summary, entry.licence, entry.citation, entry.reading):
        assert said.strip() == said != ""
    assert entry.source.startswith("https://") or all(file.origin for file in entry.files)
    assert set(entry.papers) <= PAPERS and entry.papers
    assert re.search(r"\b(19|20)\d\d\b", entry.citation)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_what_nobody_checked_promises_neither_revision_nor_checksum(entry: Entry) -> None:
    if not entry.checked:
        assert entry.revision == "" and "not looked up" in entry.licence
        assert all(file.sha256 is None and file.rows is None for file in entry.files)
    if entry.from_hub:
        assert not entry.checked and entry.hub.count("/") == 1
        assert entry.source == f"https://huggingface.co/datasets/{entry.hub}"


@pytest.mark.parametrize(("entry", "file"), FILES)
def test_a_file_can_be_had_in_some_way_and_read(entry: Entry, file: File) -> None:
    assert file.format in READERS
    assert (file.sha256 is None) == (file.bytes is None)
    assert file.sha256 is None or SHA256.fullmatch(file.sha256)
    if entry.from_hub:
        assert not file.address and file.name.endswith(".parquet") and parts(entry, file)[1]
    elif file.address:
        assert file.address.startswith("https://") and not entry.from_hub
    else:
        assert entry.derived or entry.source


def test_every_address_is_pinned_to_a_commit_but_that_of_a_checked_archive() -> None:
    for entry in ENTRIES:
        for file in entry.files:
            if file.address and not file.member:
                commit = re.match(
                    r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/([0-9a-f]{40})/", file.address
                )
                assert commit, file.address
                assert commit[1] == entry.revision or commit[1] in file.origin or "wikitext" in file.name


def test_names_are_unique_and_every_paper_has_its_data() -> None:
    assert [name for name, n in Counter(entry.name for entry in ENTRIES).items() if n > 1] == []
    assert {paper for entry in ENTRIES for paper in entry.papers} == PAPERS


def documented(entry: Entry) -> str:
    """The line of docs/data.md about this entry."""
    had = [entry.from_hub, all(file.address for file in entry.files), not any(f.address for f in entry.files)]
    way = ("hub", "address", "by hand")[had.index(True)] if any(had) else "address, by hand"
    size = "" if entry.bytes is None else f"{entry.bytes:,}"
    checked = "yes" if entry.checked else "no"
    cells = [
        f"`{entry.name}`",
        entry.summary,
        str(len(entry.files)),
        size,
        way,
        checked,
        ", ".join(entry.papers),
    ]
    return f"| {' | '.join(cells)} |"


def test_the_table_in_the_documentation_is_that_of_the_registry() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "data.md"
    lines = page.read_text().partition("## The data sets\n")[2].strip().splitlines()
    assert lines[0] == "| data | what | files | bytes | from | checked | papers |"
    assert lines[2:] == [documented(entry) for entry in ENTRIES]


def test_the_fingerprints_of_published_results_have_not_changed() -> None:
    assert (
        fingerprint(("scan/tasks.txt.gz", "scan/mcd/mcd1.json"))
        == "f42166f6576391fce1808fb1bd92bcf04bf2dde36037fd209722e48527d4b371"
    )
    assert (
        fingerprint(("scan/tasks.txt.gz", "scan/mcd/mcd2.json"))
        == "b280a75aa5a9db799d0e067241c8140d28a30c45ae1d4c75a7898e39b22cc8a6"
    )


def test_the_fingerprint_of_scan_has_not_changed(folders) -> None:
    assert fingerprint(["scan"]) == "7b38a8a6df7d37b09188d653848fabf5c888ca2cbc506135882f8f3fc872cf9d"


def test_a_name_that_leads_out_of_the_folder_is_no_file() -> None:
    for name in ("../a", "/a", "b/../../a", "b\\a"):
        with pytest.raises(ValueError, match="leads out of the folder"):
            File(name, None, None)


def test_all_data_files_at_hand_are_registered(real_data: Path) -> None:
    folders = {path.name for path in real_data.iterdir() if path.is_dir()} - MODELS
    registered = {f"{entry.name}/{file.name}" for entry in ENTRIES for file in entry.files}
    found = {
        str(path.relative_to(real_data))
        for folder in folders
        for path in (real_data / folder).rglob("*")
        if path.is_file() and path.name != "SOURCE.md"
    }
    assert found <= registered
    known = {f"{entry.name}/{file.name}" for entry in ENTRIES for file in entry.files if file.sha256}
    assert known == found


def rows_of(file: File, content: bytes) -> int:
    """Rows counted without the suite's readers."""
    if file.name.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        return int(pq.ParquetFile(pa.BufferReader(content)).metadata.num_rows)
    if ".json" in file.name and ".jsonl" not in file.name:
        import json

        value = json.loads(content)
        return len(value) if isinstance(value, list) else 1
    return content.count(b"\n") + (not content.endswith(b"\n"))


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.checked], ids=lambda entry: entry.name)
def test_files_at_hand_have_the_registered_content_size_and_rows(entry: Entry, real_data: Path) -> None:
    for file in entry.files:
        if file.sha256 is None:
            continue
        raw = (real_data / entry.name / file.name).read_bytes()
        content = gzip.decompress(raw) if file.name.endswith(".gz") else raw
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256), file.name
        assert file.rows in (None, rows_of(file, content)), file.name
        assert file.rows is not None or file.name.endswith(".md")


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.checked], ids=lambda entry: entry.name)
def test_rows_are_those_that_the_source_page_gives(entry: Entry, real_data: Path) -> None:
    page = (real_data / entry.name / "SOURCE.md").read_text()
    given = {name: int(rows) for name, rows in re.findall(r"^\| (\S+) \| (\d+) \|", page, re.MULTILINE)}
    registered = {file.name: file.rows for file in entry.files}
    assert given and given == {name: registered[name] for name in given}


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.checked], ids=lambda entry: entry.name)
def test_commits_and_hub_ids_are_those_of_the_source_page(entry: Entry, real_data: Path) -> None:
    page = (real_data / entry.name / "SOURCE.md").read_text()
    said = " ".join([entry.source, entry.revision, *(f"{f.origin} {f.address}" for f in entry.files)])
    for commit in set(re.findall(r"\b[0-9a-f]{40}\b", said)):
        assert commit in page, commit
    assert entry.hub in page


def prompts(name: str, *fields: str) -> dict[str, set[tuple[str, ...]]]:
    """The distinct rows of each split of a JSON-lines file, by these fields."""
    from suite.data import read

    found: dict[str, set[tuple[str, ...]]] = {}
    for row in read(name).to_pylist():
        found.setdefault(row["split"], set()).add(tuple(str(row[field]) for field in fields))
    return found


def test_rows_that_splits_share_are_as_the_entries_say(real_data: Path) -> None:
    superni = prompts("superni/superni.jsonl.gz", "task", "input", "output")
    assert superni["dev"] == superni["test"] and not superni["train"] & superni["test"]
    long = prompts("superni/long_sequence.jsonl.gz", "task", "input")
    assert not long["train"] & long["test"]
    trace = prompts("trace/trace500.jsonl.gz", "task", "prompt")
    assert Counter(task for task, _ in trace["eval"] & trace["test"]) == {"Lima": 300, "FOMC": 16}
    assert Counter(task for task, _ in trace["train"] & trace["test"]) == {
        "NumGLUE-ds": 6,
        "Py150": 3,
        "FOMC": 1,
    }


def test_multi30k_lines_go_together(real_data: Path) -> None:
    """The same caption in two languages: the numbers of lines, and a pair known by its meaning."""
    from suite.data import read

    english, german = (read(f"mt/multi30k_val.{code}.gz")["text"].to_pylist() for code in ("en", "de"))
    assert len(english) == len(german) == 1014
    assert (english[0], german[0]) == (
        "A group of men are loading cotton onto a truck",
        "Eine Gruppe von Männern lädt Baumwolle auf einen Lastwagen",
    )
