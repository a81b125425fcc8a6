// Runs compiled programs under a sanitizer: from several threads at once, and after their words were tampered
// with. Usage: stress FILE SECONDS SEED. The file holds triples of bytecodes (infer, train, backward), each
// [n_words, n_consts, the extern that says which steps are real or -1, words, constants].
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <thread>

#include "../isa.h"
#include "../pool.h"
#include "../weights.h"

using namespace ostinato;

namespace {

struct Code {
  int32_t valid;
  std::vector<int32_t> words;
  std::vector<double> consts;
};

std::vector<Code> load(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<Code> codes;
  int32_t sizes[3];
  while (file.read(reinterpret_cast<char*>(sizes), sizeof sizes)) {
    Code& code = codes.emplace_back();
    code.words.resize(sizes[0]), code.consts.resize(sizes[1]), code.valid = sizes[2];
    file.read(reinterpret_cast<char*>(code.words.data()), sizes[0] * 4);
    file.read(reinterpret_cast<char*>(code.consts.data()), sizes[1] * 8);
  }
  return codes;
}

std::shared_ptr<const Program> decode(const Code& code) {
  return std::make_shared<const Program>(code.words.data(), int64_t(code.words.size()), code.consts.data(),
                                         int64_t(code.consts.size()));
}

void sign(Code& code) {
  code.words[3] = 0;
  uint32_t hash = 2166136261u;
  auto mix = [&](const void* data, size_t n) {
    for (size_t i = 0; i < n; ++i) hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 16777619u;
  };
  mix(code.words.data(), code.words.size() * 4);
  mix(code.consts.data(), code.consts.size() * 8);
  code.words[3] = int32_t(hash);
}

// A program with arrays of exactly the sizes it asks for, so that a step beyond any of them is seen.
template <class Real>
class Stage {
 public:
  Stage(std::shared_ptr<const Program> program, int32_t valid, int64_t T, int64_t B, const Isa& isa, unsigned seed)
      : p(std::move(program)), weights(make_weights(p, sizeof(Real) == 8, isa)) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> number(-0.5, 0.5);
    auto array = [&](int64_t n) {
      auto& a = arrays.emplace_back(new Real[size_t(n)]);
      for (int64_t i = 0; i < n; ++i) a[i] = Real(number(random));
      sizes.push_back(n);
      return reinterpret_cast<uintptr_t>(a.get());
    };
    std::vector<uintptr_t> params;
    for (const Shape& s : p->params) params.push_back(array(s.size()));
    weights->update(params);
    call.T = T, call.B = B, call.seed = seed;
    for (const Extern& e : p->externs) {
      bool stepwise = e.kind <= STEP_OUT;
      call.externs.push_back({array((stepwise ? T : 1) * B * e.width), stepwise ? B * e.width : 0, e.width});
      bool passes = valid == int32_t(call.externs.size()) - 1 && e.kind == STEP_IN && e.width == 1;
      if (passes && seed % 2 == 1) pass_over(seed, T, B);
    }
    for (const Shape& s : p->grads) call.grads.push_back(array(s.size()));
    first_result = p->params.size();
  }

  void run(uintptr_t tape, int64_t bytes, int threads) {
    call.tape = tape, call.tape_bytes = bytes, call.threads = threads;
    weights->run(call);
  }

  // Lets the last array say which steps are real: for each row some in the middle, or none.
  void pass_over(unsigned seed, int64_t T, int64_t B) {
    std::mt19937 random(seed);
    call.valid = int64_t(call.externs.size()) - 1;
    for (int64_t r = 0; r < B; ++r) {
      int64_t first = random() % (T + 1), end = random() % (T + 1);
      for (int64_t s = 0; s < T; ++s) arrays.back()[s * B + r] = Real(s >= first && s < end);
    }
  }

  bool same(const Stage& other) const {
    for (size_t k = first_result; k < arrays.size(); ++k)
      if (std::memcmp(arrays[k].get(), other.arrays[k].get(), sizes[k] * sizeof(Real))) return false;
    return true;
  }

  std::shared_ptr<const Program> p;

 private:
  std::unique_ptr<Weights> weights;
  Call call;
  std::vector<std::unique_ptr<Real[]>> arrays;
  std::vector<int64_t> sizes;
  size_t first_result = 0;
};

struct Triple {
  int32_t valid;
  std::shared_ptr<const Program> infer, train, backward;
};

// One thread's share of the first test: every result must be that of one thread alone.
template <class Real>
void exercise(const std::vector<Triple>& triples, unsigned seed, int rounds) {
  std::mt19937 random(seed);
  std::vector<const Isa*> sets = instruction_sets();
  for (int round = 0; round < rounds; ++round) {
    const Triple& triple = triples[random() % triples.size()];
    // One row or a few share their steps; several blocks are taken in slices where there are more steps.
    bool few = random() % 2, longer = few || random() % 8 == 0;
    int64_t T = random() % (longer ? 70 : 12), B = random() % (few ? 3 : 40);
    const Isa& isa = *sets[random() % sets.size()];
    int threads = 1 + int(random() % 4);
    for (auto* program : {&triple.infer, &triple.train}) {
      const Program& back = *triple.backward;
      int64_t bytes = tape_size(**program, sizeof(Real) == 8, T, B);
      Arena one{size_t(bytes)}, many{size_t(bytes)};
      Stage<Real> alone(*program, triple.valid, T, B, *sets[0], round),
          together(*program, triple.valid, T, B, isa, round);
      alone.run(reinterpret_cast<uintptr_t>(one.data()), bytes, 1);
      together.run(reinterpret_cast<uintptr_t>(many.data()), bytes, threads);
      bool good = alone.same(together);
      if (program == &triple.train && back.tape_width == triple.train->tape_width) {
        Stage<Real> a(triple.backward, triple.valid, T, B, *sets[0], round),
            b(triple.backward, triple.valid, T, B, isa, round);
        a.run(reinterpret_cast<uintptr_t>(one.data()), bytes, 1);
        b.run(reinterpret_cast<uintptr_t>(many.data()), bytes, threads);
        good &= a.same(b);
      }
      if (!good)
        std::fprintf(stderr, "results differ: T %ld B %ld %s %d threads\n", long(T), long(B), isa.name, threads),
            std::abort();
    }
  }
}

// What passes the verifier must run in bounds, whatever the words are.
bool tamper(Code code, std::mt19937& random) {
  static const int32_t NUMBERS[] = {-1, 0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 64, 255, 256, 65536, INT32_MAX, INT32_MIN};
  for (int n = 1 + int(random() % 3); n > 0; --n) {
    size_t at = random() % 4 ? 32 + random() % (code.words.size() - 32) : 4 + random() % 28;
    switch (random() % 4) {
      case 0:
        code.words[at] = NUMBERS[random() % std::size(NUMBERS)];
        break;
      case 1:
        code.words[at] = int32_t(uint32_t(code.words[at]) + random() % 5 - 2);
        break;
      case 2:
        code.words[at] = code.words[random() % code.words.size()];
        break;
      default:
        code.words[at] ^= int32_t(1u << random() % 32);
    }
  }
  sign(code);
  std::shared_ptr<const Program> program;
  try {
    program = decode(code);
  } catch (const std::invalid_argument&) {
    return false;
  }
  int64_t numbers = program->param_size + program->row_width + program->chunk_width + program->work_width +
                    program->tape_width + program->time_width + program->carry_width;
  for (auto* shapes : {&program->params, &program->grads})
    for (const Shape& s : *shapes) numbers += s.size();
  for (const Extern& e : program->externs) numbers += e.width;
  if (numbers > 1 << 16) return false;
  int64_t T = random() % 12, B = random() % 20;
  std::vector<const Isa*> sets = instruction_sets();
  try {
    // Twice, in memory of other contents and in other blocks: nothing may be read that was not written.
    const Isa& isa = *sets[random() % sets.size()];
    Stage<float> one(program, code.valid, T, B, isa, 1), two(program, code.valid, T, B, isa, 1);
    int64_t bytes = tape_size(*program, false, T, B);
    for (Stage<float>* stage : {&one, &two}) {
      std::unique_ptr<std::byte[]> tape(new std::byte[size_t(bytes)]());
      struct {
        uint64_t magic;
        int64_t T, B, rows, width, real;
      } header{0x3170615454534Full, T, B, 8, program->tape_width, 4};
      if (program->backward) std::memcpy(tape.get(), &header, sizeof header);
      stage->run(reinterpret_cast<uintptr_t>(tape.get()), bytes, stage == &one ? 1 : 3);
    }
    if (!one.same(two)) std::fputs("a tampered program reads what it did not write\n", stderr), std::abort();
  } catch (const std::invalid_argument&) {
  } catch (const std::bad_alloc&) {
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return std::printf("usage: stress FILE SECONDS SEED\n"), 2;
  std::vector<Code> codes = load(argv[1]);
  unsigned seed = unsigned(std::atoi(argv[3]));

  std::vector<Triple> triples;
  for (size_t k = 0; k + 2 < codes.size(); k += 3)
    triples.push_back({codes[k].valid, decode(codes[k]), decode(codes[k + 1]), decode(codes[k + 2])});
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back(
        [&, t] { t & 1 ? exercise<double>(triples, seed + t, 60) : exercise<float>(triples, seed + t, 60); });
  for (std::thread& thread : threads) thread.join();
  std::printf("%zu programs agree with themselves on every number of threads\n", codes.size());

  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(std::atoi(argv[2]));
  std::mt19937 random(seed);
  long tried = 0, ran = 0;
  while (std::chrono::steady_clock::now() < end) ++tried, ran += tamper(codes[random() % codes.size()], random);
  std::printf("%ld tampered programs, of which %ld passed the verifier and ran\n", tried, ran);
}
