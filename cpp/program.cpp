// From words to a Program: the header, the tables, the instructions. What they mean together is for verify.cpp.
#include "program.h"

#include <cstring>

namespace ostinato {

namespace {

constexpr int32_t MAGIC = 0x5453544F, VERSION = 1, HEADER = 32;
constexpr int64_t MAX_WORDS = 1 << 20, MAX_VALUES = 1 << 12, MAX_TILE_SLOTS = 256;

// FNV-1a over the words (the checksum's own word as zero), then the constants; bytes little-endian.
uint32_t checksum(const std::vector<int32_t>& words, const std::vector<double>& consts) {
  uint32_t hash = 2166136261u;
  auto mix = [&](uint64_t number, int bytes) {
    for (int i = 0; i < bytes; ++i) hash = (hash ^ uint32_t((number >> (8 * i)) & 255)) * 16777619u;
  };
  for (size_t i = 0; i < words.size(); ++i) mix(i == 3 ? 0 : uint32_t(words[i]), 4);
  for (double number : consts) {
    uint64_t bits;
    std::memcpy(&bits, &number, 8);
    mix(bits, 8);
  }
  return hash;
}

// Reads the words one after the other and knows where it is.
struct Reader {
  const std::vector<int32_t>& words;
  int64_t at, end;

  int32_t next(const char* what) {
    if (at >= end) fail(at, std::string("the words end within ") + what);
    return words[at++];
  }
  int32_t range(const char* what, int64_t low, int64_t high) {
    int32_t word = next(what);
    if (word < low || word > high)
      fail(at - 1, std::string(what) + " is " + std::to_string(word) + ", not in " + std::to_string(low) + " ... " +
                       std::to_string(high));
    return word;
  }
  int32_t size(const char* what) { return range(what, 1, INT32_MAX); }
};

Shape read_shape(Reader& read, const char* what) {
  Shape shape{read.size(what), read.size(what)};
  if (shape.size() > INT32_MAX) fail(read.at - 2, std::string(what) + " has more than 2^31 - 1 numbers");
  return shape;
}

Pack read_pack(Reader& read, int32_t n_values) {
  Pack pack;
  int64_t left = read.end - read.at;
  int32_t n_out = read.range("a pack's outputs", 1, left), n_seg = read.range("a pack's segments", 1, left);
  int64_t across = 0;
  for (int32_t o = 0; o < n_out; ++o) across += pack.out_widths.emplace_back(read.size("a pack's output width"));
  for (int32_t s = 0; s < n_seg; ++s) pack.depth += pack.seg_widths.emplace_back(read.size("a pack's segment width"));
  if (across > INT32_MAX / 2 || pack.depth > INT32_MAX / 2 || across * pack.depth > INT32_MAX)
    fail(read.at, "a pack has more than 2^31 - 1 numbers");
  for (int64_t block = 0; block < int64_t(n_out) * n_seg; ++block) {
    int32_t value = read.range("a pack's value", 0, n_values - 1);
    pack.blocks.push_back({value, read.range("a pack's transposed", 0, 1) == 1});
  }
  return pack;
}

int operands_of(int32_t opcode) {
  if (opcode >= OP_COPY && opcode <= OP_COS) return 2;
  if (opcode >= OP_ADD && opcode <= OP_DSIGMOID) return 3;
  if (opcode >= OP_WHERE && opcode <= OP_MUL_DSIGMOID) return 4;
  return 0;
}

void read_instruction(Reader& read, Program& program, std::vector<Item>& section) {
  int32_t at = int32_t(read.at), first = read.next("an instruction");
  int32_t opcode = first & 255, length = first >> 8;
  if (first < 0 || length < 1 || length > read.end - at) fail(at, "an instruction's length leaves its section");
  const int32_t* words = program.words.data() + read.at;
  read.at = at + length;

  if (opcode >= 64) {
    Item& item = section.emplace_back();
    item.opcode = opcode, item.at = at, item.words = words, item.n_words = length - 1;
    return;
  }
  int n_operands = operands_of(opcode);
  if (n_operands == 0) fail(at, "no such opcode: " + std::to_string(opcode));
  if (length != 1 + n_operands) fail(at, "a pointwise instruction of the wrong length");
  PointwiseOp op{opcode, n_operands, {}};
  for (int k = 0; k < n_operands; ++k) {
    if (words[k] < 0 || words[k] >= int64_t(program.values.size())) fail(at + 1 + k, "no such value");
    const Value& value = program.values[words[k]];
    bool scalar = value.space == CONST && value.width == 1;
    op.operand[k] = {words[k], false, value.space == TILE || scalar ? 0 : -1, scalar ? 0 : -1};
  }
  int32_t width = program.values[words[0]].width;
  if (section.empty() || section.back().opcode != POINTWISE || section.back().width != width) {
    Item& item = section.emplace_back();
    item.at = at, item.width = width, item.first_op = int32_t(program.ops.size());
  }
  program.ops.push_back(op);
  ++section.back().n_ops;
}

}  // namespace

void fail(int64_t at, const std::string& cause) {
  throw std::invalid_argument("bytecode, word " + std::to_string(at) + ": " + cause);
}

Program::Program(const int32_t* given_words, int64_t n_words, const double* given_consts, int64_t n_given)
    : words(), consts() {
  if (n_words < HEADER) fail(0, "shorter than its header");
  if (n_words > MAX_WORDS || n_given > MAX_WORDS) fail(0, "longer than 2^20 words");
  words.assign(given_words, given_words + n_words);
  consts.assign(given_consts, given_consts + n_given);
  if (words[0] != MAGIC) fail(0, "not a bytecode: its first word is wrong");
  if (words[1] != VERSION) fail(1, "version " + std::to_string(words[1]) + ", this engine reads version 1");
  if (words[2] != n_words) fail(2, "the number of words is not the one it states");
  if (uint32_t(words[3]) != checksum(words, consts)) fail(3, "the checksum does not match");

  Reader read{words, 4, n_words};
  if (read.next("the header") != n_given) fail(4, "the number of constants is not the one it states");
  backward = read.range("flags", 0, 1) & 1;
  int32_t n_params = read.range("params", 0, n_words), n_grads = read.range("grads", 0, n_words),
          n_externs = read.range("externs", 0, n_words), n_states = read.range("states", 0, n_words),
          n_values = read.range("values", 0, MAX_VALUES), n_packs = read.range("packs", 0, n_words);
  param_size = read.range("param_size", 0, INT32_MAX);
  row_width = read.range("row_width", 0, INT32_MAX);
  chunk_width = read.range("chunk_width", 0, INT32_MAX);
  work_width = read.range("work_width", 0, INT32_MAX);
  tile_slots = read.range("tile_slots", 0, MAX_TILE_SLOTS);
  tape_width = read.range("tape_width", 0, INT32_MAX);
  time_width = read.range("time_width", 0, INT32_MAX);
  carry_width = read.range("carry_width", 0, INT32_MAX);
  int32_t starts[N_SECTIONS + 1];
  for (int s = 0; s <= N_SECTIONS; ++s) starts[s] = read.range("a section", s ? starts[s - 1] : HEADER, n_words);
  if (starts[N_SECTIONS] != n_words) fail(27, "the sections do not end with the words");
  while (read.at < HEADER) read.range("the header's rest", 0, 0);

  read.end = starts[PROLOGUE];
  for (int32_t i = 0; i < n_params; ++i) params.push_back(read_shape(read, "a parameter"));
  for (int32_t i = 0; i < n_grads; ++i) grads.push_back(read_shape(read, "a gradient"));
  for (int32_t i = 0; i < n_externs; ++i) {
    int32_t kind = read.range("an extern's kind", STEP_IN, SEQ_OUT), width = read.size("an extern's width");
    externs.push_back({kind, width, read.range("an extern's optional", 0, 1)});
  }
  for (int32_t i = 0; i < n_states; ++i) {
    State state;
    state.in = read.range("a state's value in", 0, n_values - 1);
    state.out = read.range("a state's value out", 0, n_values - 1);
    state.extern_in = read.range("a state's extern in", -1, n_externs - 1);
    state.extern_out = read.range("a state's extern out", -1, n_externs - 1);
    state.constant = read.range("a state's constant", 0, n_values - 1);
    states.push_back(state);
  }
  for (int32_t i = 0; i < n_values; ++i) {
    Value value;
    value.space = Space(read.range("a value's space", 0, N_SPACES - 1));
    value.offset = read.range("a value's offset", 0, INT32_MAX);
    value.width = read.size("a value's width");
    value.shift = read.range("a value's shift", 0, 1);
    value.index = read.range("a value's index", -1, INT32_MAX);
    values.push_back(value);
  }
  for (int32_t i = 0; i < n_packs; ++i) packs.push_back(read_pack(read, n_values));
  if (read.at != read.end) fail(read.at, "words between the tables and the instructions");

  for (int s = 0; s < N_SECTIONS; ++s) {
    read.end = starts[s + 1];
    while (read.at < read.end) read_instruction(read, *this, sections[s]);
  }
  verify(*this);
}

}  // namespace ostinato
