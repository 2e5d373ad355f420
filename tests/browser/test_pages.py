"""The pages in a real browser, opened from disk."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leaderboard import bundle

AXE = Path(bundle.__file__).parent / "web" / "node_modules" / "axe-core" / "axe.min.js"
COMPARE = "compare/toy.html?profile=small&a=toy-slow&b=toy-bad"
DARK = {"color_scheme": "dark"}
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2}
Watch = Callable[..., Any]


def kinds(folder: Path) -> list[str]:
    """One page of every kind that the site has."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.html")):
        name = path.relative_to(folder).as_posix()
        parts = name.split("/")
        found.setdefault(name if len(parts) == 1 else f"{parts[0]}{len(parts)}", name)
    return sorted(found.values())


def column(tab: Any, heading: str) -> list[str]:
    """The shown texts of a column of the first table of results."""
    texts: list[str] = tab.evaluate(
        """(heading) => {
            const table = document.querySelector("table[data-table]");
            const text = (cell) => cell.textContent.trim();
            const at = [...table.tHead.rows[0].cells].findIndex((cell) => text(cell).startsWith(heading));
            return [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => text(row.cells[at]));
        }""",
        heading,
    )
    return texts


def test_a_heading_sorts_both_ways_and_the_address_keeps_it(toy_site: Path, watch: Watch) -> None:
    tab = watch(toy_site).open("task/toy.html")
    names = column(tab, "Method")
    head = tab.locator("table[data-table] thead th", has_text="Time").first
    head.locator("button").click()
    slow_first = column(tab, "Method")
    assert head.get_attribute("aria-sort") == "descending" and slow_first[0].startswith("toy-slow")
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(tab, "Method")[0].startswith("toy-bad") and sorted(column(tab, "Method")) == sorted(names)
    kept = column(tab, "Method")
    assert "sort" in tab.url
    tab.reload()
    assert column(tab, "Method") == kept


def test_the_address_that_the_guide_gives_filters_and_sorts(toy_site: Path, watch: Watch) -> None:
    guide = (Path(bundle.__file__).parents[1] / "docs" / "leaderboard.md").read_text(encoding="utf-8")
    assert "`?q=lstm&sort=-2`" in guide and "(`smoke.sort`)" in guide
    tab = watch(toy_site).open("task/toy.html?q=toy-&sort=-2")
    assert column(tab, "Method")[0].startswith("toy-good")
    scores = [float(text.split()[0][:4]) for text in column(tab, "accuracy") if text[0].isdigit()]
    assert scores == sorted(scores, reverse=True) and len(scores) == 5
    tab = watch(toy_site).open("task/toy.html?q=slow&sort=2")
    assert [name[:8] for name in column(tab, "Method")] == ["toy-slow"]


def test_a_missing_value_stays_last_whichever_way_it_is_sorted(toy_site: Path, watch: Watch) -> None:
    tab = watch(toy_site).open("task/toy.html")
    for _ in range(2):
        tab.locator("table[data-table] thead th", has_text="Time").first.locator("button").click()
        assert column(tab, "Method")[-1].startswith("toy-coin")


def test_a_filter_counts_what_it_shows_and_survives_a_reload(toy_site: Path, watch: Watch) -> None:
    tab = watch(toy_site).open("task/toy.html")
    everything = len(column(tab, "Method"))
    field = tab.locator("form.tools input[name=q]").first
    field.fill("slow")
    assert [name.split()[0] for name in column(tab, "Method")] == ["toy-slow"]
    assert re.search(rf"1 of {everything}", tab.locator("form.tools .count").first.inner_text())
    tab.reload()
    assert [name.split()[0] for name in column(tab, "Method")] == ["toy-slow"]
    tab.locator("form.tools input[name=q]").first.fill("")
    assert len(column(tab, "Method")) == everything


def test_search_finds_methods_and_leads_to_their_page(toy_site: Path, watch: Watch) -> None:
    tab = watch(toy_site).open("index.html")
    tab.locator("input[type=search]").first.fill("toy-slow")
    link = tab.locator(".hits a").first
    link.wait_for()
    assert "toy-slow" in link.inner_text()
    link.click()
    assert "toy-slow" in tab.locator("h1").inner_text()


def test_dark_and_light_have_their_own_colours_and_the_button_changes_them(
    toy_site: Path, watch: Watch
) -> None:
    paint = "getComputedStyle(document.body).backgroundColor"
    light = watch(toy_site).open("index.html").evaluate(paint)
    tab = watch(toy_site, **DARK).open("index.html")
    dark = tab.evaluate(paint)
    brightness = [sum(map(float, re.findall(r"[\d.]+", colour)[:3])) for colour in (light, dark)]
    assert brightness[0] > 600 and brightness[1] < 150
    seen = {dark}
    for _ in range(3):
        tab.locator("button.theme").click()
        seen.add(tab.evaluate(paint))
    assert seen == {light, dark}


def test_two_methods_are_compared_with_the_numbers_of_the_plain_tables(toy_site: Path, watch: Watch) -> None:
    tab = watch(toy_site).open("compare/toy.html?profile=small&a=toy-slow&b=toy-nan")
    said = tab.locator("#compare .headline").inner_text()
    row = tab.locator(".given table").first.locator("tbody tr", has_text="toy-nan").first
    difference, interval = (row.locator("td").nth(i).inner_text() for i in (1, 2))
    assert said.startswith("toy-slow") and difference in said and interval in said
    tab.get_by_role("button", name="Swap the two methods").click()
    turned = tab.locator("#compare .headline").inner_text()
    assert difference.replace("+", "−") in turned
    assert "a=toy-nan" in tab.url and "b=toy-slow" in tab.url


def test_examples_that_differ_add_up_and_can_be_linked(toy_site: Path, watch: Watch) -> None:
    tab = watch(toy_site).open(COMPARE)
    counts = tab.locator("#compare .counts[role=status]")
    counts.wait_for()
    numbers = [int(text) for text in re.findall(r"\d+", re.sub(r"toy-\w+", "", counts.inner_text()))]
    assert sum(numbers) == 5 * 20
    assert tab.locator("#compare table.samples tbody tr").count() == numbers[0]
    tab.locator("select[name=Examples]").select_option("lost")
    tab.locator("select[name=Seed]").select_option("3")
    assert "show=lost" in tab.url and "seed=3" in tab.url
    rows = tab.locator("#compare table.samples tbody tr").count()
    tab.reload()
    counts.wait_for()
    assert tab.locator("#compare table.samples tbody tr").count() == rows
    assert tab.locator("select[name=Seed]").input_value() == "3"


def test_an_address_with_an_unknown_method_or_one_method_twice_says_so(toy_site: Path, watch: Watch) -> None:
    watched = watch(toy_site)
    tab = watched.open("compare/toy.html?profile=small&a=toy-gone&b=toy-bad")
    assert tab.locator("#compare .warn").all_inner_texts() == [
        'There is no "toy-gone" to compare here: toy-slow is shown.'
    ]
    assert tab.locator("#compare .headline").inner_text().startswith("toy-slow is better than toy-bad")
    tab.locator("select[name='First method']").select_option("1")
    assert tab.locator("#compare .warn").count() == 0
    tab = watched.open("compare/toy.html?profile=small&a=toy-bad&b=toy-bad")
    assert tab.locator("#compare .headline").inner_text() == "Choose two different methods."
    assert tab.locator("#compare table").count() == 0
    tab.locator("select[name='First method']").select_option("0")
    assert "is better than toy-bad" in tab.locator("#compare .headline").inner_text()


def test_examples_with_texts_come_first_and_the_others_say_that_none_was_logged(
    toy_site: Path, watch: Watch
) -> None:
    tab = watch(toy_site).open(COMPARE)
    rows = tab.locator("#compare table.samples tbody tr")
    rows.first.wait_for()
    bare = ["text not logged" in text for text in rows.all_inner_texts()]
    assert bare == sorted(bare) and True in bare and False in bare
    # Example, seed, one cell for input and target, and the two verdicts.
    last = rows.last.locator("th, td")
    assert last.count() == 5 and "–" not in rows.last.inner_text()


def test_the_won_examples_are_those_of_the_plain_table(toy_site: Path, watch: Watch) -> None:
    tab = watch(toy_site).open("compare/toy.html?profile=small&a=toy-slow&b=toy-nan")
    row = tab.locator(".given table").first.locator("tbody tr", has_text="toy-nan").first
    won, lost = (int(row.locator("td").nth(i).inner_text()) for i in (7, 8))
    counts = tab.locator("#compare .counts[role=status] b")
    counts.first.wait_for()
    assert [int(counts.nth(i).inner_text()) for i in (0, 1)] == [won, lost]


def test_pictures_show_in_examples_and_on_run_pages(toy_site: Path, watch: Watch) -> None:
    watched = watch(toy_site)
    tab = watched.open(COMPARE)
    tab.locator("select[name=Examples]").select_option("logged")
    loaded = "image => image.complete && image.naturalWidth"
    assert tab.locator("#compare img.sample").first.evaluate(loaded) == 8
    link = tab.locator("#compare table.samples th a").first
    number = link.inner_text()
    link.click()
    assert tab.locator("tr:target th").inner_text() == number
    assert tab.locator("img.sample").first.evaluate(loaded) == 8


def test_a_run_page_shows_wrong_or_right_and_the_address_keeps_it(toy_site: Path, watch: Watch) -> None:
    page = next(name for name in kinds(toy_site) if name.startswith("run/"))
    tab = watch(toy_site).open(page)
    rows = tab.locator("table.samples tbody tr")
    total = sum(row.is_visible() for row in rows.all())
    tab.get_by_label("wrong").check()
    wrong = [row.get_attribute("class") for row in rows.all() if row.is_visible()]
    assert set(wrong) <= {"wrong"} and "show=wrong" in tab.url
    tab.reload()
    assert [row.get_attribute("class") for row in rows.all() if row.is_visible()] == wrong
    tab.get_by_label("right", exact=True).check()
    right = [row.get_attribute("class") for row in rows.all() if row.is_visible()]
    assert set(right) <= {"right"} and len(wrong) + len(right) == total


def test_interactive_charts_replace_the_plain_ones(toy_site: Path, watch: Watch) -> None:
    if not bundle.files():
        pytest.skip("the charts are not built: node was absent at set-up")
    tab = watch(toy_site).open("task/toy.html")
    chart = tab.locator("figure.pareto .plot svg").first
    chart.wait_for()
    points = chart.locator("a")
    assert points.count() == 5
    points.first.focus()
    tip = tab.locator("figure.pareto .plot svg text", has_text="accuracy: ")
    tip.wait_for()
    shown = [line.strip("\u200b") for line in tip.locator("tspan").all_text_contents()]
    assert ", ".join(shown) == points.first.locator("circle").get_attribute("aria-label")
    names = [text.bounding_box() for text in chart.locator("g.names text").all()]
    assert len(names) == 5
    for i, a in enumerate(names):
        for b in names[:i]:
            apart = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
            assert apart or a["y"] + a["height"] <= b["y"] + 1 or b["y"] + b["height"] <= a["y"] + 1
    choice = tab.locator("figure.pareto select").first
    choice.select_option("peak_mb")
    assert "peak memory" in (chart.get_attribute("aria-label") or "")
    tab.goto(f"{toy_site.as_uri()}/{COMPARE}")
    assert tab.locator("#compare .plot svg").count() == 2


@pytest.mark.parametrize(
    ("options", "rules"),
    [({}, {}), (DARK, {"runOnly": ["color-contrast"]})],
    ids=["all rules in light", "contrast in dark"],
)
def test_axe_finds_no_serious_fault(
    toy_site: Path, watch: Watch, options: dict[str, Any], rules: dict[str, Any]
) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: node was absent at set-up")
    library = AXE.read_text(encoding="utf-8")
    tab = watch(toy_site, **options)
    found = []
    for name in [*kinds(toy_site), COMPARE]:
        page = tab.open(name)
        if "?" in name:
            page.locator("#compare .counts[role=status]").wait_for()
        page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
        page.evaluate(library)
        # From disk a page may not read its style sheet as a file, which axe would like to.
        told = page.evaluate(
            "(rules) => axe.run({preload: false, resultTypes: ['violations'], ...rules})", rules
        )
        found += [
            (name, fault["id"], fault["nodes"][0]["html"], fault["nodes"][0]["failureSummary"])
            for fault in told["violations"]
            if fault["impact"] in ("serious", "critical")
        ]
    assert found == []


def test_every_page_opens_and_is_no_wider_than_a_phone(toy_site: Path, watch: Watch) -> None:
    tab = watch(toy_site, **PHONE)
    for name in [*kinds(toy_site), COMPARE]:
        page = tab.open(name)
        assert "Touchstone" in page.title()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name


def test_a_phone_shows_task_leader_and_score_beside_each_other(toy_site: Path, watch: Watch) -> None:
    tab = watch(toy_site, **PHONE).open("index.html")
    (row,) = tab.locator(".matrix tr:not(.family):has(td)").all()
    cells = [row.locator("th, td").nth(i) for i in range(3)]
    task, leader, score = (cell.bounding_box() for cell in cells)
    assert [cell.inner_text().split()[0] for cell in cells[:2]] == ["toy", "toy-slow"]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in (task, leader, score))
    assert leader["x"] + leader["width"] <= score["x"] and leader["y"] == score["y"] > task["y"]


def test_pages_are_complete_without_scripts(toy_site: Path, watch: Watch) -> None:
    tab = watch(toy_site, java_script_enabled=False)
    page = tab.open("task/toy.html")
    text = page.locator("main").inner_text()
    assert all(name in text for name in ("toy-slow", "toy-nan", "toy-bad"))
    assert page.locator("figure svg").first.is_visible()
    assert not page.locator("form.tools").first.is_visible()
    page = tab.open(COMPARE)
    assert page.locator("table.pairwise").first.is_visible() and not page.locator("#compare").is_visible()
    page.locator("summary").first.click()
    assert page.locator("details table").first.is_visible()
    page = tab.open(next(name for name in kinds(toy_site) if name.startswith("run/")))
    page.get_by_label("wrong").check()
    assert not page.locator("table.samples tr.right").first.is_visible()
    assert toy_site.joinpath("downloads.html").is_file()


def test_hostile_names_stay_text_everywhere(hostile_site: Path, watch: Watch) -> None:
    tab = watch(hostile_site, **PHONE)
    pages = [p.relative_to(hostile_site).as_posix() for p in sorted(hostile_site.rglob("*.html"))]
    # One page of each kind, the compare pages, which a script builds from data, and the longest name.
    more = [name for name in pages if name.startswith("compare/") or "xxx" in name]
    chosen = [*kinds(hostile_site), *more]
    for name in chosen:
        page = tab.open(name)
        assert page.title() != "taken"
        assert page.evaluate("document.querySelectorAll('img:not(.sample)').length") == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
        if page.evaluate("window.touchstone?.compare.profiles.some((p) => p.sides.length > 1)"):
            page.locator("#compare .headline").wait_for()
            assert page.evaluate("document.querySelectorAll('#compare script').length") == 0
