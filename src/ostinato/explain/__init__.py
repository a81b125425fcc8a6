"""Seeing why: what a cell is worth before it is trained, and what a model does once it is."""

from .check import Report, check

__all__ = ["Report", "check"]
