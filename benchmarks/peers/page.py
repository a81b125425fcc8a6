"""The numbers of a run as the table of docs/speed.md.

python -m benchmarks.peers.page build/peers.json docs/speed.md
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

LIBRARIES = ("ostinato", "torch", "JAX", "TensorFlow", "ONNX Runtime")
MARKED = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end -->)", re.DOTALL)


def table(rows: list[dict[str, Any]], kind: str) -> str:
    """Medians in milliseconds of one kind of run; the best is bold."""
    lines = [
        "| T, B, I, H | cell | " + " | ".join(LIBRARIES) + " | times the best peer |",
        "|---|---" + "|--:" * (len(LIBRARIES) + 1) + "|",
    ]
    for row in (one for one in rows if one["kind"] == kind):
        middle = {name: quartiles[1] for name, quartiles in row["ms"].items()}
        best = min(middle, key=middle.__getitem__)
        told = ["–" if name not in middle else f"**{middle[name]:.3g}**" if name == best else f"{middle[name]:.3g}" for name in LIBRARIES]
        shape = row["shape"].replace(",", ", ")
        lines.append(f"| {shape} | {row['cell'].upper()} | {' | '.join(told)} | {row['over_best']:.2f} |")
    return "\n".join(lines)


def main() -> None:
    source, page = map(Path, sys.argv[1:])
    run = json.loads(source.read_text())
    parts = [f"{run['processor']}, {run['threads']} threads, float32; milliseconds, medians."]
    for kind in ("training", "inference"):
        parts += [f"## {kind.capitalize()}", table(run["rows"], kind)]
    text = page.read_text()
    page.write_text(MARKED.sub(lambda _: "\n" + "\n\n".join(parts) + "\n\n", text))


if __name__ == "__main__":
    main()
