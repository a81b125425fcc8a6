"""Encode a plan as the words of docs/bytecode.md, and print such words again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..program.table import OPERATIONS
from .places import Place, Space
from .plan import Instr, Pack, Plan
from .sections import Section

Words = npt.NDArray[np.int32]
Constants = npt.NDArray[np.float64]

MAGIC, VERSION, HEADER = 0x5453544F, 1, 32
_OPCODES = {name: row.opcode for name, row in OPERATIONS.items()} | {
    "copycols": 66, "zero": 67, "gemm": 70, "uniform": 71, "matvec": 74,
}  # fmt: skip
_SIZES = (Space.PARAM, Space.ROW, Space.CHUNK, Space.WORK, Space.TILE, Space.TAPE, Space.TIME, Space.CARRY)


@dataclass(frozen=True)
class Bytecode:
    """What the engine runs."""

    words: Words
    consts: Constants


def encode(plan: Plan) -> Bytecode:
    """The bytecode of a plan: the same plan gives the same words."""
    return _Encoder(plan).encode()


def checksum(words: Words, consts: Constants) -> int:
    """FNV-1a over the words, the checksum's own place as 0, and the bytes of the constants."""
    cleared = words.astype("<i4")
    cleared[3] = 0
    value = 0x811C9DC5
    for byte in cleared.tobytes() + consts.astype("<f8").tobytes():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


class _Encoder:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.values: dict[Place, int] = {}
        self.packs: dict[Pack, int] = {}
        self.consts = list(plan.consts)

    def encode(self) -> Bytecode:
        plan = self.plan
        starts = [self._constant(s.start) for s in plan.states]
        states = [
            [self._value(s.value_in), self._value(s.value_out), s.extern_in, s.extern_out, start]
            for s, start in zip(plan.states, starts, strict=True)
        ]
        sections = [[self._instruction(i) for i in plan.sections.get(s, [])] for s in Section]
        tables: list[list[int]] = [list(shape) for _, shape in [*plan.params, *plan.grads]]
        tables += [[e.kind, e.width, int(e.optional)] for e in plan.externs]
        tables += states
        packs = [self._pack(p) for p in self.packs]
        tables += [[p.space, p.offset, p.width, p.shift, p.index] for p in self.values]
        tables += packs
        body = [w for row in tables for w in row]
        places, at = [], HEADER + len(body)
        for instructions in sections:
            places.append(at)
            at += sum(len(i) for i in instructions)
        header = [
            MAGIC, VERSION, at, 0, len(self.consts), int(plan.kind == "backward"), len(plan.params), len(plan.grads),
            len(plan.externs), len(plan.states), len(self.values), len(self.packs),
            *(plan.sizes.get(s, 0) for s in _SIZES), *places, at, 0, 0, 0, 0,
        ]  # fmt: skip
        words = np.array(header + body + [w for s in sections for i in s for w in i], dtype=np.int32)
        consts = np.array(self.consts, dtype=np.float64)
        words[3:4].view(np.uint32)[0] = checksum(words, consts)
        return Bytecode(words, consts)

    def _value(self, place: Place | None) -> int:
        return -1 if place is None else self.values.setdefault(place, len(self.values))

    def _constant(self, number: float) -> int:
        self.consts.append(number)
        return self._value(Place(Space.CONST, len(self.consts) - 1, 1))

    def _pack(self, pack: Pack) -> list[int]:
        matrices = [w for place, transposed in pack.matrices for w in (self._value(place), int(transposed))]
        return [len(pack.outputs), len(pack.segments), *pack.outputs, *pack.segments, *matrices]

    def _instruction(self, instr: Instr) -> list[int]:
        places = [self._value(p) for p in instr.places]
        if instr.op == "gemm":
            assert instr.pack is not None
            for place, _ in instr.pack.matrices:
                self._value(place)
            words = [self.packs.setdefault(instr.pack, len(self.packs)), *instr.numbers, *places]
        elif instr.op == "outer":
            words = [places[0], *instr.numbers, *places[1:]]
        elif instr.op == "copycols":
            words = [places[0], instr.numbers[0], places[1], instr.numbers[1], instr.numbers[2]]
        else:
            words = [*places, *instr.numbers]
        return [_OPCODES[instr.op] + 256 * (len(words) + 1), *words]


# ---------------------------------------------------------------- the printed form


def disassemble(code: Bytecode) -> str:
    """The bytecode as text: sizes, tables, and each section's instructions with their operands' places."""
    words, at = [int(w) for w in code.words], HEADER
    n_params, n_grads, n_externs, n_states, n_values, n_packs = words[6:12]

    def table(count: int, columns: int) -> list[list[int]]:
        nonlocal at
        rows = [words[at + columns * i : at + columns * (i + 1)] for i in range(count)]
        at += count * columns
        return rows

    params, grads = table(n_params, 2), table(n_grads, 2)
    externs, states, values = table(n_externs, 3), table(n_states, 5), table(n_values, 5)
    names = [_place_name(Place(Space(v[0]), v[1], v[2], v[3], v[4]), code.consts) for v in values]
    lines = [f"pass {'backward' if words[5] & 1 else 'forward'}, {len(words)} words, {len(code.consts)} constants"]
    lines.append("sizes " + ", ".join(f"{s.name.lower()} {n}" for s, n in zip(_SIZES, words[12:20], strict=True)))
    lines += [f"param {i}: {r} x {c}" for i, (r, c) in enumerate(params)]
    lines += [f"grad {i}: {r} x {c}" for i, (r, c) in enumerate(grads)]
    kinds = ("step in", "step out", "sequence in", "sequence out")
    lines += [f"extern {i}: {kinds[k]}, width {w}{', optional' if o else ''}" for i, (k, w, o) in enumerate(externs)]
    lines += [f"state {i}: {names[a]} -> {names[b]}, extern {c} -> {d}, starts at {names[e]}" for i, (a, b, c, d, e) in enumerate(states)]
    for i in range(n_packs):
        n_out, n_seg = words[at : at + 2]
        outs, segs = words[at + 2 : at + 2 + n_out], words[at + 2 + n_out : at + 2 + n_out + n_seg]
        at += 2 + n_out + n_seg
        sources = [names[words[at + 2 * j]] + ("^T" if words[at + 2 * j + 1] else "") for j in range(n_out * n_seg)]
        at += 2 * n_out * n_seg
        lines.append(f"pack {i}: outputs {outs}, segments {segs}: {', '.join(sources)}")
    for section in Section:
        lines.append(f"{section.name.lower()}:")
        position, end = words[20 + section], words[21 + section]
        while position < end:
            length = words[position] // 256
            lines.append("  " + _instruction_text(words[position] % 256, words[position + 1 : position + length], names))
            position += length
    return "\n".join(lines) + "\n"


def _place_name(p: Place, consts: Constants) -> str:
    if p.space == Space.CONST and p.width == 1:
        return repr(float(consts[p.offset]))
    number = p.index if p.space in (Space.GIVEN, Space.GRAD, Space.STEP, Space.SEQ) else p.offset
    return f"{p.space.name.lower()}{number}:{p.width}" + ("'" if p.shift else "")


def _instruction_text(opcode: int, words: list[int], names: list[str]) -> str:
    name = next(n for n, o in _OPCODES.items() if o == opcode and n not in ("stop", "total", "matvec_t", "slice", "pad", "concat"))
    if opcode == _OPCODES["gemm"]:
        pack, n_out, _, *rest = words
        outs = [f"{names[rest[2 * k]]} = {names[rest[2 * k + 1]] if rest[2 * k + 1] >= 0 else '0'}" for k in range(n_out)]
        return f"gemm pack {pack}: {', '.join(outs)} + W * [{', '.join(names[v] for v in rest[2 * n_out :])}]"
    if opcode == _OPCODES["outer"]:
        operand, n_out, *rest = words
        return f"outer {names[operand]}: " + ", ".join(f"{names[rest[2 * k]]} += {names[rest[2 * k + 1]]}" for k in range(n_out))
    if opcode == 66:
        dst, first, source, source_first, count = words
        return f"copycols {names[dst]}[{first}:{first + count}] = {names[source]}[{source_first}:{source_first + count}]"
    plain = {"uniform": 1, "transpose": 2, "matvec": 3}.get(name, len(words))
    return f"{names[words[0]]} = {name} " + " ".join([*(names[w] for w in words[1:plain]), *(str(w) for w in words[plain:])])
