#include "section.h"

#include <algorithm>
#include <cstring>

namespace ostinato {

int64_t lines_of(const Program& program) {
  int64_t lines = 0;
  for (const Pack& pack : program.packs)
    lines = std::max(lines, int64_t(pack.seg_widths.size() + 2 * pack.out_widths.size()));
  return lines;
}

template <class Real>
bool Frame<Real>::flat_over(const PointwiseOp& op, const int64_t* stride) const {
  for (int k = 0; k < op.n_operands; ++k) {
    int32_t v = op.operand[k].value;
    if (op.operand[k].moves && stride[v] != program->values[v].width) return false;
  }
  return true;
}

template <class Real>
void Frame<Real>::find_flat() {
  for (size_t k = 0; k < program->ops.size(); ++k) flat[k] = rows == 1 || flat_over(program->ops[k], row);
}

template <class Real>
void Frame<Real>::find_ahead() {
  for (size_t v = 0; v < program->values.size(); ++v) {
    Space space = program->values[v].space;
    bool streams = space == TAPE || space == TIME || space == STEP;
    ahead[v] = streams ? (program->backward ? -step[v] : step[v]) : 0;
  }
}

template <class Real>
inline void Frame<Real>::carry_out(const Item& item) {
  if (item.opcode == POINTWISE)
    run(item);
  else if (item.opcode == OP_GEMM)
    gemm(item);
  else if (!split || member == 0)
    rowwise(item);
}

template <class Real>
void Frame<Real>::carry_out(const std::vector<Item>& section) {
  for (const Item& item : section) carry_out(item);
}

template <class Real>
void Frame<Real>::carry_out(const std::vector<Item>& section, const uint8_t* waits, Member& crew, int64_t at_step) {
  for (const Item& item : section) {
    if (*waits++) crew.wait(at_step);
    carry_out(item);
  }
  if (*waits) crew.wait(at_step);
}

template <class Real>
void Frame<Real>::run(const Item& item) {
  const PointwiseOp* ops = program->ops.data() + item.first_op;
  auto [first, end] = split ? split->columns(item.width, member) : Split::Range{0, item.width};
  if (first == end) return;
  if (steps == 1)
    return kernels->pointwise(ops, flat + item.first_op, item.n_ops, rows, item.width, first, end, at, row,
                              fetches ? ahead : nullptr);

  // Many steps: one long row where they lie side by side, steps as rows where there is one row.
  bool whole = !split;
  for (int32_t v : item.values) whole &= step[v] == rows * item.width && (rows == 1 || row[v] == item.width);
  if (whole || rows == 1) {
    for (int32_t k = 0; k < item.n_ops; ++k) scratch_flat[k] = whole || flat_over(ops[k], step);
    if (whole)
      return kernels->pointwise(ops, scratch_flat, item.n_ops, 1, steps * rows * item.width, 0,
                                steps * rows * item.width, at, step, nullptr);
    return kernels->pointwise(ops, scratch_flat, item.n_ops, steps, item.width, first, end, at, step, nullptr);
  }
  for (int64_t s = 0; s < steps; ++s) {
    kernels->pointwise(ops, flat + item.first_op, item.n_ops, rows, item.width, first, end, at, row, nullptr);
    for (int32_t v : item.values) at[v] += step[v];
  }
  for (int32_t v : item.values) at[v] -= steps * step[v];
}

template <class Real>
void Frame<Real>::gemm(const Item& item) {
  const int32_t* words = item.words;
  const GemmShape& shape = shapes[words[0]];
  int32_t n_out = shape.n_out;
  const int32_t *outs = words + 3, *segments = outs + 2 * n_out;
  GemmLines<Real>*a = lines, *dst = a + shape.n_seg, *init = dst + n_out;
  auto each = [&](auto body) {
    for (int32_t s = 0; s < shape.n_seg; ++s) body(segments[s], a[s]);
    for (int32_t o = 0; o < n_out; ++o) body(outs[2 * o], dst[o]), body(outs[2 * o + 1], init[o]);
  };
  // One group where all rows lie evenly; otherwise a group is a step, or a row with all its steps.
  int64_t groups = 1, count = rows * steps;
  const int64_t *along = rows == 1 ? step : row, *across = row;
  if (rows > 1 && steps > 1) {
    bool even = true;
    each([&](int32_t v, auto&) { even &= v < 0 || step[v] == rows * row[v]; });
    if (!even) {
      bool by_step = rows >= std::min(steps, int64_t(kernels->tile_rows));
      groups = by_step ? steps : rows, count = by_step ? rows : steps;
      along = by_step ? row : step, across = by_step ? step : row;
    }
  }
  each([&](int32_t v, GemmLines<Real>& line) {
    if (v < 0)
      line = {nullptr, 0, 0};
    else
      line = {at[v], along[v], across[v]};
  });
  if (!split) return kernels->gemm(shape, packed[words[0]], last_first, groups, count, a, dst, init);

  // Others have just written parts of what is read: let all of it come at once.
  if (groups * count == 1)
    for (int32_t s = 0; s < shape.n_seg; ++s)
      for (int64_t k = 0; k < shape.seg_widths[s]; k += LINE_BYTES / int64_t(sizeof(Real)))
        __builtin_prefetch(a[s].first + k);
  const Split::Panels& mine = split->packs[words[0]];
  GemmShape some = shape;
  for (Panels& panels : some.panels) panels.n = 0;
  const Real* first = packed[words[0]];
  for (int kind = 0; kind < PANEL_KINDS; ++kind) {
    const Panels& all = shape.panels[kind];
    int64_t from = mine.first[kind][member], n = mine.first[kind][member + 1] - from, panel = shape.depth * all.width;
    some.panels[kind] = {all.columns + from * all.vectors, n, all.vectors, all.width};
    if (n) kernels->gemm(some, first + from * panel, last_first, groups, count, a, dst, init);
    some.panels[kind].n = 0, first += all.n * panel;
  }
}

template <class Real>
void Frame<Real>::rowwise(const Item& item) {
  const int32_t* w = item.words;
  const std::vector<Value>& values = program->values;
  int64_t n = values[w[0]].width;
  // The address of a value in step s and row r, for whichever operand.
  auto each = [&](auto body) {
    for (int64_t s = 0; s < steps; ++s)
      for (int64_t r = 0; r < rows; ++r) body([&](int32_t v) { return at[v] + s * step[v] + r * row[v]; }, s, r);
  };
  switch (item.opcode) {
    case OP_EXPAND: {
      int64_t k = values[w[1]].width;
      return each([&](auto p, int64_t, int64_t) { kernels->expand(p(w[0]), p(w[1]), k, n); });
    }
    case OP_SUM: {
      int64_t wide = values[w[1]].width;
      return each([&](auto p, int64_t, int64_t) { kernels->sum(p(w[0]), p(w[1]), wide, n); });
    }
    case OP_COPYCOLS:
      return each([&](auto p, int64_t, int64_t) { std::memcpy(p(w[0]) + w[1], p(w[2]) + w[3], w[4] * sizeof(Real)); });
    case OP_ZERO:
      return each([&](auto p, int64_t, int64_t) { std::memset(p(w[0]), 0, n * sizeof(Real)); });
    case OP_NORMALISE:
      return each([&](auto p, int64_t, int64_t) { kernels->normalise(p(w[0]), p(w[1]), n, at[w[2]][0]); });
    case OP_NORMALISE_GRAD:
      return each([&](auto p, int64_t, int64_t) {
        kernels->normalise_grad(p(w[0]), p(w[1]), p(w[2]), p(w[3]), n, at[w[4]][0]);
      });
    case OP_UNIFORM:
      return each([&](auto p, int64_t s, int64_t r) {
        uint32_t draw = once ? 0xffffffffu : first_step + uint32_t(s);
        kernels->uniform(p(w[0]), n, seed, uint32_t(w[1]) + 256 * stream, first_row + uint32_t(r), draw);
      });
    case OP_ROWS:
      if (values[w[1]].width == n)
        return each([&](auto p, int64_t, int64_t) { std::memcpy(p(w[0]), at[w[1]], n * sizeof(Real)); });
      return each([&](auto p, int64_t, int64_t) { std::fill_n(p(w[0]), n, at[w[1]][0]); });
    case OP_TRANSPOSE:
      for (int64_t i = 0; i < w[2]; ++i)
        for (int64_t j = 0; j < w[3]; ++j) at[w[0]][j * w[2] + i] = at[w[1]][i * w[3] + j];
      return;
    case OP_MATVEC:
      return kernels->matvec(at[w[0]], at[w[1]], at[w[2]], w[3], w[4], w[5] == 1);
    case OP_OUTER1: {
      int64_t cols = values[w[2]].width;
      for (int64_t i = 0; i < values[w[1]].width; ++i)
        for (int64_t j = 0; j < cols; ++j) at[w[0]][i * cols + j] = at[w[1]][i] * at[w[2]][j];
      return;
    }
  }
}

template struct Frame<float>;
template struct Frame<double>;

}  // namespace ostinato
