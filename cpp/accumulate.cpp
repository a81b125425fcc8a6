// Sums over steps and rows, after all blocks. Row r of step s has the number s * B + r. Chains of CHAIN_ROWS rows are
// added up to slices, and these to the whole, always in order, so that a sum depends on nothing but the sequence.
// Threads split the outputs, and the slices where there are few outputs.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "loop.h"
#include "sums.h"

namespace ostinato {

namespace {

constexpr int64_t CHAIN_ROWS = 64;
constexpr int64_t MOST_BYTES = 128 << 10;   // of a group's sums, which share the second cache with rows
constexpr int64_t LEAST = 4096;             // sums of a group, so that it has work for the rows it reads
constexpr int64_t SLICES_BYTES = 32 << 20;  // of the sums of all slices
constexpr int64_t SMALL_WORK = 1 << 21;     // multiply-adds that one thread does before another has come
constexpr int64_t GROUPS_OF_A_THREAD = 4;   // at least, so that none waits long for the last

// Where an operand's rows lie in one block: row r of the block's own step s at base + s * step + r * row.
template <class Real>
struct Line {
  const Real* base;
  int64_t step, row;
};

// Some rows of a group's operands.
template <class Real>
struct Table {
  const Real** at;  // [operands][CHAIN_ROWS]
  int64_t rows;
};

template <class Real>
struct Sums final : Work {
  Run<Real>& run;
  const int64_t B, rows;
  int64_t per_slice, slices;  // rows of a slice
  int threads;
  int64_t parts;  // of a group, each a task: its slices or all of it
  Plan plan;
  std::vector<Line<Real>> lines;           // [operands][blocks]
  std::vector<std::atomic<int64_t>> left;  // [groups] slices to come, where there are parts
  size_t tables[2], whole, slice;
  Layout layout;
  Arena memory, partial;        // for each participant; [groups][slices][sums]
  std::vector<int64_t> before;  // [groups] where a group's part of `partial` begins

  Sums(Run<Real>& run, int64_t size)
      : run(run),
        B(run.call.B),
        rows(run.call.T * B),
        per_slice(rows_of_slice(rows)),
        slices((rows + per_slice - 1) / per_slice),
        threads(useful_threads(size)),
        parts(threads > 1 && size < threads * GROUPS_OF_A_THREAD * MOST && slices * size <= MOST_PARTIAL ? slices : 1),
        plan(run.program, run.kernels.lanes, limit(size)),
        left(parts > 1 ? plan.groups.size() : 0) {
    find_lines();
    int64_t most = 0, total = 0;
    for (const Group& group : plan.groups) {
      before.push_back(total * slices);
      most = std::max(most, group.size), total += group.size;
    }
    for (auto& count : left) count = slices;
    for (size_t& table : tables) table = layout.add(int64_t(plan.operands.size()) * CHAIN_ROWS, sizeof(void*));
    whole = layout.add(parts > 1 ? 0 : most, sizeof(Real));
    slice = layout.add(parts > 1 || slices == 1 ? 0 : most, sizeof(Real));
    Layout all, of_slices;
    all.add(int64_t(layout.bytes()), threads);
    memory = Arena(all.bytes());
    for (int t = 0; t < threads; ++t) layout.guard(memory.data() + t * layout.bytes());
    of_slices.add(parts > 1 ? total * slices : 0, sizeof(Real));
    partial = Arena(of_slices.bytes());
  }

  void carry_out() { parallel(*this, int64_t(plan.groups.size()) * parts, threads); }

  void waiting() noexcept override { run.watch.look(); }

  void task(int64_t number, int participant) noexcept override {
    size_t index = size_t(number / parts);
    const Group& group = plan.groups[index];
    std::byte* mine = memory.data() + participant * layout.bytes();
    Table<Real> table[2];
    for (int k = 0; k < 2; ++k) table[k].at = reinterpret_cast<const Real**>(mine + tables[k]);
    if (parts > 1) {
      Real *all = partial.template as<Real>() + before[index], *own = all + number % parts * group.size;
      if (!add_rows(group, number % parts, table, own, participant)) return;
      if (--left[index]) return;
      for (int64_t k = 1; k < slices; ++k) add(all, all + k * group.size, group.size);
      return hand_over(group, all);
    }
    Real *all = reinterpret_cast<Real*>(mine + whole), *own = reinterpret_cast<Real*>(mine + slice);
    for (int64_t k = 0; k < slices; ++k) {
      if (!add_rows(group, k, table, k ? own : all, participant)) return;
      if (k) add(all, own, group.size);
    }
    hand_over(group, all);
  }

 private:
  static constexpr int64_t MOST = MOST_BYTES / int64_t(sizeof(Real)),
                           MOST_PARTIAL = SLICES_BYTES / int64_t(sizeof(Real));

  // The square root of the number of chains, rounded up: as many to a slice as slices.
  static int64_t rows_of_slice(int64_t rows) {
    int64_t root = 1;
    while (root * root * CHAIN_ROWS < rows) ++root;
    return root * CHAIN_ROWS;
  }

  int useful_threads(int64_t size) const {
    double work = double(rows) * double(size) / double(SMALL_WORK);
    return int(std::clamp<double>(work, 1, std::clamp(run.call.threads, 1, MAX_THREADS)));
  }

  int64_t limit(int64_t size) const {
    if (threads == 1) return MOST;
    return std::clamp(size * parts / (GROUPS_OF_A_THREAD * threads), LEAST, MOST);
  }

  void find_lines() {
    static constexpr Real ONE = 1;
    const Program& p = run.program;
    int64_t T = run.call.T;
    lines.reserve(plan.operands.size() * size_t(run.blocks));
    for (int32_t v : plan.operands)
      for (int64_t block = 0; block < run.blocks; ++block) {
        int64_t first = block * run.R, R = run.rows_of(block), steps = run.spans[block].steps;
        if (v == ONES) {
          lines.push_back({&ONE, 0, 0});
          continue;
        }
        const Value& x = p.values[v];
        int64_t step = R * x.width;
        if (x.space == TAPE) {
          const Real* part = run.tape + first * (T + 1) * p.tape_width;
          lines.push_back({part + R * x.offset * (steps + 1) + x.shift * step, step, x.width});
        } else if (x.space == TIME) {
          lines.push_back({run.time + first * T * p.time_width + R * x.offset * steps, step, x.width});
        } else {
          const Call::Address& e = run.call.externs[x.index];
          int64_t along = x.space == STEP ? e.time_stride : 0;
          const Real* start = reinterpret_cast<const Real*>(e.address);
          if (e.address)
            lines.push_back({start + run.spans[block].first * along + first * e.row_stride, along, e.row_stride});
          else
            lines.push_back({run.zeros, 0, 0});
        }
      }
  }

  // Adds up the rows of one slice, chain by chain; false if the user wants to stop.
  bool add_rows(const Group& group, int64_t number, Table<Real>* table, Real* out, int participant) {
    if (participant == 0) run.watch.look();
    if (run.watch.stopped()) return false;
    int64_t first = number * per_slice, last = std::min(first + per_slice, rows);
    find_rows(group, first, std::min(first + CHAIN_ROWS, last), table[0]);
    for (int64_t row = first; row < last; row += CHAIN_ROWS) {
      find_rows(group, row + CHAIN_ROWS, std::min(row + 2 * CHAIN_ROWS, rows), table[1]);
      if (table[0].rows || row == first) add_chain(group, table[0], table[1], out, row > first);
      std::swap(table[0], table[1]);
    }
    return true;
  }

  void add_chain(const Group& group, const Table<Real>& now, const Table<Real>& next, Real* out, bool go_on) {
    auto line = [&](int32_t operand, int64_t first, bool fetches) {
      const Real **at = now.at + operand * CHAIN_ROWS, **later = next.at + operand * CHAIN_ROWS;
      bool ahead = fetches && now.rows && next.rows;
      return Lines<Real>{at, first, ahead ? int64_t(uintptr_t(later[0]) - uintptr_t(at[0])) : 0};
    };
    for (const Piece& piece : group.pieces) {
      Real* to = at_home(piece) ? run.late(piece.dst) + piece.first : out + piece.at;
      run.kernels.outer(now.rows, piece.n, piece.k, line(piece.g, piece.first_g, piece.fetches_g),
                        line(piece.v, piece.first_v, piece.fetches_v), to, at_home(piece) ? piece.down : piece.ld,
                        go_on);
    }
  }

  // The addresses of rows `number` ... `end` that the spans of their blocks hold.
  void find_rows(const Group& group, int64_t number, int64_t end, Table<Real>& table) const {
    table.rows = 0;
    if (run.blocks == 1) {  // all rows that it holds follow each other
      number = std::max(number, run.spans[0].first * B);
      end = std::min(end, (run.spans[0].first + run.spans[0].steps) * B);
    }
    int64_t s = number / B, row = number % B;
    while (number < end) {
      int64_t block = row / run.R, r = row - block * run.R, R = run.rows_of(block);
      int64_t count = run.blocks == 1 ? end - number : std::min(end - number, R - r);
      const Span& span = run.spans[block];
      if (span.holds(s)) {
        for (int32_t operand : group.operands) {
          const Line<Real>& line = lines[size_t(operand * run.blocks + block)];
          const Real* base = line.base + (s - span.first) * line.step + r * line.row;
          follow(line, base, r, R, count, table.at + operand * CHAIN_ROWS + table.rows);
        }
        table.rows += count;
      }
      number += count, row += count;
      if (row == B) row = 0, ++s;
    }
  }

  static void follow(const Line<Real>& line, const Real* base, int64_t r, int64_t R, int64_t count, const Real** to) {
    int64_t row = R == 1 ? line.step : line.row;
    if (line.step == R * line.row || R == 1 || count <= R - r) {
      for (int64_t i = 0; i < count; ++i) to[i] = base + i * row;
      return;
    }
    for (int64_t i = 0; i < count; ++i) {
      to[i] = base;
      base += row;
      if (++r == R) r = 0, base += line.step - R * row;
    }
  }

  static void add(Real* sum, const Real* more, int64_t n) {
    for (int64_t i = 0; i < n; ++i) sum[i] += more[i];
  }

  // Whether a piece can be added up right where it belongs: few rows are not worth a copy of their sums.
  bool at_home(const Piece& piece) const { return slices == 1 && piece.along == 1 && piece.k % run.kernels.lanes == 0; }

  // From a group's sums to where they belong.
  void hand_over(const Group& group, const Real* sums) {
    for (const Piece& piece : group.pieces) {
      if (at_home(piece)) continue;
      Real* to = run.late(piece.dst) + piece.first;
      const Real* from = sums + piece.at;
      for (int64_t i = 0; i < piece.n; ++i, from += piece.ld, to += piece.down) {
        if (piece.along == 1)
          std::memcpy(to, from, piece.k * sizeof(Real));
        else
          for (int64_t j = 0; j < piece.k; ++j) to[j * piece.along] = from[j];
      }
    }
  }
};

}  // namespace

template <class Real>
void accumulate(Run<Real>& run) {
  const Program& p = run.program;
  int64_t size = 0;  // of all sums
  auto each = [&](auto f) {
    for (const Item& item : p.sections[ACC]) {
      if (item.opcode == OP_COLSUM) f(item.words[0]);
      for (int32_t o = 0; item.opcode == OP_OUTER && o < item.words[1]; ++o) f(item.words[2 + 2 * o]);
    }
  };
  if (run.call.T == 0 || run.call.B == 0)
    return each([&](int32_t v) { std::memset(run.late(v), 0, p.values[v].width * sizeof(Real)); });
  each([&](int32_t v) { size += p.values[v].width; });
  if (size) Sums<Real>(run, size).carry_out();
}

template void accumulate(Run<float>&);
template void accumulate(Run<double>&);

}  // namespace ostinato
