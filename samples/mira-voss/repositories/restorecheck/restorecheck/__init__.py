"""Restore a SQLite backup somewhere harmless and check it."""

__version__ = "0.3.0"
