"""Language models under low-bit weights and activations: the task half of the family card."""

from __future__ import annotations

from suite.api import TaskSpec

TASKS: list[TaskSpec] = []
