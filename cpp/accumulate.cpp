// Sums over steps and rows, after all blocks: in chunks of steps aligned to the start of the sequence, so that
// they depend on nothing but the sequence. Threads split the outputs.
#include <algorithm>
#include <cstring>

#include "loop.h"

namespace ostinato {

namespace {

constexpr int64_t MOST_N = 128, MOST_K = 256;  // outputs of one task

// A part of one sum's outputs: rows n ... and columns k ... of dst.
struct Piece {
  int32_t dst, g, v;  // values; v = -1: COLSUM
  int64_t n, n_end, k, k_end, ld;
};

template <class Real>
struct Sums final : Work {
  Run<Real>& run;
  std::vector<Piece> pieces;
  Layout layout;
  size_t gs, vs, packed, part;
  Arena memory;
  int64_t S;

  Sums(Run<Real>& run) : run(run), S(std::max<int64_t>(1, OUTER_ROWS / std::max<int64_t>(1, run.call.B))) {
    for (const Item& item : run.program.sections[ACC]) {
      const int32_t* w = item.words;
      auto width = [&](int32_t v) { return int64_t(run.program.values[v].width); };
      if (item.opcode == OP_COLSUM) {
        for (int64_t n = 0; n < width(w[1]); n += MOST_K)
          pieces.push_back({w[0], w[1], -1, n, std::min(n + MOST_K, width(w[1])), 0, 0, 0});
        continue;
      }
      for (int32_t o = 0; o < w[1]; ++o) {
        int32_t dst = w[2 + 2 * o], g = w[3 + 2 * o];
        for (int64_t n = 0; n < width(g); n += MOST_N)
          for (int64_t k = 0; k < width(w[0]); k += MOST_K)
            pieces.push_back(
                {dst, g, w[0], n, std::min(n + MOST_N, width(g)), k, std::min(k + MOST_K, width(w[0])), width(w[0])});
      }
    }
    gs = layout.add(OUTER_ROWS, sizeof(void*));
    vs = layout.add(OUTER_ROWS, sizeof(void*));
    int64_t panel = run.kernels.lanes * run.kernels.panel_vectors;
    packed = layout.add(MOST_N + run.kernels.tile_rows + MOST_K + panel, OUTER_ROWS, sizeof(Real));
    part = layout.add(MOST_N * MOST_K, sizeof(Real));
  }

  void carry_out() {
    if (pieces.empty()) return;
    int threads = int(std::clamp<int64_t>(std::min<int64_t>(run.call.threads, int64_t(pieces.size())), 1, MAX_THREADS));
    Layout all;
    all.add(int64_t(layout.bytes()), threads);
    memory = Arena(all.bytes());
    for (int t = 0; t < threads; ++t) layout.guard(memory.data() + t * layout.bytes());
    parallel(*this, int64_t(pieces.size()), run.call.threads);
  }

  void waiting() noexcept override { run.watch.look(); }

  void task(int64_t number, int participant) noexcept override {
    const Piece& piece = pieces[number];
    std::byte* mine = memory.data() + participant * layout.bytes();
    const Real **g = reinterpret_cast<const Real**>(mine + gs), **v = reinterpret_cast<const Real**>(mine + vs);
    Real *scratch = reinterpret_cast<Real*>(mine + packed), *sum = reinterpret_cast<Real*>(mine + part);
    int64_t n = piece.n_end - piece.n, k = piece.k_end - piece.k, T = run.call.T, B = run.call.B;
    bool matrix = piece.v >= 0;
    Real* dst = run.late(piece.dst) + (matrix ? piece.n * piece.ld + piece.k : piece.n);
    if (T == 0 || B == 0) return clear(dst, n, k, piece.ld, matrix);

    for (int64_t first = 0; first < T; first += S) {
      if (participant == 0) run.watch.look();
      if (run.watch.stopped()) return;
      int64_t rows = std::min(S, T - first) * B, s = first, row = 0;
      bool one_go = rows <= OUTER_ROWS;
      Real* out = first == 0 || one_go ? dst : sum;
      int64_t ld = out == dst ? piece.ld : k;
      Chain chain = first > 0 && one_go ? CHAIN_ADD : CHAIN_START;
      for (int64_t done = 0; done < rows;) {
        int64_t count = 0;
        for (; done < rows && count < OUTER_ROWS; ++done) {
          if (run.spans[row / run.R].holds(s)) {
            g[count] = run.number(piece.g, s, row) + piece.n;
            if (matrix) v[count] = run.number(piece.v, s, row) + piece.k;
            ++count;
          }
          if (++row == B) row = 0, ++s;
        }
        if (!count && chain != CHAIN_START) continue;
        if (matrix)
          run.kernels.outer_chunk(count, n, k, g, v, scratch, out, ld, chain);
        else
          run.kernels.colsum_chunk(count, n, g, out, chain);
        chain = CHAIN_GO_ON;
      }
      if (out == dst) continue;
      for (int64_t i = 0; i < (matrix ? n : 1); ++i)
        for (int64_t j = 0; j < (matrix ? k : n); ++j) dst[i * piece.ld + j] += sum[i * ld + j];
    }
  }

  static void clear(Real* dst, int64_t n, int64_t k, int64_t ld, bool matrix) {
    for (int64_t i = 0; i < (matrix ? n : 1); ++i) std::memset(dst + i * ld, 0, (matrix ? k : n) * sizeof(Real));
  }
};

}  // namespace

template <class Real>
void accumulate(Run<Real>& run) {
  Sums<Real>(run).carry_out();
}

template void accumulate(Run<float>&);
template void accumulate(Run<double>&);

}  // namespace ostinato
