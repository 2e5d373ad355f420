"""Where the marks of the charts lie, worked out by hand."""

from __future__ import annotations

import math
import re

import pytest

from leaderboard import charts, pareto
from leaderboard.charts import Axis, Place
from leaderboard.pareto import Point
from suite.stats import Interval


def test_a_charts_marks_lie_where_the_values_say() -> None:
    """200 px with 6 at each edge: 0.5 of 0 to 1 lies at 100, 0.2 at 43.6; beyond the axis is at its edge."""
    chart = charts.strip([0.2], 0.5, Interval(-0.3, 0.8), Axis(0, 1), 'a"b<')
    assert 'class="seed" d="M43.6 12h0"' in chart and 'd="M100.0 4v16"' in chart
    assert '<rect class="ci" x="6.0" y="7" width="150.4"' in chart
    assert 'aria-label="a&#34;b&lt;"' in chart


def test_floors_and_ceilings_stand_behind_every_row_once() -> None:
    style = charts.backdrop({"floor": [0.25, 0.25], "ceiling": [1.0]}, Axis(0, 1))
    assert re.findall(r"var\(--(\w+)\)\) ([\d.]+)px", style) == [
        ("floor", "52.25"),
        ("ceiling", "193.25"),
        ("line", "6"),
    ]


def test_the_front_chart_has_the_field_once_a_pixel_and_the_leader_with_its_interval() -> None:
    chart = charts.span({"ceiling": [1.0]}, [0.5, 0.5001], (0.75, Interval(0.7, 0.8)), Axis(0, 1), "x")
    assert 'class="other" d="M100 9v6"' in chart
    assert 'class="leader" cx="147.0"' in chart and 'x="137.6" y="7" width="18.8"' in chart
    assert '<path class="ceiling" d="M194.0 2v20"/>' in chart


def test_a_claims_chart_has_zero_the_margin_and_the_difference() -> None:
    chart = charts.difference(0.5, Interval(0.25, 0.75), 0.2, "not run", Axis(-1, 1, 140.0), "x")
    assert 'class="zero" d="M70.0' in chart and 'class="margin" d="M82.8' in chart
    assert 'class="whisker not-run" d="M86.0 12H118.0"' in chart and 'cx="102.0"' in chart


def test_an_axis_spans_its_values_unless_they_are_fractions() -> None:
    assert charts.axis([0.4, 0.5], "fraction")[:2] == (0, 1)
    assert charts.axis([10.0, 20.0], "nats")[:2] == pytest.approx((9.2, 20.8))
    assert charts.axis([5.0], "nats")[:2] == pytest.approx((4.5, 5.5))
    assert charts.axis([0.0], "nats")[:2] == (-1, 1)
    perplexities = charts.axis([10.0, 1000.0], "perplexity")
    assert perplexities[:2] == pytest.approx((10 / 100**0.08, 1000 * 100**0.08))
    assert perplexities.x(100.0) == pytest.approx((perplexities.x(10.0) + perplexities.x(1000.0)) / 2)
    assert charts.axis([1.0], "perplexity")[:2] == pytest.approx((1, 1.1))
    assert not charts.axis([0.5, 2.0], "perplexity").log
    assert all(math.isfinite(charts.axis([-1e308, 1e308], "nats").x(v)) for v in (-1e308, 0.0, 1e308))


def test_of_many_seeds_the_ends_and_evenly_many_between_are_drawn() -> None:
    chart = charts.strip([i / 100 for i in range(101)], 0.5, None, Axis(0, 1), "x")
    drawn = [float(x) for x in re.findall(r"M([0-9.]+) 12h0", chart)]
    assert len(drawn) == 40 and drawn[0] == 6.0 and drawn[-1] == 194.0


def test_mean_ranks_are_drawn_by_row_with_brackets() -> None:
    places = [Place("best", 1.0, Interval(1.0, 2.0)), Place("<b>" + "x" * 99, 2.0, None)]
    chart = charts.mean_ranks(places, [(0, 1)], "two")
    assert [float(x) for x in re.findall(r'class="leader" cx="([0-9.]+)"', chart)] == [202.0, 598.0]
    assert 'class="group" d="M660 35V73"' in chart
    assert "&lt;b&gt;xxx" in chart and "…" in chart and "x" * 40 not in chart


def test_the_cost_plot_joins_what_nothing_beats() -> None:
    """Costs 1, 10 and 100 lie equally far apart; the dear bad one is off the front."""
    points = [Point("cheap", 1.0, 0.25), Point("good", 10.0, 0.75), Point("bad", 100.0, 0.5)]
    chart = pareto.plot([*points, Point("top", 1.0, 1.0, "ceiling")], True, "fraction", "seconds", "label")
    at = {
        name: (float(x), float(y))
        for x, y, name in re.findall(r'cx="([0-9.]+)" cy="([0-9.]+)" r="5"><title>(\w+):', chart)
    }
    assert at["good"][0] - at["cheap"][0] == pytest.approx(at["bad"][0] - at["good"][0], abs=0.2)
    assert at["cheap"][1] - at["bad"][1] == pytest.approx(at["bad"][1] - at["good"][1], abs=0.2)
    (x0, y0), (x1, y1) = at["cheap"], at["good"]
    assert f'class="front" d="M{x0:.1f} {y0:.1f}H{x1:.1f}V{y1:.1f}H620"' in chart
    assert len(re.findall(r'class="point best"', chart)) == 2 and 'class="point ceiling"' in chart


def test_the_cost_plot_has_perplexities_on_a_log_scale() -> None:
    """8, 80 and 800 lie equally far apart: two decades and 8 % at each end fill 268 px, 16 to 284."""
    points = [Point("low", 1.0, 8.0), Point("mid", 10.0, 80.0), Point("high", 100.0, 800.0)]
    chart = pareto.plot(points, False, "perplexity", "seconds", "label")
    at = {name: float(y) for y, name in re.findall(r'cy="([0-9.]+)" r="5"><title>(\w+):', chart)}
    step = 268 / 2.32
    assert at == pytest.approx(
        {"low": 284 - 0.16 * step, "mid": 284 - 1.16 * step, "high": 16 + 0.16 * step}, abs=0.1
    )
    # Ticks a quarter of 2.32 decades apart, from 8 / 10 ** 0.16.
    ticks = [float(t) for t in re.findall(r'text-anchor="end">([0-9.]+)</text>', chart)]
    assert ticks == pytest.approx([5.535, 21.04, 80, 304.2, 1156], rel=1e-3)


def test_names_on_the_cost_plot_never_cover_each_other() -> None:
    points = [Point(f"method-{i}", 1.0 + i / 100, 0.5 + i / 1000) for i in range(40)]
    chart = pareto.plot(points, True, "fraction", "seconds", "label")
    labels = re.findall(r'<text class="name" x="([0-9.]+)" y="([0-9.]+)" text-anchor="start">([^<]+)', chart)
    boxes = [(float(x), float(y), float(x) + 7 * len(t)) for x, y, t in labels]
    for i, (x, y, end) in enumerate(boxes):
        for other, height, other_end in boxes[:i]:
            assert abs(y - height) >= 15 or end <= other or other_end <= x


def boxes(chart: str) -> dict[str, tuple[float, float, float, float]]:
    """Left, top, right and bottom of every name, at 7 px a character and 15 px a line."""
    found = {}
    for x, y, anchor, text in re.findall(
        r'<text class="name" x="(.+?)" y="(.+?)" text-anchor="(.+?)">(.+?)<', chart
    ):
        left = float(x) - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * 7 * len(text)
        found[text] = (left, float(y) - 11, left + 7 * len(text), float(y) + 4)
    return found


def test_methods_that_lie_close_together_are_all_named_and_no_name_covers_another() -> None:
    """The crowded corner of a real table: three near 21 seconds and 90 %, three more below."""
    points = [
        *(Point("compsub", 21.25, 0.917), Point("lexsym", 21.92, 0.905), Point("geca", 21.24, 0.902)),
        *(Point("lexlearn", 18.89, 0.095), Point("prim2primx", 21.26, 0.054), Point("lstm", 18.43, 0.014)),
        *(Point("lcs", 67.0, 0.933), Point("compsub-lcs", 103.2, 0.948), Point("met", 34.4, 0.027)),
    ]
    found = boxes(pareto.plot(points, True, "fraction", "seconds", "label"))
    assert set(found) == {p.label for p in points}
    placed = list(found.values())
    for i, a in enumerate(placed):
        for b in placed[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_the_cost_axis_fits_the_competitors_and_others_stand_at_its_edge() -> None:
    """10 to 1000 is two decades, with a fifth of one more at each end: 62 to 620 px hold 2.4 decades."""
    points = [Point("a", 10.0, 0.5), Point("b", 1000.0, 0.9)]
    aside = [Point("cheap", 1e-6, 1.0, "ceiling"), Point("dear", 1e9, 0.0, "floor")]
    chart = pareto.plot([*points, *aside], True, "fraction", "seconds", "label")
    at = dict(re.findall(r'cx="([0-9.]+)" cy="[0-9.]+" r="5"><title>(.+?): [0-9.]+', chart))
    assert {name: float(x) for x, name in at.items()} == {
        "a": 108.5,
        "b": 573.5,
        "cheap": 62.0,
        "dear": 620.0,
    }
    assert "cheap: 100.0, costs less than the axis shows" in chart
    assert "dear: 0.0, costs more than the axis shows" in chart and "b: 90.0<" in chart


def test_a_cost_plot_of_huge_and_equal_numbers_has_finite_places() -> None:
    for scores in ((1e308, -1e308), (5.0, 5.0)):
        chart = pareto.plot(
            [Point("a", 1e-9, scores[0]), Point("b", 1e12, scores[1])], False, "nats", "seconds", "label"
        )
        assert "nan" not in chart and "inf" not in chart
