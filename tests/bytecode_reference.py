"""A second, slow reading of docs/bytecode.md in NumPy: what the native engine and the compiler are both held against.

Memory is laid out by slot, as in the engine, and starts as NaN: a slot shared too early, or read before it is
written, shows.
"""

from __future__ import annotations

import numpy as np

from ostinato.compiler.bytecode import Bytecode
from ostinato.program.philox import uniform
from ostinato.program.table import OPERATIONS, numpy_math

CONST, PARAM, GIVEN, GRAD, ROW, CHUNK, WORK, TILE, TAPE, TIME, CARRY, STEP, SEQ = range(13)
POINTWISE = {row.opcode: row for row in OPERATIONS.values() if row.kind == "pointwise" and row.name != "stop"}


class Reference:
    """One bytecode over given arrays; gradients of parameters come out in `grads`, the caller's arrays are written."""

    def __init__(self, code: Bytecode) -> None:
        words = [int(w) for w in code.words]
        self.consts, self.backward = code.consts, bool(words[5] & 1)
        self.counts, self.sizes = words[6:12], words[12:20]
        at = 32

        def table(count: int, columns: int) -> list[list[int]]:
            nonlocal at
            rows = [words[at + columns * i : at + columns * (i + 1)] for i in range(count)]
            at += columns * count
            return rows

        n_params, n_grads, n_externs, n_states, n_values, n_packs = self.counts
        self.params, self.grads = table(n_params, 2), table(n_grads, 2)
        self.externs, self.states, self.values = table(n_externs, 3), table(n_states, 5), table(n_values, 5)
        self.packs = []
        for _ in range(n_packs):
            n_out, n_seg = words[at : at + 2]
            widths = words[at + 2 : at + 2 + n_out + n_seg]
            at += 2 + n_out + n_seg
            pairs = [tuple(words[at + 2 * j : at + 2 * j + 2]) for j in range(n_out * n_seg)]
            at += 2 * n_out * n_seg
            self.packs.append((n_out, n_seg, widths[:n_out], widths[n_out:], pairs))
        self.sections = []
        for s in range(7):
            here, position = [], words[20 + s]
            while position < words[21 + s]:
                length = words[position] >> 8
                here.append((words[position] & 255, words[position + 1 : position + length]))
                position += length
            self.sections.append(here)

    def run(self, T, B, given, externs, tape=None, seed=0, stream=0, first_step=0):
        """`externs` holds an array (or None) for each extern; returns the parameters' gradients and the tape."""
        self.T, self.B, self.given, self.ext = T, B, given, externs
        self.seed, self.stream, self.first_step = seed, stream, first_step
        param, row, chunk, work, _, tape_width, time, carry = self.sizes
        nan = lambda *shape: np.full(shape, np.nan)  # noqa: E731
        self.memory = {
            PARAM: nan(param), ROW: nan(B, row), CHUNK: nan(T, B, chunk), WORK: nan(B, work), TILE: {},
            TAPE: nan(T + 1, B, tape_width) if tape is None else tape, TIME: nan(T, B, time), CARRY: nan(2, B, carry),
        }  # fmt: skip
        self.out = [np.full((r, c) if r > 1 else (c,), np.nan) for r, c in self.grads]
        self.s = self.i = None
        for section in (0, 1):
            self.section(section)
        self.section(2, steps=range(T))
        for value_in, _, extern_in, _, const in self.states:
            self.s, self.i = (T - 1 if self.backward else 0), 0
            start = self.ext[extern_in]
            if T:
                start = self.consts[self.values[const][1]] if start is None else start
                self.put(value_in, np.broadcast_to(start, (B, self.values[value_in][2])))
        for i, s in enumerate(reversed(range(T)) if self.backward else range(T)):
            self.i, self.s = i, s
            self.section(3)
        for _, value_out, extern_in, extern_out, const in self.states:
            self.s, self.i = (0 if self.backward else T - 1), T - 1
            if self.ext[extern_out] is not None:
                start = self.ext[extern_in]
                empty = self.consts[self.values[const][1]] if start is None else start
                self.ext[extern_out][...] = self.get(value_out) if T else empty
        self.section(4, steps=range(T))
        self.s = self.i = None
        for section in (5, 6):
            self.section(section)
        return self.out, self.memory[TAPE]

    def section(self, number, steps=(None,)):
        self.now = number
        width = None
        for op, words in self.sections[number]:
            run = op < 64 and self.values[words[0]][2]
            if not run or run != width:
                self.memory[TILE] = {}
            width = run
            for step in steps:
                if step is not None:
                    self.s = step
                self.instruction(op, words)

    # ---------------------------------------------------------------- memory

    def get(self, v):
        space, offset, width, shift, index = self.values[v]
        if space == CONST:
            return self.consts[offset : offset + width]
        if space == PARAM:
            return self.memory[PARAM][offset : offset + width]
        if space == GIVEN:
            return np.asarray(self.given[index]).ravel()
        if space in (STEP, SEQ):
            array = self.ext[index]
            assert self.externs[index][0] in (0, 2), "an output is read"
            return np.zeros((self.B, width)) if array is None else array[self.s] if space == STEP else array
        if space == TILE:
            return self.memory[TILE][offset, self.s]
        return self.frame(space, shift)[:, offset : offset + width].copy()

    def put(self, v, value):
        space, offset, width, shift, index = self.values[v]
        value = np.asarray(value)
        if space == PARAM:
            self.memory[PARAM][offset : offset + width] = value.ravel()
        elif space == GRAD:
            self.out[index][...] = value.reshape(self.out[index].shape)
        elif space in (STEP, SEQ):
            assert self.externs[index][0] in (1, 3), "an input is written"
            (self.ext[index][self.s] if space == STEP else self.ext[index])[...] = value
        elif space == TILE:
            self.memory[TILE][offset, self.s] = np.broadcast_to(value, (self.B, width))
        else:
            self.frame(space, shift)[:, offset : offset + width] = value

    def frame(self, space, shift):
        memory = self.memory[space]
        if space in (ROW, WORK):
            return memory
        if space == CARRY:
            return memory[(self.i + shift) & 1]
        return memory[self.s + shift]

    # ---------------------------------------------------------------- instructions

    def instruction(self, op, words):
        get, put = self.get, self.put
        if op in POINTWISE:
            put(words[0], POINTWISE[op].meaning(numpy_math, *(get(w) for w in words[1:])))
        elif op == 64:
            n, a = self.values[words[0]][2], get(words[1])
            put(words[0], np.repeat(a, n // a.shape[-1], -1))
        elif op == 65:
            a, groups = get(words[1]), self.values[words[0]][2]
            put(words[0], a.reshape(*a.shape[:-1], groups, -1).sum(-1))
        elif op == 66:
            dst, first, a, a_first, n = words
            space, offset, _, shift, index = self.values[dst]
            part = get(a)[..., a_first : a_first + n]
            if space == PARAM:
                self.memory[PARAM][offset + first : offset + first + n] = part
            elif space == GRAD:
                self.out[index].reshape(-1)[first : first + n] = part
            elif space == STEP:
                self.ext[index][self.s][:, first : first + n] = part
            else:
                self.frame(space, shift)[:, offset + first : offset + first + n] = part
        elif op == 67:
            width = self.values[words[0]][2]
            put(words[0], np.zeros(width) if self.values[words[0]][0] in (PARAM, GRAD) else np.zeros((self.B, width)))
        elif op == 68:
            put(words[0], OPERATIONS["normalise"].meaning(numpy_math, get(words[1]), get(words[2])[0]))
        elif op == 69:
            put(words[0], OPERATIONS["normalise_grad"].meaning(numpy_math, *(get(w) for w in words[1:4]), get(words[4])[0]))
        elif op == 70:
            self.gemm(words)
        elif op == 71:
            stream = words[1] + 256 * self.stream
            step = None if self.now == 1 else self.first_step + self.s
            put(words[0], uniform(self.seed, stream, step, self.B, self.values[words[0]][2]))
        elif op == 72:
            put(words[0], np.broadcast_to(get(words[1]), (self.B, self.values[words[0]][2])))
        elif op == 73:
            put(words[0], get(words[1]).reshape(words[2], words[3]).T)
        elif op == 74:
            w = get(words[1]).reshape(words[3], words[4])
            put(words[0], (w.T if words[5] else w) @ get(words[2]))
        elif op == 75:
            put(words[0], np.outer(get(words[1]), get(words[2])))
        elif op == 80:
            v = self.over_time(words[0])
            for k in range(words[1]):
                dst, g = words[2 + 2 * k : 4 + 2 * k]
                put(dst, np.einsum("tbn,tbk->nk", self.over_time(g), v))
        elif op == 81:
            put(words[0], self.over_time(words[1]).sum((0, 1)))
        else:
            raise AssertionError(f"opcode {op}")

    def over_time(self, v):
        rows = []
        for s in range(self.T):
            self.s = s
            rows.append(self.get(v))
        self.s = None
        return np.array(rows).reshape(self.T, self.B, self.values[v][2])

    def gemm(self, words):
        n_out, n_seg, outs, segs, pairs = self.packs[words[0]]
        assert words[1:3] == [n_out, n_seg]
        operands = [self.get(v) for v in words[3 + 2 * n_out :]]
        results = []
        for o in range(n_out):
            init = words[4 + 2 * o]
            total = np.zeros((self.B, outs[o])) if init < 0 else np.broadcast_to(self.get(init), (self.B, outs[o]))
            for k in range(n_seg):
                value, transposed = pairs[o * n_seg + k]
                shape = (segs[k], outs[o]) if transposed else (outs[o], segs[k])
                w = self.get(value).reshape(shape)
                w = w if transposed else w.T
                for first in range(0, segs[k], 128):
                    total = total + operands[k][..., first : first + 128] @ w[first : first + 128]
            results.append(total)
        for o, total in enumerate(results):
            self.put(words[3 + 2 * o], total)
