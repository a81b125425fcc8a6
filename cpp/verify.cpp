// What a program must hold to before anything runs: every value inside its space, every operand of the right
// width in a space its section may touch, everything written before it is read, and nothing that would make a
// result depend on how rows and steps are cut.
#include "verify.h"

namespace ostinato {

namespace {

const char* const SPACE_NAMES[] = {"CONST", "PARAM", "GIVEN", "GRAD",  "ROW",  "CHUNK", "WORK",
                                   "TILE",  "TAPE",  "TIME",  "CARRY", "STEP", "SEQ"};
const char* const SECTION_NAMES[] = {"PROLOGUE", "ROW", "PRE", "LOOP", "POST", "ACC", "EPILOGUE"};

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

}  // namespace

void verify(Program& program) { Verifier(program).run(); }

void Verifier::run() {
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

void Verifier::refuse(const std::string& cause) {
  fail(at, std::string("in ") + SECTION_NAMES[section] + ": " + cause);
}

std::string Verifier::name(int32_t v) {
  const Value& x = p.values[v];
  return "value " + std::to_string(v) + " (" + SPACE_NAMES[x.space] + " " + std::to_string(x.offset) + ", width " +
         std::to_string(x.width) + ")";
}

// ---- tables ----

void Verifier::check_value(int32_t v) {
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
    case CONST:
      inside(int64_t(p.consts.size()));
      break;
    case PARAM:
      inside(p.param_size);
      break;
    case GIVEN:
      indexed(p.params.size());
      inside(p.params[x.index].size());
      break;
    case GRAD:
      indexed(p.grads.size());
      inside(p.grads[x.index].size());
      break;
    case ROW:
      inside(p.row_width);
      break;
    case CHUNK:
      inside(p.chunk_width);
      break;
    case WORK:
      inside(p.work_width);
      break;
    case TILE:
      if (x.offset >= p.tile_slots) fail(20, name(v) + " is not one of the tile slots");
      break;
    case TAPE:
      inside(p.tape_width);
      break;
    case TIME:
      inside(p.time_width);
      break;
    case CARRY:
      inside(p.carry_width);
      break;
    case STEP:
      caller(STEP_IN, STEP_OUT);
      break;
    case SEQ:
      caller(SEQ_IN, SEQ_OUT);
      break;
    default:
      fail(20, "no such space");
  }
  if (x.shift != 0 && x.space != TAPE && x.space != CARRY) fail(20, name(v) + " may not be shifted");
}

void Verifier::check_state(const State& state) {
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
    bool apart =
        x.space != in.space || x.offset >= int64_t(in.offset) + in.width || in.offset >= int64_t(x.offset) + x.width;
    if (&other != &state && !apart) fail(20, "two states share numbers");
    if (&other != &state && other.extern_out >= 0 && other.extern_out == state.extern_out)
      fail(20, "two states leave by one extern");
  }
}

const State* Verifier::state_at(const Value& x) {
  for (const State& state : p.states) {
    const Value& in = p.values[state.in];
    if (in.space == x.space && in.offset == x.offset && in.width == x.width) return &state;
  }
  return nullptr;
}

// Carried numbers belong to states; so do the shifted ones of a tape being written. Optional externs that
// may be null are those of states, or read as zeros.
void Verifier::check_shifts() {
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

void Verifier::check_packs() {
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

void Verifier::read(int32_t v, bool level_p) {
  const Value& x = value(v);
  if (level_p != bool(bit(x.space) & LEVEL_P))
    refuse(name(v) + (level_p ? " is not a parameter or constant" : " has no rows"));
  read(v);
}

void Verifier::read(int32_t v) {
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
    if (late_params.holds(x.offset, last))
      p.own_param[v] = 1;
    else if (!early_params.holds(x.offset, last))
      refuse(name(v) + " is read before it is written");
    return;
  }
  if (x.space == TAPE && p.backward) return;
  if (!written[key(x)].holds(0, x.width)) refuse(name(v) + " is read before it is written");
  if (section == LOOP && x.space != TILE && !loop_writes.count(key(x))) loop_needs[key(x)] = true;
}

void Verifier::write(int32_t v) { write(v, 0, value(v).width); }

void Verifier::write(int32_t v, int64_t first, int64_t last) {
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
void Verifier::forget_overlapping(const Value& x) {
  for (auto& [k, ranges] : written)
    if (k != key(x) && overlap(x, {Space(k.space), k.offset, k.width, k.shift, x.index})) ranges.list.clear();
}

void Verifier::enter_loop() {
  for (const State& state : p.states) {
    const Value& in = p.values[state.in];
    forget_overlapping(in);
    written[key(in)].add(0, in.width);
  }
}

// The loop goes round: what its next step reads from before the loop must still be there, its states must
// have been written, and what two of its writes share is worth nothing afterwards.
void Verifier::leave_loop() {
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

}  // namespace ostinato
