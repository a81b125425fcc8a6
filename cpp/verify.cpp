// What a program must hold to before anything runs: every value inside its space, every operand of the right
// width in a space its section may touch, everything written before it is read, and nothing that would make a
// result depend on how rows and steps are cut.
#include <algorithm>
#include <map>

#include "program.h"

namespace ostinato {

namespace {

const char* const SPACE_NAMES[] = {"CONST", "PARAM", "GIVEN", "GRAD", "ROW",   "CHUNK", "WORK",
                                   "TILE",  "TAPE",  "TIME",  "CARRY", "STEP", "SEQ"};
const char* const SECTION_NAMES[] = {"PROLOGUE", "ROW", "PRE", "LOOP", "POST", "ACC", "EPILOGUE"};

constexpr uint32_t bit(int32_t k) { return uint32_t(1) << k; }
constexpr uint32_t LEVEL_P = bit(CONST) | bit(PARAM) | bit(GIVEN);
constexpr uint32_t WHOLE_CHUNK = bit(ROW) | bit(CHUNK) | bit(TILE) | bit(TAPE) | bit(TIME) | bit(STEP) | bit(SEQ);
// Spaces that a section may read, P level included, and write.
constexpr uint32_t READS[] = {LEVEL_P,
                              LEVEL_P | bit(ROW) | bit(SEQ) | bit(TILE),
                              LEVEL_P | WHOLE_CHUNK,
                              LEVEL_P | WHOLE_CHUNK | bit(WORK) | bit(CARRY),
                              LEVEL_P | WHOLE_CHUNK,
                              bit(TAPE) | bit(TIME) | bit(STEP) | bit(SEQ),
                              LEVEL_P};
constexpr uint32_t EACH_STEP = bit(CHUNK) | bit(TILE) | bit(TAPE) | bit(TIME) | bit(STEP);
constexpr uint32_t WRITES[] = {bit(PARAM),
                               bit(ROW) | bit(SEQ) | bit(TILE),
                               EACH_STEP,
                               EACH_STEP | bit(WORK) | bit(CARRY) | bit(SEQ),
                               EACH_STEP,
                               bit(PARAM) | bit(GRAD),
                               bit(PARAM) | bit(GRAD)};

// The numbers [first, last) of something that have been written: sorted, apart.
struct Ranges {
  std::vector<std::pair<int64_t, int64_t>> list;

  void add(int64_t first, int64_t last) {
    std::vector<std::pair<int64_t, int64_t>> merged;
    for (auto [f, l] : list) {
      if (l < first || f > last) merged.push_back({f, l});
      else first = std::min(first, f), last = std::max(last, l);
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

  void run() {
    for (size_t v = 0; v < p.values.size(); ++v) check_value(int32_t(v));
    for (const State& state : p.states) check_state(state);
    check_shifts();
    p.own_param.assign(p.values.size(), 0);
    p.given_later.assign(p.params.size(), 0);
    for (int s = PROLOGUE; s < N_SECTIONS; ++s) {
      section = Section(s);
      if (s == LOOP) enter_loop();
      for (Item& item : p.sections[s]) check_item(item);
      if (s == PROLOGUE) check_packs();
      if (s == LOOP) leave_loop();
    }
  }

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

  [[noreturn]] void refuse(const std::string& cause) {
    fail(at, std::string("in ") + SECTION_NAMES[section] + ": " + cause);
  }
  std::string name(int32_t v) {
    const Value& x = p.values[v];
    return "value " + std::to_string(v) + " (" + SPACE_NAMES[x.space] + " " + std::to_string(x.offset) + ", width " +
           std::to_string(x.width) + ")";
  }

  // ---- tables ----

  void check_value(int32_t v) {
    const Value& x = p.values[v];
    auto inside = [&](int64_t size) {
      if (int64_t(x.offset) + x.width > size) fail(20, name(v) + " leaves its space of " + std::to_string(size));
    };
    auto indexed = [&](size_t count) {
      if (x.index < 0 || size_t(x.index) >= count) fail(20, name(v) + " has an index that nothing answers to");
    };
    auto caller = [&](int32_t kind_in, int32_t kind_out) {
      indexed(p.externs.size());
      const Extern& e = p.externs[x.index];
      if (e.kind != kind_in && e.kind != kind_out) fail(20, name(v) + " names an extern of another kind");
      if (e.width != x.width || x.offset != 0) fail(20, name(v) + " is not the whole width of its extern");
    };
    switch (x.space) {
      case CONST: inside(int64_t(p.consts.size())); break;
      case PARAM: inside(p.param_size); break;
      case GIVEN: indexed(p.params.size()); inside(p.params[x.index].size()); break;
      case GRAD: indexed(p.grads.size()); inside(p.grads[x.index].size()); break;
      case ROW: inside(p.row_width); break;
      case CHUNK: inside(p.chunk_width); break;
      case WORK: inside(p.work_width); break;
      case TILE:
        if (x.offset >= p.tile_slots) fail(20, name(v) + " is not one of the tile slots");
        break;
      case TAPE: inside(p.tape_width); break;
      case TIME: inside(p.time_width); break;
      case CARRY: inside(p.carry_width); break;
      case STEP: caller(STEP_IN, STEP_OUT); break;
      case SEQ: caller(SEQ_IN, SEQ_OUT); break;
      default: fail(20, "no such space");
    }
    if (x.shift != 0 && x.space != TAPE && x.space != CARRY) fail(20, name(v) + " may not be shifted");
  }

  void check_state(const State& state) {
    const Value &in = p.values[state.in], &out = p.values[state.out], &start = p.values[state.constant];
    if (in.space != CARRY && !(in.space == TAPE && !p.backward))
      fail(20, "a state lives in CARRY, or in the TAPE of a forward pass");
    if (in.space != out.space || in.offset != out.offset || in.width != out.width || in.shift != 0 || out.shift != 1)
      fail(20, "a state's value out is its value in with shift 1");
    if (start.space != CONST || (start.width != 1 && start.width != in.width))
      fail(20, "a state starts from a CONST of width 1 or of its own width");
    auto connects = [&](int32_t e, int32_t kind) {
      if (e < 0) return;
      if (p.externs[e].kind != kind || p.externs[e].width != in.width)
        fail(20, "a state's extern is not of its kind and width");
    };
    connects(state.extern_in, SEQ_IN);
    connects(state.extern_out, SEQ_OUT);
    for (const State& other : p.states) {
      const Value& x = p.values[other.in];
      bool apart = x.space != in.space || x.offset >= int64_t(in.offset) + in.width ||
                   in.offset >= int64_t(x.offset) + x.width;
      if (&other != &state && !apart) fail(20, "two states share numbers");
      if (&other != &state && other.extern_out >= 0 && other.extern_out == state.extern_out)
        fail(20, "two states leave by one extern");
    }
  }

  const State* state_at(const Value& x) {
    for (const State& state : p.states) {
      const Value& in = p.values[state.in];
      if (in.space == x.space && in.offset == x.offset && in.width == x.width) return &state;
    }
    return nullptr;
  }

  // Carried numbers belong to states; so do the shifted ones of a tape being written. Optional externs that
  // may be null are those of states, or read as zeros.
  void check_shifts() {
    for (size_t v = 0; v < p.values.size(); ++v) {
      const Value& x = p.values[v];
      bool carried = x.space == CARRY || (x.space == TAPE && !p.backward && x.shift);
      if (carried && !state_at(x)) fail(20, name(int32_t(v)) + " belongs to no state");
      if (x.space == SEQ && p.externs[x.index].optional)
        fail(20, name(int32_t(v)) + " may be null: only a state may use it");
      if (x.space == TAPE && !p.backward)
        for (const State& state : p.states) {
          const Value& in = p.values[state.in];
          if (in.space == TAPE && (in.offset != x.offset || in.width != x.width) &&
              x.offset < int64_t(in.offset) + in.width && in.offset < int64_t(x.offset) + x.width)
            fail(20, name(int32_t(v)) + " cuts a state");
        }
    }
    for (const Extern& e : p.externs)
      if (e.kind == STEP_OUT && e.optional) fail(20, "an output of every step may not be optional");
  }

  void check_packs() {
    for (const Pack& pack : p.packs)
      for (size_t block = 0; block < pack.blocks.size(); ++block) {
        const Value& x = p.values[pack.blocks[block].value];
        int64_t n = pack.out_widths[block / pack.seg_widths.size()];
        int64_t k = pack.seg_widths[block % pack.seg_widths.size()];
        if (!(bit(x.space) & LEVEL_P)) fail(20, "a pack holds a value that has rows");
        if (x.width != n * k) fail(20, "a pack's matrix is not outputs x segment");
        if (x.space == PARAM && !early_params.holds(x.offset, int64_t(x.offset) + x.width))
          fail(20, "a pack holds a PARAM that the PROLOGUE does not write");
      }
  }

  // ---- reading and writing ----

  void read(int32_t v, bool level_p) {
    const Value& x = value(v);
    if (level_p != bool(bit(x.space) & LEVEL_P))
      refuse(name(v) + (level_p ? " is not a parameter or constant" : " has no rows"));
    read(v);
  }

  void read(int32_t v) {
    const Value& x = value(v);
    if (!(READS[section] & bit(x.space))) refuse(name(v) + " may not be read here");
    if ((x.space == STEP || x.space == SEQ) && p.externs[x.index].kind != STEP_IN && p.externs[x.index].kind != SEQ_IN)
      refuse(name(v) + " is write-only");
    if (x.space == CONST || x.space == STEP || x.space == SEQ) return;
    if (x.space == GIVEN) {
      if (section != PROLOGUE) p.given_later[x.index] = 1;
      return;
    }
    if (x.space == PARAM) {
      int64_t last = int64_t(x.offset) + x.width;
      if (late_params.holds(x.offset, last)) p.own_param[v] = 1;
      else if (!early_params.holds(x.offset, last)) refuse(name(v) + " is read before it is written");
      return;
    }
    if (x.space == TAPE && p.backward) return;
    if (!written[key(x)].holds(0, x.width)) refuse(name(v) + " is read before it is written");
    if (section == LOOP && x.space != TILE && !loop_writes.count(key(x))) loop_needs[key(x)] = true;
  }

  void write(int32_t v) { write(v, 0, value(v).width); }

  void write(int32_t v, int64_t first, int64_t last) {
    const Value& x = value(v);
    if (!(WRITES[section] & bit(x.space))) refuse(name(v) + " may not be written here");
    if ((x.space == STEP || x.space == SEQ) && p.externs[x.index].kind != STEP_OUT && p.externs[x.index].kind != SEQ_OUT)
      refuse(name(v) + " is read-only");
    if (x.space == TAPE && p.backward) refuse("a backward pass may not write the tape");
    if (x.space == TAPE && section != LOOP && state_at(x)) refuse("a state may be written in LOOP only");
    if ((x.space == TAPE || x.space == CARRY) && state_at(x) && !x.shift) refuse("a state is written with shift 1");
    if (x.space == STEP || x.space == SEQ) return;
    if (x.space == GRAD) {
      late_grads[x.index].add(x.offset + first, x.offset + last);
      return;
    }
    if (x.space == PARAM) {
      if (section == PROLOGUE) {
        early_params.add(x.offset + first, x.offset + last);
      } else {
        if (early_params.meets(x.offset, int64_t(x.offset) + x.width))
          refuse(name(v) + " would overwrite what the PROLOGUE left");
        late_params.add(x.offset + first, x.offset + last);
        p.own_param[v] = 1;
        p.writes_param_late = true;
      }
      return;
    }
    forget_overlapping(x);
    written[key(x)].add(first, last);
    if (section == LOOP) loop_writes[key(x)] = true;
  }

  // What a write destroys is no longer there to be read.
  void forget_overlapping(const Value& x) {
    for (auto& [k, ranges] : written)
      if (k != key(x) && overlap(x, {Space(k.space), k.offset, k.width, k.shift, x.index})) ranges.list.clear();
  }

  void enter_loop() {
    for (const State& state : p.states) {
      const Value& in = p.values[state.in];
      forget_overlapping(in);
      written[key(in)].add(0, in.width);
    }
  }

  // The loop goes round: what its next step reads from before the loop must still be there, its states must
  // have been written, and what two of its writes share is worth nothing afterwards.
  void leave_loop() {
    for (auto& [k, needed] : loop_needs)
      if (!written[k].holds(0, k.width)) fail(24, "LOOP overwrites what its next step reads");
    for (const State& state : p.states)
      if (!written[key(p.values[state.out])].holds(0, p.values[state.out].width))
        fail(24, "LOOP leaves a state unwritten");
    for (auto& [a, one] : loop_writes)
      for (auto& [b, other] : loop_writes) {
        Value x{Space(a.space), a.offset, a.width, a.shift, 0}, y{Space(b.space), b.offset, b.width, b.shift, 0};
        if (a != b && overlap(x, y)) written[a].list.clear();
      }
  }

  // ---- instructions ----

  void check_item(Item& item) {
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
      case OP_ZERO: length(1), result(w[0]); break;
      case OP_NORMALISE:
        length(3), eps(w[2]), apart_or_same(w[0], w[1]), source(w[1]), wide(w[1], value(w[0]).width), result(w[0]);
        break;
      case OP_NORMALISE_GRAD:
        length(5), eps(w[4]);
        for (int k = 1; k <= 3; ++k) apart_or_same(w[0], w[k]), source(w[k]), wide(w[k], value(w[0]).width);
        result(w[0]);
        break;
      case OP_GEMM: need(!single_row), check_gemm(item); break;
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
      case OP_MATVEC: need(single_row), check_matrix(item); break;
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
      default: refuse("no such opcode: " + std::to_string(item.opcode));
    }
  }

  // The sums of ACC run at the same time: no two may share numbers.
  void write_sum(int32_t v) {
    const Value& x = value(v);
    const Ranges* taken = x.space == PARAM ? &late_params : x.space == GRAD ? &late_grads[x.index] : nullptr;
    if (taken && taken->meets(x.offset, int64_t(x.offset) + x.width)) refuse("two sums share numbers");
    write(v);
  }

  // Instructions of a run are carried out tile by tile, so values may coincide but not partly overlap.
  void check_run(Item& item) {
    bool single_row = section == PROLOGUE || section == EPILOGUE;
    if (section == ACC) refuse("only OUTER and COLSUM may stand here");
    for (auto& [k, ranges] : written)
      if (k.space == TILE) ranges.list.clear();
    std::vector<int32_t> touched, changed;
    int32_t place = item.at;
    for (int32_t i = item.first_op; i < item.first_op + item.n_ops; ++i) {
      const PointwiseOp& op = p.ops[i];
      at = place, place += 1 + op.n_operands;
      for (int k = op.n_operands - 1; k >= 0; --k) {
        int32_t v = op.operand[k].value;
        const Value& x = value(v);
        if (k > 0 && x.space == CONST && x.width == 1) continue;
        if (x.width != item.width) refuse(name(v) + " differs in width from the result");
        if (!single_row && !in_rows(x.space)) refuse(name(v) + " has no rows");
        if (k) read(v);
        else write(v), changed.push_back(v);
        if (std::find(touched.begin(), touched.end(), v) == touched.end()) touched.push_back(v);
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

  void check_gemm(const Item& item) {
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
      if (init < 0 || in_rows(value(init).space)) rows_of(init, pack.out_widths[o]);
      else if (value(init).width != pack.out_widths[o]) refuse(name(init) + " is not as wide as its output");
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

  void check_matrix(const Item& item) {
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
};

}  // namespace

void verify(Program& program) { Verifier(program).run(); }

}  // namespace ostinato
