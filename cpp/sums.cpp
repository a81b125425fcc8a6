#include "sums.h"

#include <algorithm>

namespace ostinato {

namespace {

constexpr int64_t BLOCK_K = 256;  // columns of a piece

int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// The place of x in the list, at its end if it is new.
int32_t place(std::vector<int32_t>& list, int32_t x) {
  auto found = std::find(list.begin(), list.end(), x);
  if (found == list.end()) found = list.insert(found, x);
  return int32_t(found - list.begin());
}

}  // namespace

Plan::Plan(const Program& program, int64_t lanes, int64_t limit) : p_(program), lanes_(lanes), limit_(limit) {
  for (const Item& item : p_.sections[ACC])
    for (int32_t o = 0; item.opcode == OP_OUTER && o < item.words[1]; ++o)
      outer(item.words[2 + 2 * o], item.words[3 + 2 * o], item.words[0]);
  for (const Item& item : p_.sections[ACC])
    if (item.opcode == OP_COLSUM) cut({item.words[0], ONES, item.words[1], 0, 1, 0, width(item.words[1]), 0, 0, 1});
}

// Numbers of g by whole vectors of v. What is left of v changes places with g where that makes less work, and so does
// all of it where it is narrow; no sum depends on it.
void Plan::outer(int32_t dst, int32_t g, int32_t v) {
  int64_t n = width(g), k = width(v), rest = k % lanes_, turned = rest * up(n, lanes_), straight = n * up(rest, lanes_);
  int64_t whole = turned < straight ? k - rest : k;
  if (k < 2 * lanes_ && k * up(n, lanes_) <= n * (k - rest) + std::min(turned, straight)) whole = 0;
  if (whole) cut({dst, g, v, 0, n, 0, whole, 0, k, 1});
  if (whole < k) cut({dst, v, g, whole, k - whole, 0, n, whole, 1, k});
}

void Plan::cut(const Piece& all) {
  int64_t wide = std::min(up(all.k, lanes_), BLOCK_K), high = std::max<int64_t>(8, limit_ / wide / 8 * 8);
  for (int64_t i = 0; i < all.n; i += high)
    for (int64_t j = 0; j < all.k; j += wide) {
      Piece piece = all;
      piece.first_g += i, piece.n = std::min(high, all.n - i);
      piece.first_v += j, piece.k = std::min(wide, all.k - j);
      piece.first += i * all.down + j * all.along;
      add(piece);
    }
}

void Plan::add(Piece piece) {
  piece.g = place(operands, piece.g), piece.v = place(operands, piece.v);
  piece.ld = up(piece.k, lanes_);
  int64_t size = piece.n * piece.ld;
  if (groups.empty() || groups.back().size + size > limit_) groups.emplace_back();
  Group& group = groups.back();
  for (const Piece& other : group.pieces) {
    auto reads = [&](int32_t operand, int64_t first) {
      return (other.g == operand && other.first_g <= first && first < other.first_g + other.n) ||
             (other.v == operand && other.first_v <= first && first < other.first_v + other.k);
    };
    if (reads(piece.g, piece.first_g)) piece.fetches_g = false;
    if (reads(piece.v, piece.first_v)) piece.fetches_v = false;
  }
  place(group.operands, piece.g), place(group.operands, piece.v);
  piece.at = group.size, group.size += size;
  group.pieces.push_back(piece);
}

}  // namespace ostinato
