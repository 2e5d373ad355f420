"""A task that works on a base model, and says which one it got."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from toy_plugin import PAPER, TASKS, Toy, ToyMethod

from suite.api import Context, Score, TaskSpec


@dataclass(frozen=True)
class ModelToy(Toy):
    """Even or odd, by a method that could use a base model."""

    base_model: str = "stories260k"

    def run(self, method: ToyMethod, ctx: Context) -> Iterator[Score]:
        assert ctx.base_model == self.base_model
        yield from super().run(method, ctx)


SPEC = TaskSpec(
    name="toy-model",
    family="toy",
    summary="Even or odd, on a base model.",
    where="toy_models:ModelToy",
    paper=PAPER,
    metrics=TASKS[0].metrics,
    primary=TASKS[0].primary,
    protocol="Says for each number whether it is even.",
    presets={"paper": {"base_model": "smollm2-135m-instruct"}},
)
