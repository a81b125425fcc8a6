// One block of rows over the whole sequence, in the memory of one participant.
#pragma once

#include <algorithm>
#include <cstring>

#include "loop.h"

namespace ostinato {

constexpr int64_t CACHE_BYTES = 512 << 10;  // what lasts from step to step in the second cache, beside the rest

// Where the memory that a participant needs while it works on a block lies within its part.
struct Parts {
  size_t chunk, work, tiles, at, base, step, stride, ahead, swing, moving, flat, scratch_flat, lines;
  Layout layout;

  Parts(const Program& p, int64_t R, int64_t C, int64_t real) {
    int64_t n_values = int64_t(p.values.size()), n_ops = int64_t(p.ops.size());
    chunk = layout.add(R * C, p.chunk_width, real);
    work = layout.add(R, p.work_width, real);
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

// Carries out slices of one block after the other in the memory of one participant.
template <class Real>
class Block {
 public:
  // shared: where what all members share lies, the leader's memory.
  Block(Run<Real>& run, const Parts& parts, std::byte* memory, std::byte* shared, Crew* crew)
      : run_(run), p_(run.program), memory_(memory), shared_(shared), parts_(parts), member_(crew) {
    base_ = part<Real*>(parts.base), moving_ = part<int32_t>(parts.moving), swing_ = part<int64_t>(parts.swing);
    frame_.program = &p_, frame_.kernels = &run.kernels, frame_.shapes = run.shapes.data();
    frame_.packed = run.filled.packed.data();
    frame_.at = part<Real*>(parts.at), frame_.step = part<int64_t>(parts.step);
    frame_.row = part<int64_t>(parts.stride), frame_.ahead = part<int64_t>(parts.ahead);
    frame_.flat = part<uint8_t>(parts.flat), frame_.scratch_flat = part<uint8_t>(parts.scratch_flat);
    frame_.lines = part<GemmLines<Real>>(parts.lines);
    frame_.seed = run.call.seed, frame_.stream = uint32_t(run.call.stream);
  }

  // From the from-th step taken to the end-th, whole chunks: with the first the states come in, with the last they go
  // out.
  void carry_out(int64_t number, int64_t from, int64_t end, bool caller) {
    begin(number);
    end = std::min(end, T_);
    if (from == 0) start();
    if (take_steps(from, end, caller) && end == T_) states_out();
  }

  // Takes part in the block that the leader is carrying out.
  void join(int64_t number) {
    begin(number);
    int64_t from = member_.arrive();
    if (from >= 0) take_steps(from, T_, false);
  }

 private:
  void begin(int64_t number) {
    first_row_ = number * run_.R, R_ = run_.rows_of(number);
    T_ = run_.spans[number].steps, before_ = run_.spans[number].first;
    locate();
    frame_.rows = R_, frame_.first_row = uint32_t(first_row_);
    frame_.find_flat(), frame_.find_ahead();
    frame_.fetches = R_ * T_ * (p_.tape_width + p_.time_width) * int64_t(sizeof(Real)) > CACHE_BYTES;
  }

  void start() {
    if (T_ < run_.call.T) clear_outside();
    frame_.steps = 1, frame_.once = true;
    place(0, 0);
    frame_.carry_out(p_.sections[ROWS_ONCE]);
    frame_.once = false;
    states_in();
  }

  // False: interrupted, or let go.
  bool take_steps(int64_t from, int64_t end, bool caller) {
    for (int64_t done = from - from % run_.C; done < end; done += run_.C) {
      if (caller) run_.watch.look();
      if (from <= done) member_.gather(done, T_, true);
      bool stops = run_.watch.stopped() || member_.dismissed();
      if (stops || !chunk(done, std::min(run_.C, T_ - done), std::max(from, done) - done)) {
        member_.leave();
        return false;
      }
    }
    member_.wait(T_ - 1);
    return true;
  }

  Run<Real>& run_;
  const Program& p_;
  int64_t T_ = 0, before_ = 0;  // the steps taken, and how many were passed over before the first
  int64_t R_ = 0, first_row_ = 0;
  std::byte *memory_, *shared_;
  const Parts& parts_;
  Member member_;
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
    auto shared = [&](size_t offset) { return reinterpret_cast<Real*>(shared_ + offset); };
    auto kept = [&](size_t offset) { return reinterpret_cast<Real*>(run_.kept_by(first_row_ / run_.R) + offset); };
    Real *row = kept(run_.kept.row), *carry = kept(run_.kept.carry), *chunk = shared(parts_.chunk),
         *work = shared(parts_.work), *tiles = part<Real>(parts_.tiles);
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

  // The steps of a chunk from its first-th on. False: interrupted, or let go.
  bool chunk(int64_t done, int64_t count, int64_t first) {
    int64_t low = p_.backward ? T_ - done - count : done;
    auto whole = [&](Section section) {
      if (p_.sections[section].empty()) return;
      place(low, low);
      frame_.steps = count, frame_.first_step = uint32_t(run_.call.first_step + before_ + low);
      carry_out(section, section == PRE ? done : done + count - 1);
    };
    if (first == 0) whole(PRE);
    frame_.steps = 1;
    int64_t forward = p_.backward ? -1 : 1, s = p_.backward ? low + count - 1 - first : low + first;
    place(s, low, done + first);
    for (int64_t k = first; k < count; ++k, s += forward) {
      // One who has come for this step may find that the others have stopped.
      bool changed = k && member_.gather(done + k, T_, false);
      if (changed && (run_.watch.stopped() || member_.dismissed())) return false;
      frame_.first_step = uint32_t(run_.call.first_step + before_ + s);
      carry_out(LOOP, done + k);
      frame_.last_first = !frame_.last_first;
      advance(forward);
    }
    if (!p_.sections[POST].empty()) member_.wait(done + count - 1);
    whole(POST);
    return true;
  }

  // This member's part of a section.
  void carry_out(Section section, int64_t i) {
    const std::vector<Item>& items = p_.sections[section];
    frame_.split = nullptr;
    if (member_.members == 1) return frame_.carry_out(items);
    const Split& split = run_.splits[member_.members - 2];
    frame_.split = &split, frame_.member = member_.number;
    frame_.carry_out(items, split.waits[section].data(), member_, i);
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

}  // namespace ostinato
