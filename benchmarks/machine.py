"""The machine and the checkout, in words."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def machine() -> str:
    """The processor's name where the system tells it, and its cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.machine()
    return f"{os.cpu_count()} cores of an {name}"


def commit() -> str:
    """The commit, with a plus where the package differs from it; empty without git."""

    def git(*command: str) -> str:
        return subprocess.run(["git", *command], cwd=Path(__file__).parent.parent, capture_output=True, text=True).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "src", "cpp") else "")
