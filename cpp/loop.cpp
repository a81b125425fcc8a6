// The time loop: blocks of rows, each over the whole sequence in chunks of steps.
#include "loop.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "block.h"
#include "slices.h"

namespace ostinato {

namespace {

constexpr uint64_t TAPE_MAGIC = 0x3170615454534Full;
constexpr int64_t MEDIUM_WEIGHTS = 512 << 10;  // packed bytes that no longer share the second cache with the rest
constexpr int64_t CACHED_WEIGHTS = 2 << 20;    // and that the second cache does not hold
constexpr int64_t LARGE_WEIGHTS = 16 << 20;    // and that come from memory
constexpr double BRIEF_WORK = 16 << 20;        // packed bytes times rows times steps: less than about 100 microseconds
constexpr int64_t SLICES_OF_A_THREAD = 16;     // so that threads end together, where slices are not too brief:
constexpr double BRIEF_SLICE = 8 << 20;        // as BRIEF_WORK, about 50 microseconds
constexpr int64_t CHUNK_BYTES = 128 << 10;     // of a block's chunk memory
constexpr int64_t MAX_CHUNK = 256;
constexpr int64_t SHARED_CHUNK = 32;  // of shared steps: helpers that come early take part in what is hoisted
constexpr int64_t LEAST_SHARED_STEPS = 8;
constexpr int64_t MAX_EXTENT = int64_t(1) << 31, MAX_ROWS = 64;

// Tasks are slices of blocks; where there are many blocks a slice is a whole one.
template <class Real>
struct Blocks final : Work {
  Run<Real>& run;
  const Parts& parts;
  std::byte* memory;
  int64_t steps;  // of a slice
  Slices& slices;
  Crew* crew;  // of the only block, or null
  Blocks(Run<Real>& run, const Parts& parts, std::byte* memory, int64_t steps, Slices& slices, Crew* crew)
      : run(run), parts(parts), memory(memory), steps(steps), slices(slices), crew(crew) {}

  void task(int64_t, int participant) noexcept override {
    std::byte* own = memory + participant * parts.layout.bytes();
    Block<Real> block(run, parts, own, own, crew);
    Slices::Slice slice;
    for (bool more = true; more && !run.watch.stopped() && slices.take(slice); more = slices.leave(slice))
      block.carry_out(slice.block, slice.number * steps, (slice.number + 1) * steps, participant == 0);
    if (crew) crew->end();
  }
  void join(int participant) noexcept override {
    Block<Real>(run, parts, memory + participant * parts.layout.bytes(), memory, crew).join(0);
  }
  void waiting() noexcept override { run.watch.look(); }
};

// The EPILOGUE, one row on the calling thread.
template <class Real>
void epilogue(Run<Real>& run) {
  const Program& p = run.program;
  if (p.sections[EPILOGUE].empty()) return;
  FlushSubnormals flush;
  std::vector<Real*> at(p.values.size());
  for (size_t v = 0; v < at.size(); ++v)
    if (!in_rows(p.values[v].space)) at[v] = run.late(int32_t(v));
  std::vector<int64_t> none(p.values.size());
  std::vector<uint8_t> flat(p.ops.size(), 1);
  Frame<Real> frame{};
  frame.program = &p, frame.kernels = &run.kernels, frame.at = at.data();
  frame.step = frame.row = none.data(), frame.flat = flat.data();
  frame.steps = frame.rows = 1;
  frame.carry_out(p.sections[EPILOGUE]);
}

[[noreturn]] void refuse(const std::string& cause) { throw std::invalid_argument("run: " + cause); }

template <class Real>
void check(const Program& p, const Call& call) {
  if (call.T < 0 || call.B < 0) refuse("a negative number of steps or rows");
  if (call.T > MAX_EXTENT || call.B > MAX_EXTENT) refuse("more steps or rows than memory could hold");
  if (call.stream < 0 || call.stream >= 1 << 24) refuse("a stream is a number below 2^24");
  if (call.externs.size() != p.externs.size())
    refuse("takes " + std::to_string(3 * p.externs.size()) + " numbers for its externs");
  std::vector<bool> of_state(p.externs.size());
  for (const State& state : p.states) {
    if (state.extern_in >= 0) of_state[state.extern_in] = true;
    if (state.extern_out >= 0) of_state[state.extern_out] = true;
  }
  for (size_t k = 0; k < p.externs.size(); ++k) {
    const Extern& e = p.externs[k];
    if (call.externs[k].address % sizeof(Real)) refuse("extern " + std::to_string(k) + " is unaligned");
    bool may_be_null = e.optional && (of_state[k] || e.kind == STEP_IN);
    bool empty = call.B == 0 || (call.T == 0 && (e.kind == STEP_IN || e.kind == STEP_OUT));
    if (!call.externs[k].address && !may_be_null && !empty) refuse("extern " + std::to_string(k) + " is null");
  }
  if (call.valid >= 0) {
    bool fits = call.valid < int64_t(p.externs.size()) && p.externs[call.valid].kind == STEP_IN &&
                p.externs[call.valid].width == 1 && (call.externs[call.valid].address || call.T == 0 || call.B == 0);
    if (!fits) refuse("valid is not a step input of width 1");
  }
  if (call.grads.size() != p.grads.size()) refuse("takes " + std::to_string(p.grads.size()) + " gradients");
  for (uintptr_t address : call.grads)
    if (!address || address % sizeof(Real)) refuse("a gradient's address is null or unaligned");
}

// The rows of a block. No result depends on it. From two rows on, time goes as the rows do and one more for the block.
// Slices share blocks out among threads, but for the last one; brief work is dealt out whole, and not worth a second
// thread. Many rows help where weights come from another cache or from memory at every step; few pass over more where
// rows end at their own steps.
int64_t choose_rows(const Call& call, int64_t loop_bytes) {
  int64_t threads = std::max(call.threads, 1), best = 1;
  bool brief = double(loop_bytes) * double(call.B) * double(call.T) < BRIEF_WORK, ragged = call.valid >= 0;
  int64_t most = loop_bytes > LARGE_WEIGHTS                              ? MAX_ROWS
                 : ragged                                                ? 8
                 : loop_bytes > CACHED_WEIGHTS && call.B >= 64 * threads ? 32
                 : threads > 1 && loop_bytes < MEDIUM_WEIGHTS            ? 12
                                                                         : 16;
  double least_cost = INFINITY;
  for (int64_t R = brief ? 8 : 2; R <= most; ++R) {
    int64_t blocks = (call.B + R - 1) / R, rounds = (blocks + threads - 1) / threads;
    double block = double(R + 1), all = double(call.B + blocks) / double(threads);
    double cost = brief ? double(rounds) * block : std::max(block, all);
    if (blocks % threads) cost *= 1.01;
    if (cost < least_cost) best = R, least_cost = cost;
  }
  return std::clamp<int64_t>(best, 1, std::max<int64_t>(call.B, 1));
}

// What each block takes: all steps, or those between its first and its last real one.
template <class Real>
std::vector<Span> spans_of(const Call& call, int64_t R, int64_t blocks) {
  std::vector<Span> spans(blocks, Span{0, call.T});
  if (call.valid < 0) return spans;
  const Call::Address& e = call.externs[call.valid];
  for (int64_t block = 0; block < blocks; ++block) {
    int64_t row = block * R, end = std::min(row + R, call.B), first = 0, last = call.T;
    auto real = [&](int64_t s) {
      for (int64_t r = row; r < end; ++r)
        if (reinterpret_cast<const Real*>(e.address)[s * e.time_stride + r * e.row_stride] != 0) return true;
      return false;
    };
    while (last > 0 && !real(last - 1)) --last;
    while (first < last && !real(first)) ++first;
    spans[block] = {first, last - first};
  }
  return spans;
}

// The steps of a slice: all where there is nothing to share out, or where there are many blocks.
int64_t choose_slice(const Call& call, int64_t R, int64_t blocks, int64_t loop_bytes) {
  if (call.threads <= 1 || blocks <= call.threads || call.T == 0) return std::max<int64_t>(1, call.T);
  int64_t wanted = (SLICES_OF_A_THREAD * call.threads + blocks - 1) / blocks;
  int64_t least = int64_t(BRIEF_SLICE / (double(loop_bytes) * double(R) + 1));
  return std::clamp<int64_t>((call.T + wanted - 1) / wanted, std::min(least, call.T), call.T);
}

}  // namespace

int64_t tape_size(const Program& program, bool is_double, int64_t T, int64_t B) {
  if (T < 0 || B < 0 || T > MAX_EXTENT || B > MAX_EXTENT) refuse("a tape for an impossible number of steps or rows");
  int64_t real = is_double ? 8 : 4;
  Layout().add((T + 1) * program.tape_width, B, real);  // throws where that is too much
  return int64_t(sizeof(TapeHeader)) + (T + 1) * program.tape_width * B * real;
}

template <class Real>
Real* Run<Real>::late(int32_t v) const {
  const Value& x = program.values[v];
  if (x.space == GRAD) return reinterpret_cast<Real*>(call.grads[x.index]) + x.offset;
  if (x.space == PARAM && program.own_param[v]) return own_params + x.offset;
  return filled.level_p[v];
}

template <class Real>
bool TypedWeights<Real>::run(const Call& call) {
  const Program& p = *program_;
  check<Real>(p, call);
  std::shared_ptr<Filled<Real>> filled;
  {
    std::lock_guard lock(mutex_);
    filled = filled_;
  }
  if (!filled) refuse("the weights have not been filled: call update first");

  int64_t R = choose_rows(call, loop_bytes_);
  auto* header = reinterpret_cast<TapeHeader*>(call.tape);
  if (p.tape_width) {
    if (!call.tape || call.tape % alignof(TapeHeader)) refuse("the tape's address is null or unaligned");
    if (call.tape_bytes < tape_size(p, sizeof(Real) == 8, call.T, call.B)) refuse("the tape is too small");
    if (p.backward) {
      bool fits = header->magic == TAPE_MAGIC && header->T == call.T && header->B == call.B &&
                  header->tape_width == p.tape_width && header->real_bytes == int64_t(sizeof(Real)) &&
                  header->rows >= 1 && header->rows <= MAX_ROWS;
      if (!fits) refuse("the tape was not left by a forward pass of these steps, rows and type");
      R = header->rows;
    } else {
      *header = {TAPE_MAGIC, call.T, call.B, R, p.tape_width, int64_t(sizeof(Real)), {}};
    }
  }
  int64_t blocks = (call.B + R - 1) / R;
  // Of a single block the steps may be shared.
  bool may_share = blocks == 1 && call.threads > 1 && !splits_.empty() && call.T >= LEAST_SHARED_STEPS;
  bool shares = may_share && trial_.share();
  int64_t slice = choose_slice(call, R, blocks, loop_bytes_);
  int64_t chunk_row = std::max<int64_t>(1, p.chunk_width * R * int64_t(sizeof(Real)));
  int64_t full = (GEMM_ROWS + R - 1) / R;  // fewer rows read hoisted weights more often
  int64_t C = std::clamp<int64_t>(std::max(CHUNK_BYTES / chunk_row, full), 1,
                                  std::min(shares ? SHARED_CHUNK : MAX_CHUNK, slice));
  slice = (slice + C - 1) / C * C;

  int32_t widest = 1;
  for (const Extern& e : p.externs) widest = std::max(widest, e.optional ? e.width : 1);
  Parts parts(p, R, C, sizeof(Real));
  int64_t useful = shares ? int64_t(splits_.size()) + 1 : blocks;
  int threads = int(std::clamp<int64_t>(std::min<int64_t>(call.threads, useful), 1, MAX_THREADS));
  Layout shared;
  size_t zeros = shared.add(widest, sizeof(Real));
  size_t own = shared.add(p.writes_param_late ? p.param_size : 0, sizeof(Real));
  size_t workers = shared.add(int64_t(parts.layout.bytes()), threads);
  Kept kept(p, R, sizeof(Real));
  size_t kept_memory = shared.add(int64_t(kept.layout.bytes()), blocks);
  Arena memory(shared.bytes());
  Layout whole_run;
  whole_run.add(call.T * p.time_width, call.B, sizeof(Real));
  Arena time(whole_run.bytes());
  std::vector<Span> spans = spans_of<Real>(call, R, blocks);
  std::memset(memory.data() + zeros, 0, widest * sizeof(Real));
  for (int t = 0; t < threads; ++t) parts.layout.guard(memory.data() + workers + t * parts.layout.bytes());
  for (int64_t b = 0; b < blocks; ++b) kept.layout.guard(memory.data() + kept_memory + b * kept.layout.bytes());
  Slices slices;
  for (const Span& span : spans) slices.add(std::max<int64_t>(1, (span.steps + slice - 1) / slice));

  Run<Real> run{p,
                kernels_,
                shapes_,
                *filled,
                call,
                R,
                C,
                blocks,
                reinterpret_cast<Real*>(header + 1),
                time.template as<Real>(),
                reinterpret_cast<Real*>(memory.data() + zeros),
                reinterpret_cast<Real*>(memory.data() + own),
                kept,
                memory.data() + kept_memory,
                spans.data(),
                splits_.data(),
                Watch(call.interrupted)};
  Crew crew(threads, p);
  Blocks<Real> work(run, parts, memory.data() + workers, slice, slices, shares ? &crew : nullptr);
  auto start = std::chrono::steady_clock::now();
  if (shares)
    lead(work, threads);
  else
    parallel(work, slices.total(), threads);
  if (may_share) trial_.took(shares, crew.met(), std::chrono::steady_clock::now() - start, call.T * call.B);
  if (!run.watch.stopped()) accumulate(run);
  if (!run.watch.stopped()) epilogue(run);
  return !run.watch.stopped();
}

template struct Run<float>;
template struct Run<double>;
template bool TypedWeights<float>::run(const Call&);
template bool TypedWeights<double>::run(const Call&);

}  // namespace ostinato
