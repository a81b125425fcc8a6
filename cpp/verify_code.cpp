// The verifier's walk through the instructions: the right operands, in the right places, of the right widths.
#include "verify.h"

namespace ostinato {

void Verifier::check_item(Item& item) {
  at = item.at;
  if (item.opcode == POINTWISE) return check_run(item);
  bool single_row = section == PROLOGUE || section == EPILOGUE;
  auto need = [&](bool allowed) {
    if (!allowed) refuse("opcode " + std::to_string(item.opcode) + " may not stand here");
  };
  auto length = [&](int64_t n) {
    if (item.n_words != n) refuse("opcode " + std::to_string(item.opcode) + " with the wrong number of words");
  };
  if (section == ACC) need(item.opcode == OP_OUTER || item.opcode == OP_COLSUM);
  const int32_t* w = item.words;
  auto apart = [&](int32_t dst, int32_t a) {
    if (overlap(value(dst), value(a))) refuse("the result lies over an operand");
  };
  auto apart_or_same = [&](int32_t dst, int32_t a) {
    if (!same(value(dst), value(a))) apart(dst, a);
  };
  auto wide = [&](int32_t v, int64_t width) {
    if (value(v).width != width) refuse(name(v) + " should have width " + std::to_string(width));
  };
  auto no_tile = [&](int32_t v) {
    if (value(v).space == TILE) refuse("only pointwise instructions use TILE");
  };
  auto eps = [&](int32_t v) {
    if (value(v).space != CONST || value(v).width != 1) refuse("eps is a CONST of width 1");
  };
  auto source = [&](int32_t v) { no_tile(v), read(v, single_row); };
  auto result = [&](int32_t v) { no_tile(v), write(v); };

  switch (item.opcode) {
    case OP_EXPAND:
      length(2), apart(w[0], w[1]), source(w[1]), result(w[0]);
      if (value(w[0]).width % value(w[1]).width) refuse("EXPAND to a width that is no multiple");
      break;
    case OP_SUM:
      length(2), apart(w[0], w[1]), source(w[1]), result(w[0]);
      if (value(w[1]).width % value(w[0]).width) refuse("SUM to a width that does not divide");
      break;
    case OP_COPYCOLS: {
      length(5), apart(w[0], w[2]), source(w[2]), no_tile(w[0]);
      int64_t n = w[4];
      if (w[1] < 0 || w[3] < 0 || n < 1 || w[1] + n > value(w[0]).width || w[3] + n > value(w[2]).width)
        refuse("COPYCOLS beyond a width");
      write(w[0], w[1], w[1] + n);
      break;
    }
    case OP_ZERO:
      length(1), result(w[0]);
      break;
    case OP_NORMALISE:
      length(3), eps(w[2]), apart_or_same(w[0], w[1]), source(w[1]), wide(w[1], value(w[0]).width), result(w[0]);
      break;
    case OP_NORMALISE_GRAD:
      length(5), eps(w[4]);
      for (int k = 1; k <= 3; ++k) apart_or_same(w[0], w[k]), source(w[k]), wide(w[k], value(w[0]).width);
      result(w[0]);
      break;
    case OP_GEMM:
      need(!single_row), check_gemm(item);
      break;
    case OP_UNIFORM:
      need(!single_row), length(2), result(w[0]);
      if (w[1] < 0 || w[1] > 255) refuse("a stream is a number below 256");
      break;
    case OP_ROWS:
      length(2), no_tile(w[0]), read(w[1], true), write(w[0]);
      if (single_row) apart(w[0], w[1]);
      if (value(w[1]).width != 1) wide(w[1], value(w[0]).width);
      break;
    case OP_TRANSPOSE:
    case OP_OUTER1:
    case OP_MATVEC:
      need(single_row), check_matrix(item);
      break;
    case OP_OUTER: {
      need(section == ACC);
      if (item.n_words < 2 || w[1] < 1 || item.n_words != 2 + 2 * int64_t(w[1])) refuse("OUTER of the wrong length");
      read(w[0]);
      for (int o = 0; o < w[1]; ++o) {
        read(w[3 + 2 * o]);
        wide(w[2 + 2 * o], int64_t(value(w[3 + 2 * o]).width) * value(w[0]).width);
        write_sum(w[2 + 2 * o]);
      }
      break;
    }
    case OP_COLSUM:
      need(section == ACC), length(2), read(w[1]), wide(w[0], value(w[1]).width), write_sum(w[0]);
      break;
    default:
      refuse("no such opcode: " + std::to_string(item.opcode));
  }
}

// The sums of ACC run at the same time: no two may share numbers.
void Verifier::write_sum(int32_t v) {
  const Value& x = value(v);
  const Ranges* taken = x.space == PARAM ? &late_params : x.space == GRAD ? &late_grads[x.index] : nullptr;
  if (taken && taken->meets(x.offset, int64_t(x.offset) + x.width)) refuse("two sums share numbers");
  write(v);
}

// Instructions of a run are carried out tile by tile, so values may coincide but not partly overlap.
void Verifier::check_run(Item& item) {
  bool single_row = section == PROLOGUE || section == EPILOGUE;
  if (section == ACC) refuse("only OUTER and COLSUM may stand here");
  for (auto& [k, ranges] : written)
    if (k.space == TILE) ranges.list.clear();
  std::vector<int32_t> touched, changed;
  int32_t place = item.at;
  for (int32_t i = item.first_op; i < item.first_op + item.n_ops; ++i) {
    PointwiseOp& op = p.ops[i];
    at = place, place += 1 + op.n_operands;
    for (int k = op.n_operands - 1; k >= 0; --k) {
      int32_t v = op.operand[k].value;
      const Value& x = value(v);
      if (k > 0 && x.space == CONST && x.width == 1) continue;
      if (x.width != item.width) refuse(name(v) + " differs in width from the result");
      if (!single_row && !in_rows(x.space)) refuse(name(v) + " has no rows");
      if (k)
        read(v);
      else
        write(v), changed.push_back(v);
      op.operand[k].first = std::find(touched.begin(), touched.end(), v) == touched.end();
      if (op.operand[k].first) touched.push_back(v);
    }
  }
  at = item.at;
  for (int32_t v : touched)
    if (p.values[v].space != TILE && in_rows(p.values[v].space)) item.values.push_back(v);
  for (int32_t c : changed)
    for (int32_t v : touched) {
      const Value &x = p.values[c], &y = p.values[v];
      if (!same(x, y) && overlap(x, y)) refuse("values of one run partly overlap");
      if (section != LOOP && x.space == TAPE && x.offset == y.offset && x.space == y.space && x.shift != y.shift)
        refuse("a run over a chunk both shifts and does not shift a value");
    }
}

void Verifier::check_gemm(const Item& item) {
  const int32_t* w = item.words;
  if (item.n_words < 3 || w[0] < 0 || w[0] >= int64_t(p.packs.size())) refuse("no such pack");
  const Pack& pack = p.packs[w[0]];
  int32_t n_out = w[1], n_seg = w[2];
  if (n_out != int64_t(pack.out_widths.size()) || n_seg != int64_t(pack.seg_widths.size()) ||
      item.n_words != 3 + 2 * int64_t(n_out) + n_seg)
    refuse("GEMM does not fit its pack");
  const int32_t *outs = w + 3, *segments = w + 3 + 2 * n_out;
  auto rows_of = [&](int32_t v, int32_t width) {
    const Value& x = value(v);
    if (!in_rows(x.space) || x.space == TILE) refuse(name(v) + " has no rows that GEMM could use");
    if (x.width != width) refuse(name(v) + " should have width " + std::to_string(width));
  };
  for (int s = 0; s < n_seg; ++s) rows_of(segments[s], pack.seg_widths[s]), read(segments[s]);
  for (int o = 0; o < n_out; ++o) {
    int32_t init = outs[2 * o + 1];
    if (init == -1) continue;
    if (init < 0 || in_rows(value(init).space))
      rows_of(init, pack.out_widths[o]);
    else if (value(init).width != pack.out_widths[o])
      refuse(name(init) + " is not as wide as its output");
    read(init);
  }
  for (int o = 0; o < n_out; ++o) {
    int32_t dst = outs[2 * o];
    rows_of(dst, pack.out_widths[o]);
    auto clear_of = [&](int32_t v) {
      const Value &x = value(dst), &y = value(v);
      bool shifted = section != LOOP && x.space == TAPE && y.space == TAPE && x.offset == y.offset;
      if (overlap(x, y) || shifted) refuse("a result of GEMM lies over an operand");
    };
    for (int s = 0; s < n_seg; ++s) clear_of(segments[s]);
    for (int q = 0; q < n_out; ++q) {
      if (q != o) clear_of(outs[2 * q]);
      if (outs[2 * q + 1] >= 0 && !(q == o && same(value(dst), value(outs[2 * q + 1])))) clear_of(outs[2 * q + 1]);
    }
  }
  for (int o = 0; o < n_out; ++o) write(outs[2 * o]);
}

void Verifier::check_matrix(const Item& item) {
  const int32_t* w = item.words;
  bool transpose = item.opcode == OP_TRANSPOSE, matvec = item.opcode == OP_MATVEC;
  if (item.n_words != (transpose ? 4 : matvec ? 6 : 3)) refuse("a matrix instruction of the wrong length");
  auto wide = [&](int32_t v, int64_t width) {
    if (value(v).width != width) refuse(name(v) + " should have width " + std::to_string(width));
  };
  read(w[1], true);
  if (!transpose) read(w[2], true);
  if (transpose || matvec) {
    int64_t rows = w[transpose ? 2 : 3], cols = w[transpose ? 3 : 4];
    if (rows < 1 || cols < 1) refuse("a matrix without rows or columns");
    wide(w[1], rows * cols);
    if (matvec && (w[5] < 0 || w[5] > 1)) refuse("transposed is 0 or 1");
    bool turned = matvec && w[5] == 1;
    wide(w[0], transpose ? rows * cols : turned ? cols : rows);
    if (matvec) wide(w[2], turned ? rows : cols);
  } else {
    wide(w[0], int64_t(value(w[1]).width) * value(w[2]).width);
  }
  for (int k = 1; k <= (transpose ? 1 : 2); ++k)
    if (overlap(value(w[0]), value(w[k]))) refuse("the result lies over an operand");
  write(w[0]);
}

}  // namespace ostinato
