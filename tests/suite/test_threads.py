"""Threads: one unless somebody asks for more, and put back after a block."""

from __future__ import annotations

import os

import pytest
import torch

from suite import threads


def test_a_process_gets_the_number_in_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(threads.WAIT_POLICY, raising=False)
    given = threads.variables(3)
    assert {given[name] for name in threads.VARIABLES} == {"3"}
    assert given[threads.WAIT_POLICY] == "PASSIVE"


def test_the_users_own_wait_policy_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.WAIT_POLICY, "ACTIVE")
    assert threads.variables(1)[threads.WAIT_POLICY] == "ACTIVE"


def test_no_process_has_no_thread() -> None:
    with pytest.raises(ValueError, match="at least one thread, not 0"):
        threads.variables(0)


@pytest.mark.parametrize(("asked", "given"), [("", 1), ("2", 2), ("many", 1), ("0", 1)])
def test_one_thread_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, asked: str, given: int
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with threads.limited(torch.get_num_threads()):
        assert threads.settle({"OMP_NUM_THREADS": asked}) == given
        assert torch.get_num_threads() == given
        assert os.environ["MKL_NUM_THREADS"] == str(given)


def test_a_block_puts_the_old_number_back_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), threads.limited(before + 1):
        assert torch.get_num_threads() == before + 1
        raise RuntimeError
    assert torch.get_num_threads() == before


def test_cores_are_those_this_process_may_use() -> None:
    assert threads.cores() == len(os.sched_getaffinity(0))
