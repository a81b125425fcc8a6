"""What is measured, part by part: the rows to come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from .driver import Asked, Way
from .problem import Problem

CELLS = ("rnn", "gru", "lstm")
STANDARD = ((100, 1, 32, 64), (100, 32, 64, 128), (200, 64, 128, 256), (50, 64, 512, 512), (1000, 16, 16, 32), (365, 256, 8, 64))
MIDDLE, ALONE = (100, 32, 64, 128), (100, 1, 32, 64)  # the shapes that most parts use
GROWN = {"T": "length", "B": "batch", "H": "hidden"}
# Sizes that fit no vector, each with the next one that does.
ODD = (("H", 100, 128), ("H", 33, 48), ("H", 7, 16), ("B", 3, 4), ("B", 17, 24), ("I", 1, 16))
SIZES = {**GROWN, "I": "inputs"}
LIBRARIES: dict[str, Way] = {
    "ostinato": ("peers.in_ostinato", "layer"),
    "torch": ("peers.in_torch", "layer"),
    "JAX": ("peers.in_jax", "layer"),
    "TensorFlow": ("peers.in_tensorflow", "layer"),
    "ONNX Runtime": ("peers.in_onnxruntime", "layer"),
}
PAIR = {name: LIBRARIES[name] for name in ("ostinato", "torch")}
OWN: dict[str, Way] = {
    "ostinato": ("own.in_ostinato", "own"),
    "built in": ("own.in_ostinato", "built_in"),
    "torch": ("own.in_torch", "loop"),
    "JAX": ("own.in_jax", "layer"),
}
COMPILED: dict[str, Way] = {"torch.compile": ("own.in_torch", "compiled")}
# Steps, rows and width of products.
PRODUCTS = ((100, 1, 64), (100, 1, 256), (100, 8, 128), (100, 32, 128), (100, 32, 512), (100, 64, 256), (50, 64, 512), (1000, 16, 32))


@dataclass(frozen=True)
class Plan:
    """How much: `quick` is for a look, a tenth of the rows and turns."""

    quick: bool = False
    compile: bool = False

    def shapes(self) -> tuple[tuple[int, int, int, int], ...]:
        return (ALONE, MIDDLE) if self.quick else STANDARD

    def ask(self, part: str, problem: Problem, ways: Mapping[str, Way], turns: int, seconds: float = 0.06, **how: object) -> Asked:
        turns, seconds = (2, 0.02) if self.quick else (turns, seconds)
        return Asked(part, problem, ways, turns, seconds, **how)  # type: ignore[arg-type]


def peak(plan: Plan) -> Iterator[Asked]:
    for dtype in ("float32", "float64"):
        ways: dict[str, Way] = {"loop in registers": ("peak", "registers"), "torch.mm": ("peak", "products")}
        yield Asked("peak", Problem("", dtype=dtype), ways, 6, 0.1)


def table(plan: Plan) -> Iterator[Asked]:
    for shape, cell in product(plan.shapes(), CELLS):
        yield plan.ask("table", Problem(cell, *shape), LIBRARIES, 12, memory=True, peak=True)


def growth(plan: Plan) -> Iterator[Asked]:
    for cell in ("lstm",) if plan.quick else ("lstm", "gru"):
        base = Problem(cell, *MIDDLE)
        yield plan.ask("growth", base, LIBRARIES, 3, memory=True)
        for name, times in product(GROWN.values(), (4,) if plan.quick else (2, 4, 8)):
            yield plan.ask("growth", replace(base, **{name: times * getattr(base, name)}), LIBRARIES, 3, memory=True)


def odd(plan: Plan) -> Iterator[Asked]:
    for cell, sizes in product(("lstm",) if plan.quick else ("lstm", "gru"), ODD[1:4:2] if plan.quick else ODD):
        for size in sizes[1:]:
            yield plan.ask("odd", resized(Problem(cell, *MIDDLE), sizes[0], int(size)), PAIR, 4)


def resized(problem: Problem, name: str, size: int) -> Problem:
    """Another T, B, I or H."""
    return replace(problem, **{SIZES[name]: size})


def double(plan: Plan) -> Iterator[Asked]:
    libraries = {name: LIBRARIES[name] for name in ("ostinato", "torch", "JAX")}
    for shape, cell in product(plan.shapes()[-1:], ("lstm",)) if plan.quick else product(STANDARD, CELLS):
        yield plan.ask("double", Problem(cell, *shape, dtype="float64"), libraries, 6)


def own(plan: Plan) -> Iterator[Asked]:
    for shape, cell in product((MIDDLE, ALONE), ("mgu",) if plan.quick else ("janet", "mgu", "gru_layernorm", "mlstm")):
        ways = {**OWN, **(COMPILED if plan.compile else {})}
        if cell == "janet":  # not in the library
            del ways["built in"]
        yield plan.ask("own", Problem(cell, *shape), ways, 6)


def steps(plan: Plan) -> Iterator[Asked]:
    ways: dict[str, Way] = {
        "ostinato": ("inside", "training_step", "ostinato"),
        "ostinato, own threads": ("inside", "training_step", "ostinato", "own"),
        "torch": ("inside", "training_step", "torch"),
    }
    for shape in (MIDDLE, ALONE, (20, 8, 16, 32)):
        yield plan.ask("steps", Problem("lstm", *shape), ways, 5, 0.2)


def call(plan: Plan) -> Iterator[Asked]:
    ways: dict[str, Way] = {
        "ostinato": ("inside", "call", "ostinato"),
        "torch": ("inside", "call", "torch"),
        "the engine alone": ("inside", "engine_call"),
    }
    for cell in CELLS:
        yield plan.ask("call", Problem(cell, 1, 1, 16, 16), ways, 8)


def bits(plan: Plan) -> Iterator[Asked]:
    ways: dict[str, Way] = {"ostinato": ("orders", "ours"), "torch": ("orders", "theirs")}
    products = PRODUCTS[3:4] if plan.quick else PRODUCTS
    for (length, batch, width), cell in product(products, ("product", "recurrence")):
        yield plan.ask("bits", Problem(cell, length, batch, width, width), ways, 5)
    functions: dict[str, Way] = {library: ("orders", "functions", library) for library in ("ostinato", "torch")}
    yield plan.ask("bits", Problem("functions", 1, 1, 8192), functions, 5)
    for cell in ("lstm", "gru"):
        halves: dict[str, Way] = {library: ("inside", "chunks", library) for library in ("ostinato", "torch")}
        yield plan.ask("bits", Problem(cell, *MIDDLE), halves, 5)


def epochs(plan: Plan) -> Iterator[Asked]:
    for part, length, batch in (("forecaster", 14, 64), ("classifier", 29, 32)):
        ways: dict[str, Way] = {library: ("epochs", part, library) for library in ("ostinato", "torch")}
        for cell in ("gru",) if plan.quick else CELLS:
            yield plan.ask(f"epochs {part}", Problem(cell, length, batch, 0, 32), ways, 4)


PARTS: dict[str, Callable[[Plan], Iterator[Asked]]] = {
    one.__name__: one for one in (peak, table, growth, odd, double, own, steps, call, bits, epochs)
}
