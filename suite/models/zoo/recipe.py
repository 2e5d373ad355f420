"""What every recipe of the zoo is: settings with a fixed seed, a training, and the card that it writes of
itself.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

Report = Callable[[str, int, int], None]
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Workshop:
    """What a recipe may use: folders that survive a kill, progress, and the device.

    checkpoint: of this training. shared: of work that several recipes need (the teacher's features).
    """

    checkpoint: Path
    shared: Path
    report: Report = lambda label, done, total: None
    device: str = "cpu"


@dataclass(frozen=True)
class Table:
    """Scores for the card: a title, column names, rows, and a sentence on how they were measured."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """The table in Markdown, numbers with one decimal."""
        head = f"| {' | '.join(self.columns)} |\n|{'---|' * len(self.columns)}"
        lines = [
            "| " + " | ".join(f"{cell:.1f}" if isinstance(cell, float) else cell for cell in row) + " |"
            for row in self.rows
        ]
        note = f"\n\n{self.note}" if self.note else ""
        return f"### {self.title}\n\n" + "\n".join([head, *lines]) + note


@dataclass(frozen=True)
class Made:
    """What a training gave: `save(folder)` writes config and weights; facts and tables go into the card."""

    save: Callable[[Path], None]
    facts: Mapping[str, str]
    tables: Sequence[Table]


@dataclass(frozen=True)
class Recipe(ABC):
    """A training that anybody can repeat: every setting is a field, the seed among them."""

    name: str
    summary: str
    seed: int = 0

    @abstractmethod
    def make(self, workshop: Workshop) -> Made:
        """Train, measure, and say what was done."""

    @property
    @abstractmethod
    def data(self) -> tuple[str, ...]:
        """The registered files that it reads, as `suite data check` knows them."""

    @property
    def settings(self) -> dict[str, Any]:
        """Every field but the texts."""
        return {key: value for key, value in asdict(self).items() if key not in ("name", "summary")}

    @property
    def identity(self) -> str:
        """What a checkpoint of this recipe belongs to."""
        return json.dumps(self.settings, sort_keys=True)


def train(recipe: Recipe, target: Path, workshop: Workshop) -> Path:
    """Run the recipe and write config.json, model.safetensors and card.md into `target`."""
    started, cpu = time.time(), time.process_time()
    made = recipe.make(workshop)
    target.mkdir(parents=True, exist_ok=True)
    made.save(target)
    cost = {
        "trained on": time.strftime("%Y-%m-%d", time.gmtime(started)),
        "CPU time of the last run": f"{(time.process_time() - cpu) / 60:.0f} minutes",
    }
    (target / "card.md").write_text(card(recipe, made, cost, target / WEIGHTS))
    return target


def card(recipe: Recipe, made: Made, cost: Mapping[str, str], weights: Path) -> str:
    """The model card in Markdown."""
    content = weights.read_bytes()
    facts = {
        **made.facts,
        **cost,
        "weights": f"{len(content):,} bytes, SHA-256 {sha256(content).hexdigest()}",
        "made by": f"`suite models train {recipe.name}`",
        "licence": "Apache-2.0 (the weights are this project's own)",
    }
    settings = "\n".join(f"- {key}: {value}" for key, value in recipe.settings.items())
    return (
        "\n\n".join(
            [
                f"# {recipe.name}",
                recipe.summary,
                "\n".join(f"- {key}: {value}" for key, value in facts.items()),
                "## Scores",
                *(table.markdown() for table in made.tables),
                "## Settings",
                settings,
            ]
        )
        + "\n"
    )
