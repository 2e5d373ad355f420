"""Continual learning on task sequences that an adversary finds: the task half of the family card."""

from __future__ import annotations

from suite.api import TaskSpec

TASKS: list[TaskSpec] = []
