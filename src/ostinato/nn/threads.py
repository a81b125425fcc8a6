"""The engine's threads beside torch's: the same OpenMP runtime where there is one, so that they never fight for cores."""

from __future__ import annotations

from pathlib import Path

import torch

from .. import _native


def share_torchs_threads() -> None:
    """Run on the OpenMP runtime that torch has brought along; without one the engine keeps its own threads."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*")):
        try:
            return _native.set_thread_pool("openmp", str(path))
        except ValueError:  # not loaded by this build of torch
            continue
