"""Conversions of published weight files into safetensors; each runs once, into the cache."""
