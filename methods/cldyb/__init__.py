"""Continual learners, and adversaries that build their task sequences: the method half of the family card."""

from __future__ import annotations

from suite.api import MethodSpec

METHODS: list[MethodSpec] = []
