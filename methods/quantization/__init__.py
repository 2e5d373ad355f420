"""The competitors on quantization tasks: how weights, activations and cache are rounded."""

from __future__ import annotations

from suite.api import MethodSpec

METHODS: list[MethodSpec] = []
