"""The page about statistics: its worked example is what the code says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from suite import stats

PAGE = (Path(__file__).parents[3] / "docs" / "statistics.md").read_text(encoding="utf-8")
A, B = {0: 0.70, 1: 0.74, 2: 0.72}, {0: 0.60, 1: 0.66, 2: 0.69}


def test_the_worked_example_has_the_numbers_of_the_code() -> None:
    a, b = stats.mean_interval(list(A.values())), stats.mean_interval(list(B.values()))
    assert (a, b) == (pytest.approx((0.670, 0.770), abs=5e-4), pytest.approx((0.536, 0.764), abs=5e-4))
    assert stats.ranks([list(A.values()), list(B.values())], True) == [(1, 2), (1, 2)]
    made = stats.paired_seeds(A, B)
    assert made is not None
    assert made.interval == pytest.approx((-0.020, 0.160), abs=5e-4)
    assert (made.difference, made.effect, made.p) == pytest.approx((0.07, 1.94, 0.25), abs=5e-3)
    sd = math.sqrt((0.02**2 + 0.0458**2) / 2)
    assert stats.seeds_needed(0.07, sd) == 6
    assert stats.detectable_difference(sd, 3) == pytest.approx(0.109, abs=5e-4)
    shown = ("0.670 to 0.770", "0.536 to 0.764", "rank 1-2", "-0.020 to 0.160", "= 1.94", "p = 0.25", "0.109")
    assert all(text in PAGE for text in (*shown, "by 6 seeds"))


def test_every_function_of_the_page_is_there_and_every_public_one_is_on_it() -> None:
    helpers = {
        "t_cdf",
        "t_quantile",
        "BCA_FROM",
        "bca_interval",
        "mean_interval",
        "bootstrap_interval",
        "beats",
    }
    functions = {name for name in stats.__all__ if not name[0].isupper()} - helpers
    assert {name for name in functions if f"`{name}`" not in PAGE} == set()
