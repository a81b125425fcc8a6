"""Ours beside torch, JAX, TensorFlow and ONNX Runtime: the same work, each in a process of its own, turn by turn.

    python -m benchmarks [--quick] [--only table growth …] [--to build/speed.json]
    python -m benchmarks.page build/speed.json docs/speed.md README.md docs/add-a-cell.md

A finished row is kept in the file at once, and the next run goes on from there. The whole takes about 25 minutes on two idle
cores, --quick three. A library that is not installed is left out: the extra `peers` has them all. Parts:

    peak    what the processor can do          own     cells of one's own, torch loops, JAX scans
    table   six shapes in every library        steps   training steps in torch, calls after a pause
    growth  in T, B and H                      call    what a call costs beside its work
    odd     sizes that fit no vector           bits    what equal bits cost
    double  float64                            epochs  an estimator's training
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from .driver import Driver
from .machine import commit, machine
from .plan import PARTS, Plan


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(PARTS), choices=list(PARTS), metavar="PART")
    parser.add_argument("--quick", action="store_true", help="fewer shapes and turns, for a look")
    parser.add_argument("--compile", action="store_true", help="torch.compile of cells of one's own, too: minutes for each")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--to", type=Path, default=Path("build/speed.json"))
    wishes = parser.parse_args(arguments)
    plan, driver = Plan(wishes.quick, wishes.compile), Driver(wishes.threads)
    run = begun(wishes.to, {"quick": wishes.quick, "threads": wishes.threads})
    done = {row["key"] for row in run["rows"]}
    began = time.perf_counter()
    for part in wishes.only:
        for asked in PARTS[part](plan):
            if asked.key in done:
                continue
            row = driver.run(asked)
            run["rows"].append({"key": asked.key, **row})
            run["versions"] |= driver.versions
            run["minutes"] += (time.perf_counter() - began) / 60
            began = time.perf_counter()
            save(run, wishes.to)
            tell(row)


def begun(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The run in that file, or a new one. Raises SystemExit where it was made with other settings or on another machine."""
    new = {"settings": settings, "machine": machine(), "versions": {"Python": platform.python_version()}}
    if not path.exists():
        return {**new, "date": str(datetime.date.today()), "source": commit(), "minutes": 0.0, "rows": []}
    run: dict[str, Any] = json.loads(path.read_text())
    if any(run[name] != new[name] for name in ("settings", "machine")):
        raise SystemExit(f"{path} was made with {run['settings']} on {run['machine']}; give another file with --to.")
    run["rows"] = [row for row in run["rows"] if not row["failed"]]  # once more
    if commit() not in run["source"]:
        run["source"] += f" and {commit()}"
    return run


def save(run: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(run, indent=1))
    os.replace(beside, path)


def tell(row: dict[str, Any]) -> None:
    """A finished row, in lines."""
    for kind, times in row["ms"].items():
        shown = "  ".join(f"{label} {t['low']:.3g} ({t['high']:.3g})" for label, t in times.items())
        print(f"{row['part']}: {row['cell']} {row['shape']} {row['dtype']} {kind}, ms: {shown}", flush=True)
    for label, why in row["failed"].items():
        print(f"{row['part']}: {row['cell']} {row['shape']}: {label} could not: {why}", flush=True)


if __name__ == "__main__":
    main()
