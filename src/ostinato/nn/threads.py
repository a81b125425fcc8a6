"""The engine's threads beside torch's: while torch's OpenMP threads are awake they are used, so that two sets never fight."""

from __future__ import annotations

from pathlib import Path

import torch

from .. import _native


def share_torchs_threads() -> None:
    """Let the engine use the OpenMP runtime that torch has brought along; without one it keeps to its own threads."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*")):
        try:
            return _native.set_thread_pool("openmp", str(path))
        except ValueError:  # not loaded by this build of torch
            continue
