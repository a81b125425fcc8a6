"""The commands. Nothing but arguments in, words and pictures out; what takes long to import is imported when used."""

from __future__ import annotations

from .app import main

__all__ = ["main"]
