"""CompSub: new training examples by exchanging components of equal outer interface.

From "Learning to Substitute Components for Compositional Generalization" (2025), whose ancestor is SpanSub
(ACL 2023, arXiv 2306.02840).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from methods.compositional.neural import Neural
from methods.compositional.scan_components import (
    Candidate,
    Component,
    Frame,
    Grain,
    Pool,
    Signature,
    candidates,
    first_lines,
    frame,
    pool,
    substitute,
)
from suite.api import Context
from suite.errors import Skip
from tasks.compositional.contract import Augmented, Example, Problem

GRAINS: tuple[Grain, ...] = ("span", "word")
DRAWN = {"cogs": 60_000, "cogs-ql": 60_000, "geoquery": 40_000}
"""New examples that are drawn where a language has no closure of a size to train on."""
STEP = re.compile(r"(span|word) (\d+):(\d+) [^>]*-> (.*) \(line \d+\)")


Types = Literal["all", "span", "word", "tree"]


@dataclass(frozen=True)
class CompSub(Neural):
    """A parser trained on a mix of the training lines and what substitutions make of them.

    SCAN: the closure of the lines under at most `depth` substitutions. COGS and GeoQuery: random draws, the
    hosts of each of `depth` rounds being what the round before has made; `n` examples in all. What enters
    always comes from the original lines.

    types: exchange spans (pieces with a way out), words, subtrees (none in SCAN), or all of them; in COGS
    "span" is all but subtrees, a word there being a span of one.
    n: at most so many new examples. None: the whole closure (SCAN), or `DRAWN` of the language.
    strict: leave out every new example whose input is in dev or test.
    role_safe: COGS only: no verb enters a place of another voice or frame, and no name one that carries a
    modifier, so that no label can come out wrong; the released code has no such rule.
    """

    depth: int = 2
    types: Types = "all"
    n: int | None = None
    strict: bool = False
    role_safe: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1, not {self.depth}")
        if self.n is not None and self.n < 1:
            raise ValueError(f"n must be at least 1, or none for the default; not {self.n}")

    def augment(self, problem: Problem, ctx: Context) -> list[Augmented]:
        """The examples that substitutions make, cut down as the fields say."""
        made = self._made(problem, ctx)
        if self.strict:
            made = [new for new in made if new.x not in problem.held_out]
            if not made:
                raise Skip("compsub-strict has nothing to train on: nothing is made outside of dev and test")
        if self.n is not None and self.n < len(made):
            kept = ctx.rng("compsub").choice(len(made), self.n, replace=False)
            made = [made[k] for k in sorted(kept)]
        return made

    def _made(self, problem: Problem, ctx: Context) -> list[Augmented]:
        language = problem.language
        if self.role_safe and not language.startswith("cogs"):
            raise Skip(f"role_safe is of COGS: the substitutions of {language} know no other mode")
        if language == "scan":
            if self.types == "tree":
                raise Skip("SCAN has no subtrees beside its spans")
            grains = GRAINS if self.types == "all" else (self.types,)
            return closure(problem.train, self.depth, pool(problem.train), grains)
        if language not in DRAWN:
            raise Skip(f"compsub knows the components of scan, cogs and geoquery, not of {language}")
        n = DRAWN[language] if self.n is None else self.n
        rng = ctx.rng("compsub")
        if language == "geoquery":
            from methods.compositional import geo_draws

            return geo_draws.augment(problem.train, rng, n=n, depth=self.depth, types=self.types)
        from methods.compositional import cogs_draws

        return cogs_draws.augment(
            problem.train, language, rng, n=n, rounds=self.depth, types=self.types, role_safe=self.role_safe
        )


def closure(
    train: Sequence[Example], depth: int, components: Pool, grains: Sequence[Grain] = GRAINS
) -> list[Augmented]:
    """Every example outside `train` that at most `depth` substitutions make, shallow ones first.

    A frame (an example without the component that leaves) is filled once, whichever hosts share it: all of
    them would make the same examples. The host is the first training line that an example was made from.
    """
    known = {example.x for example in train}
    filled: set[tuple[Frame, Signature]] = set()
    made: list[Augmented] = []
    hosts = [Augmented(x, y, line, "") for (x, y), line in first_lines(train).items()]
    for _ in range(depth):
        found: list[Augmented] = []
        for host in hosts:
            for candidate in candidates(host.x, host.y, components.lexicon):
                if candidate.signature.grain in grains:
                    gap = frame(host.x, host.y, candidate)
                    if (gap, candidate.signature) not in filled:
                        filled.add((gap, candidate.signature))
                        found += _fill(host, candidate, gap, components, known)
        made += found
        hosts = found
    return made


def _fill(
    host: Augmented, candidate: Candidate, gap: Frame, components: Pool, known: set[str]
) -> list[Augmented]:
    """The unknown examples that the pool makes of one frame; adds their inputs to `known`."""
    found = []
    for component in components.by_signature.get(candidate.signature, ()):
        new = gap.fill(component)
        if new.x not in known:
            known.add(new.x)
            found.append(Augmented(*new, host.host, after(host.how, candidate, component)))
    return found


def after(how: str, candidate: Candidate, component: Component) -> str:
    """The provenance `how` with one more substitution: 'span 2:4 walk left -> jump (line 7)'."""
    place = f"{candidate.signature.grain} {candidate.start}:{candidate.end}"
    step = f"{place} {candidate.x} -> {component.x} (line {component.donor})"
    return f"{how}; {step}" if how else step


def replay(new: Augmented, train: Sequence[Example], components: Pool) -> Example:
    """The example made again from its host and provenance; ValueError where that does not fit the host."""
    example = train[new.host]
    for step in new.how.split("; "):
        read = STEP.fullmatch(step)
        if read is None:
            raise ValueError(f"'{step}' is no substitution")
        grain, start, end, x = read[1], int(read[2]), int(read[3]), read[4]
        for candidate in candidates(*example, components.lexicon):
            if (candidate.signature.grain, candidate.start, candidate.end) == (grain, start, end):
                example = substitute(*example, candidate, components.find(candidate.signature, x))
                break
        else:
            raise ValueError(f"'{example.x}' has no {grain} at {start}:{end}")
    return example
