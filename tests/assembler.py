"""Writes bytecode by hand, for tests of the native engine that owe nothing to the compiler."""

import numpy as np

from ostinato import _native
from ostinato.compiler.bytecode import Bytecode, checksum

CONST, PARAM, GIVEN, GRAD, ROW, CHUNK, WORK, TILE, TAPE, TIME, CARRY, STEP, SEQ = range(13)
STEP_IN, STEP_OUT, SEQ_IN, SEQ_OUT = range(4)
SECTIONS = ("prologue", "row", "pre", "loop", "post", "acc", "epilogue")
SIZES = (PARAM, ROW, CHUNK, WORK, TILE, TAPE, TIME, CARRY)
OPCODES = {
    "copy": 1, "exp": 6, "tanh": 11, "sigmoid": 12, "add": 32, "sub": 33, "mul": 34, "dtanh": 41, "fma": 57, "expand": 64, "sum": 65,
    "copycols": 66, "zero": 67, "normalise": 68, "normalise_grad": 69, "gemm": 70, "uniform": 71, "rows": 72, "transpose": 73,
    "matvec": 74, "outer1": 75, "outer": 80, "colsum": 81,
}  # fmt: skip


class Assembler:
    def __init__(self, backward=False):
        self.backward, self.consts, self.header = backward, [], {}
        self.params, self.grads, self.externs, self.states, self.values, self.packs = [], [], [], [], [], []
        self.sizes, self.sections = dict.fromkeys(SIZES, 0), {s: [] for s in SECTIONS}

    def value(self, space, width, offset=None, shift=0, index=0):
        """A new value; without an offset, at the end of its space."""
        if space in self.sizes:
            size = 1 if space == TILE else width
            if offset is None:
                offset, self.sizes[space] = self.sizes[space], self.sizes[space] + size
        self.values.append([space, offset or 0, width, shift, index])
        return len(self.values) - 1

    def const(self, *numbers):
        self.consts += numbers
        return self.value(CONST, len(numbers), len(self.consts) - len(numbers))

    def param(self, rows, cols):
        self.params.append([rows, cols])
        return self.value(GIVEN, rows * cols, index=len(self.params) - 1)

    def grad(self, rows, cols):
        self.grads.append([rows, cols])
        return self.value(GRAD, rows * cols, index=len(self.grads) - 1)

    def extern(self, kind, width, optional=0):
        self.externs.append([kind, width, optional])
        return self.value(STEP if kind < 2 else SEQ, width, index=len(self.externs) - 1)

    def state(self, space, width, start=0.0):
        """A state without externs: its value as it enters and as it leaves."""
        value_in = self.value(space, width)
        value_out = self.value(space, width, self.values[value_in][1], 1)
        self.states.append([value_in, value_out, -1, -1, self.const(start)])
        return value_in, value_out

    def pack(self, outs, segments, *pairs):
        self.packs.append([len(outs), len(segments), *outs, *segments, *(w for pair in pairs for w in pair)])
        return len(self.packs) - 1

    def put(self, section, op, *words):
        code = OPCODES.get(op, op)
        self.sections[section].append([code + 256 * (len(words) + 1), *words])

    def code(self, **header):
        tables = [*self.params, *self.grads, *self.externs, *self.states, *self.values, *self.packs]
        body, starts = [w for row in tables for w in row], []
        for name in SECTIONS:
            starts.append(32 + len(body))
            body += [w for instruction in self.sections[name] for w in instruction]
        counts = [len(t) for t in (self.params, self.grads, self.externs, self.states, self.values, self.packs)]
        end = 32 + len(body)
        sizes = [self.sizes[s] for s in SIZES]
        words = [0x5453544F, 1, end, 0, len(self.consts), int(self.backward), *counts, *sizes, *starts, end, 0, 0, 0, 0]
        words = np.array(words + body, np.int32)
        for place, word in header.items():
            words[int(place[1:])] = word
        consts = np.array(self.consts, np.float64)
        words[3:4].view(np.uint32)[0] = checksum(words, consts)
        return Bytecode(words, consts)

    def kernel(self):
        code = self.code()
        return _native.Kernel(code.words, code.consts)


def product(outs, segments, transposed=False):
    """y_o = bias_o + W_o x for several outputs and segments, once before the loop."""
    a = Assembler()
    bias = [a.param(1, n) for n in outs]
    pairs = [(a.param(*((k, n) if transposed else (n, k))), int(transposed)) for n in outs for k in segments]
    xs = [a.extern(STEP_IN, k) for k in segments]
    ys = [a.extern(STEP_OUT, n) for n in outs]
    pack = a.pack(outs, segments, *pairs)
    a.put("pre", "gemm", pack, len(outs), len(segments), *(w for y, b in zip(ys, bias, strict=True) for w in (y, b)), *xs)
    return a


def run(assembler, T, B, params=(), externs=(), grads=(), tape=None, dtype=np.float32, isa="", threads=1, **draws):
    """Run a hand-made program over arrays whose rows may lie apart: steps (T, B, width), sequences (B, width)."""
    weights = _native.Weights(assembler.kernel(), dtype == np.float64, isa)
    params = [np.ascontiguousarray(p, dtype) for p in params]
    weights.update([p.ctypes.data for p in params])
    words = []
    for (kind, width, _), array in zip(assembler.externs, externs, strict=True):
        if array is None:
            words += [0, 0, 0]
        else:
            *steps, rows, one = (stride // array.itemsize for stride in array.strides)
            assert array.dtype == dtype and array.shape[-1] == width and bool(steps) == (kind < 2)
            assert one == 1 or not array.size
            words += [array.ctypes.data, *(steps or [0]), rows]
    address, nbytes = (tape.address, tape.nbytes) if tape else (0, 0)
    _native.run(weights, T, B, words, address, nbytes, [g.ctypes.data for g in grads], threads=threads, **draws)
