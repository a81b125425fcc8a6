// How the sums of ACC are cut: into rectangles of outputs, and these into groups that one task adds up.
#pragma once

#include "program.h"

namespace ostinato {

constexpr int32_t ONES = -1;  // in place of a value: 1 in every row

// out[i][j] = the sum of g[first_g + i] * v[first_v + j]. It belongs to dst[first + i * down + j * along].
struct Piece {
  int32_t dst, g, v;  // g, v: numbers of operands
  int64_t first_g, n, first_v, k;
  int64_t first, down, along;
  int64_t at = 0, ld = 0;                   // among its group's sums: n rows, whole vectors, `ld` apart
  bool fetches_g = true, fetches_v = true;  // is the first of its group to read them
};

struct Group {
  std::vector<Piece> pieces;
  std::vector<int32_t> operands;  // that it reads, each once
  int64_t size = 0;               // of its sums
};

struct Plan {
  std::vector<int32_t> operands;  // values, or ONES
  std::vector<Group> groups;

  // Groups of at most `limit` sums, or of one small piece.
  Plan(const Program& program, int64_t lanes, int64_t limit);

 private:
  const Program& p_;
  int64_t lanes_, limit_;

  void outer(int32_t dst, int32_t g, int32_t v);
  void cut(const Piece& all);
  void add(Piece piece);
  int64_t width(int32_t v) const { return p_.values[v].width; }
};

}  // namespace ostinato
