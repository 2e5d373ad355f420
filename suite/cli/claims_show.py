"""All that stands behind the verdict on one claim, as plain values and as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from suite.cli.output import table
from suite.cli.stored import Percent

if TYPE_CHECKING:
    from leaderboard.board import Board
    from leaderboard.claims import Judged, Pair, Side
    from suite.claims import AnyClaim, Published

Facts = dict[str, Any]


def facts(judged: Judged, board: Board) -> Facts:
    """What is known of a claim: what it says and tests, the verdict, and everything it rests on."""
    from suite import papers

    claim = judged.claim
    return {
        "id": claim.id,
        "family": judged.family,
        "verdict": judged.verdict,
        "summary": judged.summary,
        "statement": claim.statement,
        "paper": {
            "title": claim.paper.title,
            "year": claim.paper.year,
            "link": claim.paper.link,
            "name": papers.slug(claim.paper),
        },
        "where": claim.where,
        "test": tested(claim),
        "note": claim.note,
        "comparisons": [comparison(pair) for pair in judged.pairs],
        "values": [row for pair in judged.pairs for row in _values(pair)],
        "published": [row for figure in judged.published for row in _published(figure, board)],
        "why ours may differ": _distinct(f.differs for f in judged.published),
        "audit": [{"text": a.text, "source": a.source, "by": a.by} for a in judged.audits],
        "run": list(judged.commands),
    }


def tested(claim: AnyClaim) -> str:
    """What is computed for the verdict, in words."""
    from suite.claims import Bound, Check, Ranking

    if isinstance(claim, Check):
        return f"{claim.where_code}, about {claim.seconds:g} s"
    if isinstance(claim, Ranking):
        return (
            f"Kendall's tau of {claim.metric} over {', '.join(claim.methods)}, between {claim.reference} and "
            f"{', '.join(claim.tasks)}, profile {claim.profile}: lower on the slice {claim.slice} than on "
            f"{claim.control}"
        )
    part = "" if claim.slice == "all" else f" on the slice {claim.slice}"
    place = f"{', '.join(claim.tasks)}{part}, profile {claim.profile}"
    if isinstance(claim, Bound):
        return f"{claim.metric} of {claim.method} is {claim.relation} {claim.value:g} on {place}"
    how = f"better by more than {claim.margin:g}" if claim.margin > 0 else "better"
    if claim.margin < 0:
        how = f"not worse by {-claim.margin:g} or more"
    return f"{claim.metric}: {claim.better} is {how}, against each of {', '.join(claim.worse)}, on {place}"


def comparison(pair: Pair) -> Facts:
    """One pair as a row; shares show in per cent."""
    low, high = pair.interval or (None, None)
    return {
        "task": pair.task,
        "metric": pair.metric,
        "method": pair.a.method,
        "against": pair.b.method if pair.b is not None else f"the value {pair.target:g}",
        "verdict": pair.verdict,
        "margin": _unit(pair, pair.margin),
        "difference": _unit(pair, pair.difference),
        "low": _unit(pair, low),
        "high": _unit(pair, high),
        "p": pair.p,
        "holm_p": pair.holm,
        "paired_p": pair.paired_p,
        "effect": pair.effect,
        "seeds": pair.seeds,
        "seeds_needed": pair.seeds_needed,
        "why": pair.reason,
    }


def _values(pair: Pair) -> list[Facts]:
    return [_side(pair, side) for side in pair.sides if side.values]


def _side(pair: Pair, side: Side) -> Facts:
    return {
        "task": pair.task,
        "method": side.method,
        "mean": _unit(pair, side.mean),
        "sd": _unit(pair, side.sd),
        "seeds": {str(seed): value for seed, value in side.values.items()},
        "marks": list(side.marks),
    }


def _published(figure: Published, board: Board) -> list[Facts]:
    """The figure beside ours, one row a profile; a row without ours where there is none."""
    from leaderboard.published import beside
    from suite import catalog

    spec = catalog.tasks().get(figure.task)
    metric = spec.metric(figure.metric) if spec else None
    kind: Any = Percent if metric and metric.unit == "fraction" else float
    row = {
        "task": figure.task,
        "method": figure.method,
        "published": kind(figure.value),
        "sd": None if figure.sd is None else kind(figure.sd),
        "where": figure.where,
        "setting": figure.setting,
        "source": figure.source,
    }
    ours = [{"ours": kind(o.mean), "profile": o.profile, "seeds": o.seeds} for o in beside(board, figure)]
    return [row | o for o in ours or [{"ours": None, "profile": None, "seeds": None}]]


def rows(known: Facts) -> list[Facts]:
    """The comparisons as rows, each with its claim; a claim without comparisons is one row."""
    head = {name: known[name] for name in ("id", "statement", "verdict", "summary")}
    pairs = [
        {("verdict here" if name == "verdict" else name): value for name, value in pair.items()}
        for pair in known["comparisons"]
    ]
    return [head | pair for pair in pairs or [{}]]


def _distinct(texts: Iterable[str]) -> list[str]:
    """Each text once, without those that another one contains."""
    once = list(dict.fromkeys(filter(None, texts)))
    return [text for text in once if not any(text != other and text in other for other in once)]


def _unit(pair: Pair, value: float | None) -> float | None:
    return Percent(value) if value is not None and pair.unit == "fraction" else value


def text(known: Mapping[str, Any]) -> str:
    """The facts for the eye."""
    paper = known["paper"]
    link = f", {paper['link']}" if paper["link"] else ""
    lines = [
        f"{known['id']}: {known['verdict']}",
        f"claim: {known['statement']}",
        f"paper: {paper['title']} ({paper['year']}){link}",
        f"where: {known['where']}",
        f"test: {known['test']}",
        *([f"note: {known['note']}"] if known["note"] else []),
        f"why: {known['summary']}",
    ]
    lines += _block("comparisons", known["comparisons"], _used(known["comparisons"]))
    lines += _block("values", _by_seed(known["values"]), ("task", "method", "mean", "sd", "by seed", "marks"))
    columns = ("task", "method", "published", "sd", "ours", "profile", "seeds", "where")
    lines += _block("published figures", known["published"], columns)
    lines += [f"  source: {source}" for source in dict.fromkeys(r["source"] for r in known["published"])]
    lines += [f"  ours may differ: {reason}" for reason in known["why ours may differ"]]
    lines += [f"audit: {a['text']} ({a['by']}; {a['source']})" for a in known["audit"]]
    lines += [f"run: {command}" for command in known["run"]]
    return "\n".join(lines) + "\n"


def _block(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[str]:
    return [f"{title}:", *(f"  {line}" for line in table(rows, columns).splitlines())] if rows else []


def _used(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns that say something in one of the rows."""
    return [c for c in (rows[0] if rows else ()) if any(row[c] not in (None, "") for row in rows)]


def _by_seed(rows: Sequence[Mapping[str, Any]]) -> list[Facts]:
    """A method's values on a task once, however many pairs it is in, with the seeds in one text."""
    made = {}
    for row in rows:
        kind = type(row["mean"])
        seeds = ", ".join(f"{seed}: {kind(value)}" for seed, value in row["seeds"].items())
        made[row["task"], row["method"]] = {**row, "by seed": seeds, "marks": "; ".join(row["marks"])}
    return list(made.values())
