// The time loop: blocks of rows, each over the whole sequence in chunks of steps.
#include "loop.h"

#include <algorithm>
#include <cstring>

namespace ostinato {

namespace {

constexpr uint64_t TAPE_MAGIC = 0x3170615454534Full;
constexpr int64_t MEDIUM_WEIGHTS = 512 << 10;  // packed bytes that no longer share the second cache with the rest
constexpr int64_t LARGE_WEIGHTS = 16 << 20;    // and that come from memory
constexpr double BRIEF_WORK = 16 << 20;        // packed bytes times rows times steps: less than about 100 microseconds
constexpr int64_t CHUNK_BYTES = 128 << 10;     // of a block's chunk memory
constexpr int64_t CACHE_BYTES = 512 << 10;     // what lasts from step to step in the second cache, beside the rest
constexpr int64_t MAX_CHUNK = 256;
constexpr int64_t MAX_EXTENT = int64_t(1) << 31, MAX_ROWS = 64;

// Where a block's memory lies within the part of its participant.
struct Parts {
  size_t row, chunk, work, carry, tiles, at, base, step, stride, ahead, swing, moving, flat, scratch_flat, lines;
  Layout layout;

  Parts(const Program& p, int64_t R, int64_t C, int64_t real) {
    int64_t n_values = int64_t(p.values.size()), n_ops = int64_t(p.ops.size());
    row = layout.add(R, p.row_width, real);
    chunk = layout.add(R * C, p.chunk_width, real);
    work = layout.add(R, p.work_width, real);
    carry = layout.add(R * 2, p.carry_width, real);
    tiles = layout.add(p.tile_slots, TILE_NUMBERS, real);
    at = layout.add(n_values, sizeof(void*));
    base = layout.add(n_values, sizeof(void*));
    step = layout.add(n_values, 8);
    stride = layout.add(n_values, 8);
    ahead = layout.add(n_values, 8);
    swing = layout.add(n_values, 8);
    moving = layout.add(n_values, 4);
    flat = layout.add(n_ops, 1);
    scratch_flat = layout.add(n_ops, 1);
    lines = layout.add(lines_of(p), sizeof(GemmLines<float>));
  }
};

// Carries out one block after the other in the memory of one participant.
template <class Real>
class Block {
 public:
  Block(Run<Real>& run, const Parts& parts, std::byte* memory)
      : run_(run), p_(run.program), memory_(memory), parts_(parts) {
    base_ = part<Real*>(parts.base), moving_ = part<int32_t>(parts.moving), swing_ = part<int64_t>(parts.swing);
    frame_.program = &p_, frame_.kernels = &run.kernels, frame_.shapes = run.shapes.data();
    frame_.packed = run.filled.packed.data();
    frame_.at = part<Real*>(parts.at), frame_.step = part<int64_t>(parts.step);
    frame_.row = part<int64_t>(parts.stride), frame_.ahead = part<int64_t>(parts.ahead);
    frame_.flat = part<uint8_t>(parts.flat), frame_.scratch_flat = part<uint8_t>(parts.scratch_flat);
    frame_.lines = part<GemmLines<Real>>(parts.lines);
    frame_.seed = run.call.seed, frame_.stream = uint32_t(run.call.stream);
  }

  void carry_out(int64_t number, bool caller) {
    first_row_ = number * run_.R, R_ = run_.rows_of(number);
    T_ = run_.spans[number].steps, before_ = run_.spans[number].first;
    locate();
    if (T_ < run_.call.T) clear_outside();
    frame_.rows = R_, frame_.first_row = uint32_t(first_row_);
    frame_.find_flat(), frame_.find_ahead();
    frame_.fetches = R_ * T_ * (p_.tape_width + p_.time_width) * int64_t(sizeof(Real)) > CACHE_BYTES;

    frame_.steps = 1, frame_.once = true;
    place(0, 0);
    frame_.carry_out(p_.sections[ROWS_ONCE]);
    frame_.once = false;
    states_in();
    for (int64_t done = 0; done < T_; done += run_.C) {
      if (caller) run_.watch.look();
      if (run_.watch.stopped()) return;
      chunk(done, std::min(run_.C, T_ - done));
    }
    states_out();
  }

 private:
  Run<Real>& run_;
  const Program& p_;
  int64_t T_ = 0, before_ = 0;  // the steps taken, and how many were passed over before the first
  int64_t R_ = 0, first_row_ = 0;
  std::byte* memory_;
  const Parts& parts_;
  Real** base_;      // [values] address at the first step of the sequence or of the chunk
  int32_t* moving_;  // values whose address LOOP moves from step to step
  int64_t n_moving_ = 0;
  int64_t* swing_;  // [values] of CARRY: what takes its address to the other of its two places
  Frame<Real> frame_{};

  template <class T>
  T* part(size_t offset) const {
    return reinterpret_cast<T*>(memory_ + offset);
  }

  // Base address and strides of every value in this block.
  void locate() {
    Real *row = part<Real>(parts_.row), *chunk = part<Real>(parts_.chunk), *work = part<Real>(parts_.work),
         *carry = part<Real>(parts_.carry), *tiles = part<Real>(parts_.tiles);
    Real* tape = run_.tape + first_row_ * (run_.call.T + 1) * p_.tape_width;
    Real* time = run_.time + first_row_ * run_.call.T * p_.time_width;
    n_moving_ = 0;
    for (size_t v = 0; v < p_.values.size(); ++v) {
      const Value& x = p_.values[v];
      Real* base = nullptr;
      int64_t step = 0, across = x.width;
      switch (x.space) {
        case ROW:
          base = row + R_ * x.offset;
          break;
        case CHUNK:
          base = chunk + R_ * run_.C * x.offset, step = R_ * x.width;
          break;
        case WORK:
          base = work + R_ * x.offset;
          break;
        case TILE:
          base = tiles + x.offset * TILE_NUMBERS;
          break;
        case TAPE:
          step = R_ * x.width, base = tape + R_ * x.offset * (T_ + 1) + x.shift * step;
          break;
        case TIME:
          step = R_ * x.width, base = time + R_ * x.offset * T_;
          break;
        case CARRY:
          base = carry + R_ * x.offset * 2;
          break;
        case STEP:
        case SEQ: {
          const Call::Address& e = run_.call.externs[x.index];
          if (e.address) {
            base = reinterpret_cast<Real*>(e.address) + first_row_ * e.row_stride;
            across = e.row_stride, step = x.space == STEP ? e.time_stride : 0;
            base += before_ * step;
          } else {
            base = run_.zeros, across = 0;
          }
          break;
        }
        default:
          base = run_.filled.level_p[v], across = 0;
      }
      base_[v] = base, frame_.step[v] = step, frame_.row[v] = across;
      if (moves(x.space) || x.space == CARRY) moving_[n_moving_++] = int32_t(v);
    }
    std::copy_n(base_, p_.values.size(), frame_.at);
  }

  // Lets every address stand at step s, the i-th in the order taken, of a chunk that begins at step `low`.
  void place(int64_t s, int64_t low, int64_t i = 0) {
    for (int64_t k = 0; k < n_moving_; ++k) {
      int32_t v = moving_[k];
      const Value& x = p_.values[v];
      if (x.space == CARRY) {
        int64_t odd = (i + x.shift) & 1, size = R_ * x.width;
        frame_.at[v] = base_[v] + odd * size, swing_[v] = odd ? -size : size;
      } else {
        frame_.at[v] = base_[v] + (x.space == CHUNK ? s - low : s) * frame_.step[v];
      }
    }
  }

  // From one step to the next in the order taken; a carried value goes to and fro.
  void advance(int64_t forward) {
    for (int64_t k = 0; k < n_moving_; ++k) {
      int32_t v = moving_[k];
      if (p_.values[v].space == CARRY)
        frame_.at[v] += swing_[v], swing_[v] = -swing_[v];
      else
        frame_.at[v] += forward * frame_.step[v];
    }
  }

  void chunk(int64_t done, int64_t count) {
    int64_t low = p_.backward ? T_ - done - count : done;
    auto whole = [&](Section section) {
      if (p_.sections[section].empty()) return;
      place(low, low);
      frame_.steps = count, frame_.first_step = uint32_t(run_.call.first_step + before_ + low);
      frame_.carry_out(p_.sections[section]);
    };
    whole(PRE);
    frame_.steps = 1;
    int64_t s = p_.backward ? low + count - 1 : low, forward = p_.backward ? -1 : 1;
    place(s, low, done);
    for (int64_t k = 0; k < count; ++k, s += forward) {
      frame_.first_step = uint32_t(run_.call.first_step + before_ + s);
      frame_.carry_out(p_.sections[LOOP]);
      frame_.last_first = !frame_.last_first;
      advance(forward);
    }
    whole(POST);
  }

  // What is written step by step is 0 where no step is taken.
  void clear_outside() {
    for (size_t k = 0; k < p_.externs.size(); ++k) {
      const Call::Address& e = run_.call.externs[k];
      if (p_.externs[k].kind != STEP_OUT || !e.address) continue;
      for (int64_t s = 0; s < run_.call.T; ++s) {
        if (s == before_) s += T_;
        if (s >= run_.call.T) break;
        for (int64_t r = 0; r < R_; ++r)
          std::memset(reinterpret_cast<Real*>(e.address) + s * e.time_stride + (first_row_ + r) * e.row_stride, 0,
                      p_.externs[k].width * sizeof(Real));
      }
    }
  }

  // A state's rows before the first step: shift 0 of i = 0 and s = 0.
  void states_in() {
    for (const State& state : p_.states) {
      const Value& x = p_.values[state.in];
      const Call::Address* e = state.extern_in < 0 ? nullptr : &run_.call.externs[state.extern_in];
      const Real* start = run_.filled.level_p[state.constant];
      for (int64_t r = 0; r < R_; ++r) {
        Real* to = base_[state.in] + r * x.width;
        if (e && e->address) {
          const Real* from = reinterpret_cast<const Real*>(e->address) + (first_row_ + r) * e->row_stride;
          std::memcpy(to, from, x.width * sizeof(Real));
        } else if (p_.values[state.constant].width == 1) {
          std::fill_n(to, x.width, start[0]);
        } else {
          std::memcpy(to, start, x.width * sizeof(Real));
        }
      }
    }
  }

  // After T steps a state stands where step T would read it.
  void states_out() {
    for (const State& state : p_.states) {
      if (state.extern_out < 0 || !run_.call.externs[state.extern_out].address) continue;
      const Call::Address& e = run_.call.externs[state.extern_out];
      const Value& x = p_.values[state.in];
      const Real* from = base_[state.in] + (x.space == CARRY ? (T_ & 1) : T_) * R_ * x.width;
      for (int64_t r = 0; r < R_; ++r)
        std::memcpy(reinterpret_cast<Real*>(e.address) + (first_row_ + r) * e.row_stride, from + r * x.width,
                    x.width * sizeof(Real));
    }
  }
};

template <class Real>
struct Blocks final : Work {
  Run<Real>& run;
  const Parts& parts;
  std::byte* memory;
  Blocks(Run<Real>& run, const Parts& parts, std::byte* memory) : run(run), parts(parts), memory(memory) {}

  void task(int64_t number, int participant) noexcept override {
    if (run.watch.stopped()) return;
    Block<Real>(run, parts, memory + participant * parts.layout.bytes()).carry_out(number, participant == 0);
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

// The rows of a block. No result depends on it. From two rows on, time goes as the rows do and a quarter of a row for
// the block, so what counts is that threads have equally many. Many rows help where weights come from memory at every
// step; few pass over more where rows end at their own steps; brief work is not worth a second thread.
int64_t choose_rows(const Call& call, int64_t loop_bytes) {
  int64_t threads = std::max(call.threads, 1), best = 1, least_cost = INT64_MAX;
  bool brief = double(loop_bytes) * double(call.B) * double(call.T) < BRIEF_WORK, ragged = call.valid >= 0;
  int64_t most = loop_bytes > LARGE_WEIGHTS ? MAX_ROWS : ragged ? 8 : threads > 1 && loop_bytes < MEDIUM_WEIGHTS ? 12 : 16;
  for (int64_t R = brief ? 8 : 2; R <= most; ++R) {
    int64_t blocks = (call.B + R - 1) / R, cost = (blocks + threads - 1) / threads * (4 * R + 1);
    if (cost <= least_cost) best = R, least_cost = cost;
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
  int64_t chunk_row = std::max<int64_t>(1, p.chunk_width * R * int64_t(sizeof(Real)));
  int64_t C = std::clamp<int64_t>(CHUNK_BYTES / chunk_row, 1, std::max<int64_t>(1, std::min(call.T, MAX_CHUNK)));
  int64_t blocks = (call.B + R - 1) / R;

  int32_t widest = 1;
  for (const Extern& e : p.externs) widest = std::max(widest, e.optional ? e.width : 1);
  Parts parts(p, R, C, sizeof(Real));
  int threads = int(std::clamp<int64_t>(std::min<int64_t>(call.threads, blocks), 1, MAX_THREADS));
  Layout shared;
  size_t zeros = shared.add(widest, sizeof(Real));
  size_t own = shared.add(p.writes_param_late ? p.param_size : 0, sizeof(Real));
  size_t workers = shared.add(int64_t(parts.layout.bytes()), threads);
  Arena memory(shared.bytes());
  Layout whole_run;
  whole_run.add(call.T * p.time_width, call.B, sizeof(Real));
  Arena time(whole_run.bytes());
  std::vector<Span> spans = spans_of<Real>(call, R, blocks);
  std::memset(memory.data() + zeros, 0, widest * sizeof(Real));
  for (int t = 0; t < threads; ++t) parts.layout.guard(memory.data() + workers + t * parts.layout.bytes());

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
                spans.data(),
                Watch(call.interrupted)};
  Blocks<Real> work(run, parts, memory.data() + workers);
  parallel(work, blocks, call.threads);
  if (!run.watch.stopped()) accumulate(run);
  if (!run.watch.stopped()) epilogue(run);
  return !run.watch.stopped();
}

template struct Run<float>;
template struct Run<double>;
template bool TypedWeights<float>::run(const Call&);
template bool TypedWeights<double>::run(const Call&);

}  // namespace ostinato
