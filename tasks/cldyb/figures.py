"""Pictures for the site: accuracy matrices on a run's page; domains and the search on a task's.

The site asks for them (`leaderboard.pictures`). All are text and shapes made here of numbers and escaped
names; nothing in them runs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from html import escape

from suite.stats import kendall_tau
from tasks.cldyb.nodes import Child, Step
from tasks.cldyb.sequence import FoundSequence

SHOWN = ("accuracy",)
CELL, LEFT, TOP = 44, 64, 40
BAR, WIDE, LINE = 18, 420, 26
ASIDE, BETWEEN = 170, 150
STATIC, PUBLISHED = "cl-static", ("cldyb-joint", "cldyb-transfer")
FINAL = ("final_accuracy", "all")
HEADS = ("Visits", "Mean return", "Best return", "Reward")
ENTRY = re.compile(r"(.+) step (\d+) task (\d+)")
COLOURS = ("#3b6ea5", "#c27c2c", "#4d8b57", "#a5506b", "#6f5aa5", "#8a8a34", "#3f8f91", "#b05a3c", "#777777")
"""Of domains, in the order in which they first come; they are told apart by their names as well."""


def of_run(values: Mapping[tuple[str, str], float]) -> list[tuple[str, str]]:
    """(title, picture) of every accuracy matrix among a run's scores, given by (metric, slice)."""
    found: dict[str, dict[tuple[int, int], float]] = {}
    for (metric, part), value in values.items():
        if metric == "accuracy" and (told := ENTRY.fullmatch(part)):
            found.setdefault(told[1], {})[int(told[2]), int(told[3])] = value
    return [(f"Accuracy matrix, {name}", matrix(name, cells)) for name, cells in sorted(found.items())]


def matrix(name: str, cells: Mapping[tuple[int, int], float]) -> str:
    """A square a pair (step, task), counted from 1, as dark as the accuracy is high, with its percentage."""
    size = max(step for step, _ in cells)
    edge = CELL * size
    parts = [_opening(LEFT + edge + 8, TOP + edge + 8, f"Accuracy on each task after each step, {name}")]
    parts += [
        f'<text x="{LEFT + (j - 0.5) * CELL}" y="{TOP - 8}" text-anchor="middle">task {j}</text>'
        f'<text x="{LEFT - 8}" y="{TOP + (j - 0.5) * CELL + 4}" text-anchor="end">after {j}</text>'
        for j in range(1, size + 1)
    ]
    for (step, task), value in sorted(cells.items()):
        x, y = LEFT + (task - 1) * CELL, TOP + (step - 1) * CELL
        ink = "#fff" if value > 0.5 else "currentColor"
        parts.append(
            f'<rect x="{x}" y="{y}" width="{CELL - 2}" height="{CELL - 2}" rx="3" fill="#0b6159" '
            f'fill-opacity="{value:.3f}" stroke="currentColor" stroke-opacity=".25"/>'
            f'<text x="{x + CELL / 2 - 1}" y="{y + CELL / 2 + 4}" text-anchor="middle" fill="{ink}">'
            f"{100 * value:.0f}</text>"
        )
    return "".join([*parts, "</svg>"])


def of_task(settings: Mapping[str, object]) -> list[tuple[str, str]]:
    """(title, picture) of the sequences that a task's settings name: domains, then the search."""
    from tasks.cldyb.registry import resolve

    pictures = []
    for reference in filter(None, (part.strip() for part in str(settings.get("found", "")).split(","))):
        try:
            found = resolve(reference)
        except ValueError:
            continue  # a row that was sent in names a file of its sender
        name = reference.rpartition("@")[0]
        pictures.append((f"Domains of the tasks, {name}", domains(found)))
        if found.steps:
            pictures.append((f"The search, {name}", explorer(found)))
    return pictures


def of_board(
    task: str, means: Callable[[str], Mapping[str, Mapping[tuple[str, str], float]]]
) -> list[tuple[str, str]]:
    """How learners rank on static, random and found sequences: of those measured on all three.

    Those found against some learners are the same for the learners held out, so that both tasks' rows count.
    """
    if task not in PUBLISHED:
        return []
    static = means(STATIC)
    # a learner that one of the tasks skips has no value there
    dynamic = {method: of for name in PUBLISHED for method, of in means(name).items() if FINAL in of}
    rows = {
        method: (static[method].get(FINAL), of.get((FINAL[0], "random")), of.get(FINAL))
        for method, of in sorted(dynamic.items())
        if method in static
    }
    whole = {method: row for method, row in rows.items() if None not in row}
    if len(whole) < 3:
        return []
    still, by_chance, hunted = ([float(row[k] or 0) for row in whole.values()] for k in range(3))
    taus = [kendall_tau(still, other) for other in (by_chance, hunted)]
    if None in taus:
        return []
    title = (
        f"Ranking of {len(whole)} learners. Kendall's tau with static sequences: {taus[0]:.2f} on random "
        f"ones, {taus[1]:.2f} on found ones"
    )
    return [(title, bumps(list(whole), (still, by_chance, hunted)))]


def bumps(names: Sequence[str], columns: Sequence[Sequence[float]]) -> str:
    """A line a learner through its places on static, random and found sequences, the best at the top."""
    places = [_places(values) for values in columns]
    across = [ASIDE + k * BETWEEN for k in range(len(columns))]
    parts = [_opening(2 * ASIDE + BETWEEN * (len(columns) - 1), TOP + LINE * len(names), "Ranks of learners")]
    for x, head in zip(across, ("static", "random", "found"), strict=True):
        parts.append(f'<text x="{x}" y="{TOP - 18}" text-anchor="middle" font-weight="600">{head}</text>')
    for k, name in enumerate(names):
        heights = [TOP + LINE * of[k] for of in places]
        path = " ".join(f"{x},{y}" for x, y in zip(across, heights, strict=True))
        colour = COLOURS[k % len(COLOURS)]
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>' for x, y in zip(across, heights, strict=True)
        ]
        shown, label = [f"{100 * values[k]:.1f}" for values in columns], escape(name)
        parts.append(
            f'<text x="{across[0] - 10}" y="{heights[0] + 4}" text-anchor="end">{label} {shown[0]}</text>'
            f'<text x="{across[-1] + 10}" y="{heights[-1] + 4}">{shown[-1]} {label}</text>'
        )
    return "".join([*parts, "</svg>"])


def _places(values: Sequence[float]) -> list[int]:
    """From 0 for the largest; of equal ones the first stands first."""
    order = sorted(range(len(values)), key=lambda k: -values[k])
    return [order.index(k) for k in range(len(values))]


def domains(found: FoundSequence) -> str:
    """A bar a task, in it the classes of each domain."""
    counts = [Counter(_domain(found, c) for c in task) for task in found.tasks]
    order = list(dict.fromkeys(_domain(found, c) for task in found.tasks for c in task))
    colour = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(order)}
    height = TOP + LINE * len(counts) + LINE * len(order)
    parts = [_opening(LEFT + WIDE + 8, height, "Classes of each domain in each task")]
    for t, count in enumerate(counts):
        x, y = float(LEFT), TOP + t * LINE
        parts.append(f'<text x="{LEFT - 8}" y="{y + BAR - 4}" text-anchor="end">task {t + 1}</text>')
        for name in (name for name in order if count[name]):
            width = WIDE * count[name] / sum(count.values())
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{width - 2:.1f}" height="{BAR}" fill="{colour[name]}"/>'
                f'<text x="{x + 6:.1f}" y="{y + BAR - 5}" fill="#fff">{count[name]}</text>'
            )
            x += width
    for k, name in enumerate(order):
        y = TOP + LINE * len(counts) + k * LINE
        total = sum(count[name] for count in counts)
        parts.append(
            f'<rect x="{LEFT}" y="{y}" width="{BAR}" height="{BAR}" fill="{colour[name]}"/>'
            f'<text x="{LEFT + BAR + 8}" y="{y + BAR - 4}">{escape(name)}, {total} classes</text>'
        )
    return "".join([*parts, "</svg>"])


def explorer(found: FoundSequence) -> str:
    """The tasks on offer at every step, folded: visits, mean and best return, reward; the taken one opens
    the next step.
    """
    inner = ""
    for number, step in reversed(list(enumerate(found.steps, 1))):
        inner = _step(found, number, step, inner)
    return inner


def _step(found: FoundSequence, number: int, step: Step, inner: str) -> str:
    most = max((child.visits for child in step.children), default=1) or 1
    rows = "".join(_offer(found, child, child.task == step.task, most) for child in step.children)
    heads = "".join(f'<th scope="col" class="num">{head}</th>' for head in HEADS)
    opened = ' open=""' if number == 1 else ""
    return (
        f"<details{opened}><summary>Step {number}: {_named(found, step.task)}</summary>"
        f'<table class="compact"><thead><tr><th scope="col">Task on offer</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{inner}</details>"
    )


def _offer(found: FoundSequence, child: Child, taken: bool, most: int) -> str:
    width = round(100 * child.visits / most)
    bar = (
        f'<svg width="100" height="6" aria-hidden="true"><rect width="{width}" height="6" '
        f'fill="{"#0b6159" if taken else "#9db7b3"}"/></svg>'
    )
    tag = ' <span class="tag">taken</span>' if taken else ""
    numbers = "".join(f'<td class="num">{value:.3f}</td>' for value in (child.mean, child.best, child.reward))
    return (
        f'<tr><th scope="row">{_named(found, child.task)}{tag}</th><td class="num">{child.visits} {bar}</td>'
        f"{numbers}</tr>"
    )


def _named(found: FoundSequence, task: Sequence[int]) -> str:
    return escape(", ".join(found.names[str(c)] for c in task))


def _domain(found: FoundSequence, number: int) -> str:
    return found.names[str(number)].partition("/")[0]


def _opening(width: float, height: float, label: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'aria-label="{escape(label, quote=True)}" font-size="12" fill="currentColor">'
    )
