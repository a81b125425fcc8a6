// The state of a verification: verify.cpp looks at the tables and follows what is written and read,
// verify_code.cpp goes through the instructions.
#pragma once

#include <algorithm>
#include <map>

#include "program.h"

namespace ostinato {

constexpr uint32_t bit(int32_t k) { return uint32_t(1) << k; }
// The spaces of parameters and constants, which have no rows and may be read anywhere but in ACC.
constexpr uint32_t LEVEL_P = bit(CONST) | bit(PARAM) | bit(GIVEN);

// The numbers [first, last) of something that have been written: sorted, apart.
struct Ranges {
  std::vector<std::pair<int64_t, int64_t>> list;

  void add(int64_t first, int64_t last) {
    std::vector<std::pair<int64_t, int64_t>> merged;
    for (auto [f, l] : list) {
      if (l < first || f > last)
        merged.push_back({f, l});
      else
        first = std::min(first, f), last = std::max(last, l);
    }
    merged.push_back({first, last});
    std::sort(merged.begin(), merged.end());
    list.swap(merged);
  }
  bool holds(int64_t first, int64_t last) const {
    for (auto [f, l] : list)
      if (f <= first && last <= l) return true;
    return false;
  }
  bool meets(int64_t first, int64_t last) const {
    for (auto [f, l] : list)
      if (f < last && first < l) return true;
    return false;
  }
};

class Verifier {
 public:
  explicit Verifier(Program& program) : p(program) {}

  void run();

 private:
  Program& p;
  Section section = PROLOGUE;
  int32_t at = 0;  // the word being looked at
  // Row values by what they occupy: the columns written so far.
  struct Key {
    int32_t space, offset, width, shift;
    auto operator<=>(const Key&) const = default;
  };
  std::map<Key, Ranges> written;
  std::map<Key, bool> loop_writes, loop_needs;
  Ranges early_params, late_params;
  std::vector<Ranges> late_grads = std::vector<Ranges>(p.grads.size());

  const Value& value(int32_t v) {
    if (v < 0 || v >= int64_t(p.values.size())) fail(at, "no such value: " + std::to_string(v));
    return p.values[v];
  }
  static Key key(const Value& value) { return {value.space, value.offset, value.width, value.shift}; }
  static bool same(const Value& a, const Value& b) { return key(a) == key(b) && a.index == b.index; }

  // Whether two values may share numbers; the same value at different shifts never does within a step.
  static bool overlap(const Value& a, const Value& b) {
    if (a.space != b.space) return false;
    if (a.space == STEP || a.space == SEQ) return a.index == b.index;
    if ((a.space == GIVEN || a.space == GRAD) && a.index != b.index) return false;
    if (a.space == TILE) return a.offset == b.offset;
    if (a.offset == b.offset && a.width == b.width) return a.shift == b.shift;
    return a.offset < int64_t(b.offset) + b.width && b.offset < int64_t(a.offset) + a.width;
  }

  [[noreturn]] void refuse(const std::string& cause);
  std::string name(int32_t v);

  // verify.cpp
  void check_value(int32_t v);
  void check_state(const State& state);
  const State* state_at(const Value& x);
  void check_shifts();
  void check_packs();
  void read(int32_t v, bool level_p);
  void read(int32_t v);
  void write(int32_t v);
  void write(int32_t v, int64_t first, int64_t last);
  void forget_overlapping(const Value& x);
  void enter_loop();
  void leave_loop();

  // verify_code.cpp
  void check_item(Item& item);
  void write_sum(int32_t v);
  void check_run(Item& item);
  void check_gemm(const Item& item);
  void check_matrix(const Item& item);
};

}  // namespace ostinato
