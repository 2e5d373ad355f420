"""The harness of Touchstone: it runs methods on tasks and keeps every score."""

__version__ = "0.1.0"
