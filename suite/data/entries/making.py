"""Entries of the paper profile: what the hub gives, and what everybody has to fetch by hand."""

from __future__ import annotations

from suite.data.registry import Entry, File

NOT_LOOKED_UP = "not looked up; see its home"
SPLITS_READING = "One parquet file a split, columns as the hub gives them."
IMAGES_READING = "Parquet: image holds the encoded JPEG or PNG bytes, label its class."


def from_hub(
    name: str,
    summary: str,
    hub: str,
    splits: str,
    citation: str,
    papers: str,
    *,
    config: str = "",
    hub_files: str = "",
    reading: str = SPLITS_READING,
) -> Entry:
    """A set loaded by its hub id: `splits` are words, 'split' of `config` or 'config/split'.

    No revision is pinned and no checksum known: `suite data get` writes each split into the cache, and what
    is found there identifies it.
    """
    return Entry(
        name=name,
        summary=summary,
        files=tuple(File(f"{split}.parquet", None, None) for split in splits.split()),
        licence=NOT_LOOKED_UP,
        citation=citation,
        source=f"https://huggingface.co/datasets/{hub}",
        revision="",
        reading=reading,
        hub=hub,
        papers=tuple(papers.split()),
        from_hub=True,
        config=config,
        hub_files=hub_files,
        checked=False,
    )


def by_hand(
    name: str,
    summary: str,
    source: str,
    files: str,
    derived: str,
    citation: str,
    papers: str,
    *,
    reading: str = IMAGES_READING,
) -> Entry:
    """A set that no hub id or plain address gives: `files` are words, `derived` says how to make them."""
    return Entry(
        name=name,
        summary=summary,
        files=tuple(File(file, None, None) for file in files.split()),
        licence=NOT_LOOKED_UP,
        citation=citation,
        source=source,
        revision="",
        reading=reading,
        derived=derived,
        papers=tuple(papers.split()),
        checked=False,
    )
