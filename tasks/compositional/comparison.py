"""How the claims of the family that one competitor beats others are written down."""

from __future__ import annotations

from suite.claims import Claim
from tasks.compositional.published import SPANSUB, TABLE


def better(
    name: str, statement: str, tasks: tuple[str, ...], better: str, worse: tuple[str, ...], **more: object
) -> Claim:
    """A comparison in exact match, from the results table of the ACL 2023 poster unless said otherwise."""
    fields: dict[str, object] = {"paper": SPANSUB, "where": TABLE} | more
    return Claim(
        id=name,
        statement=statement,
        tasks=tasks,
        metric="exact_match",
        better=better,
        worse=worse,
        **fields,  # type: ignore[arg-type]
    )
