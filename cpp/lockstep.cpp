#include "lockstep.h"

#include <sched.h>

#include <utility>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace ostinato {

namespace {

constexpr int64_t BYTES_OF_A_MEMBER = 24 << 10;  // of weights: what it must spare the others at every step
constexpr int64_t STEPS_OF_A_MEMBER = 4;         // whoever comes when fewer are left is not let in
constexpr int SPINS = 4000;                      // of one who waits before he lets others run
constexpr int CALLS_OF_A_TRIAL = 5;              // in the first a helper wakes up
constexpr double PRICE_OF_A_TRIAL = 50;          // what a trial loses is a fiftieth of the time to the next

constexpr int64_t PATIENCE = 500000;  // nanoseconds that a crew may stand still, and a quarter of its time

int64_t now() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

enum Whose { OWN, LEADERS, EVERYBODYS };

// What an item touches: numbers of one row in one space, at one step.
struct Access {
  Space space;
  int64_t first, end, phase;
  Whose whose;
  bool writes;

  bool conflicts(const Access& o) const {
    if (space != o.space || !(writes || o.writes) || first >= o.end || o.first >= end) return false;
    bool same = first == o.first && end == o.end;
    if (same && phase != o.phase) return false;
    return !(whose == LEADERS && o.whose == LEADERS) && !(same && whose == OWN && o.whose == OWN);
  }
};

template <class Real>
class Splitter {
 public:
  Splitter(const Program& p, const std::vector<GemmShape>& shapes, const Kernels<Real>& kernels, int members)
      : p_(p), shapes_(shapes) {
    split_.members = members, split_.lanes = kernels.lanes;
  }

  Split make() {
    for (size_t k = 0; k < shapes_.size(); ++k) {
      Split::Panels& panels = split_.packs.emplace_back();
      bool aligned = true;
      for (int kind = 0; kind < PANEL_KINDS; ++kind)
        aligned &= deal(int(k), shapes_[k].panels[kind], panels.first[kind]);
      aligned_.push_back(aligned);
    }
    for (Section section : {PRE, LOOP, POST}) {
      std::vector<uint8_t>& waits = split_.waits[section];
      waits.assign(p_.sections[section].size() + 1, 0);
      std::vector<Access> since;
      find_waits(section, 0, since);
      // Of LOOP, one step after the other. Since every step has a wait, no conflict reaches further than the next.
      if (section == LOOP) find_waits(section, 1, since);
      waits.back() = section != LOOP || !std::count(waits.begin(), waits.end(), 1);
      if (section == LOOP) find_waits(section, 2, since), find_waits(section, 3, since);
    }
    return std::move(split_);
  }

 private:
  const Program& p_;
  const std::vector<GemmShape>& shapes_;
  Split split_;
  std::vector<bool> aligned_;  // [packs] whether everyone computes the columns that are his

  int owner(int32_t width, int64_t column) const {
    int m = 0;
    while (split_.columns(width, m).end <= column) ++m;
    return m;
  }

  // A panel is whose its first column is. Whether all of its columns are his.
  bool deal(int pack, const Panels& panels, int64_t* first) {
    const std::vector<int32_t>& widths = p_.packs[pack].out_widths;
    bool aligned = true;
    int member = 0;
    first[0] = 0;
    for (int64_t panel = 0; panel < panels.n; ++panel) {
      const Column* c = panels.columns + panel * panels.vectors;
      int whose = std::max(member, owner(widths[c->out], c->first));
      for (int64_t v = 0; v < panels.vectors; ++v)
        for (const Column* part = c + v; part; part = part->next ? part + part->next : nullptr)
          if (part->count) aligned &= owner(widths[part->out], part->first) == whose;
      while (member < whose) first[++member] = panel;
    }
    while (member < split_.members) first[++member] = panels.n;
    return aligned;
  }

  // What an item may not do before others have ended what came since the last wait.
  void find_waits(Section section, int64_t step, std::vector<Access>& since) {
    const std::vector<Item>& items = p_.sections[section];
    std::vector<uint8_t>& waits = split_.waits[section];
    for (size_t k = 0; k < items.size(); ++k) {
      std::vector<Access> now = accesses(items[k], section == LOOP, step);
      for (const Access& a : now)
        for (const Access& b : since) waits[k] |= a.conflicts(b);
      if (waits[k]) since.clear();
      since.insert(since.end(), now.begin(), now.end());
    }
    if (waits.back()) since.clear();
  }

  std::vector<Access> accesses(const Item& item, bool stepwise, int64_t step) const {
    std::vector<Access> list;
    auto add = [&](int32_t v, Whose whose, bool writes) {
      if (v < 0) return;
      const Value& x = p_.values[v];
      if (!in_rows(x.space) || x.space == TILE) return;
      int64_t first = x.space == STEP || x.space == SEQ ? int64_t(x.index) << 32 : x.offset;
      int64_t phase = (p_.backward && x.space != CARRY ? -step : step) + x.shift;
      if (x.space == CARRY) phase &= 1;
      if (!stepwise || (!moves(x.space) && x.space != CARRY)) phase = 0;
      list.push_back({x.space, first, first + x.width, phase, whose, writes});
    };
    if (item.opcode == POINTWISE) {
      for (int32_t k = 0; k < item.n_ops; ++k) {
        const PointwiseOp& op = p_.ops[item.first_op + k];
        for (int o = 0; o < op.n_operands; ++o) add(op.operand[o].value, OWN, o == 0);
      }
    } else if (item.opcode == OP_GEMM) {
      const int32_t *outs = item.words + 3, n_out = shapes_[item.words[0]].n_out;
      Whose whose = aligned_[item.words[0]] ? OWN : EVERYBODYS;
      for (int32_t s = 0; s < shapes_[item.words[0]].n_seg; ++s) add(outs[2 * n_out + s], EVERYBODYS, false);
      for (int32_t o = 0; o < n_out; ++o) add(outs[2 * o], whose, true), add(outs[2 * o + 1], whose, false);
    } else {
      // Any word that could be a value counts as one; the first is written.
      for (int32_t w = 0; w < item.n_words; ++w)
        if (item.words[w] >= 0 && item.words[w] < int32_t(p_.values.size())) add(item.words[w], LEADERS, w == 0);
    }
    return list;
  }
};

}  // namespace

template <class Real>
std::vector<Split> make_splits(const Program& program, const std::vector<GemmShape>& shapes,
                               const Kernels<Real>& kernels, int64_t loop_bytes) {
  std::vector<Split> splits;
  for (int members = 2; members <= MAX_CREW && members * BYTES_OF_A_MEMBER <= loop_bytes; ++members)
    splits.push_back(Splitter<Real>(program, shapes, kernels, members).make());
  return splits;
}

template std::vector<Split> make_splits(const Program&, const std::vector<GemmShape>&, const Kernels<float>&, int64_t);
template std::vector<Split> make_splits(const Program&, const std::vector<GemmShape>&, const Kernels<double>&, int64_t);

Crew::Crew(int most, const Program& p)
    : most(most), waits(int64_t(p.sections[PRE].size() + p.sections[LOOP].size() + p.sections[POST].size()) + 7) {}

int64_t Member::arrive() {
  number = crew_->arrived_.fetch_add(1, std::memory_order_relaxed);
  if (number >= crew_->most) return -1;
  for (;;) {
    uint64_t roster = crew_->roster_.load(std::memory_order_acquire);
    if (roster == Crew::OVER) return -1;
    if (int(roster & 255) > number) {
      members = 0;
      return int64_t(roster >> 8);
    }
    pause();
  }
}

void Member::admit(int64_t step, int64_t steps) {
  if (invited_ == 0 || step <= invited_from_) return;
  int here = std::min(crew_->arrived_.load(std::memory_order_relaxed), crew_->most);
  if (lost_ > PATIENCE && lost_ - PATIENCE > (now() - began_) / 4) {
    invited_from_ = step + 2, invited_ = 0;  // and nobody else
    crew_->roster_.store(uint64_t(invited_from_) << 8 | 1, std::memory_order_release);
    return;
  }
  if (here == invited_ || step + STEPS_OF_A_MEMBER > steps) return;
  if (members == 1) began_ = now();
  // By then all members have passed a wait of this step, and so know.
  invited_from_ = members == 1 ? step : step + 2;
  invited_ = here, crew_->met_ = true;
  crew_->roster_.store(uint64_t(invited_from_) << 8 | uint64_t(here), std::memory_order_release);
}

void Member::change(int64_t step, int next) {
  bool fewer = next < members;
  if (!fewer) members = next;
  wait(step);
  if (!fewer) return;
  members = next, dismissed_ = number > 0;
  if (number == 0) crew_->end();
}

void Member::leave() {
  if (crew_) crew_->places_[number].reached.store(INT64_MAX, std::memory_order_release);
}

void Member::wait_for_all(int64_t place) {
  crew_->places_[number].reached.store(place, std::memory_order_release);
  for (int m = 0; m < members; ++m)
    for (int64_t spins = 0, since = 0; crew_->places_[m].reached.load(std::memory_order_acquire) < place; ++spins) {
      if (spins < SPINS) continue;
      int64_t last = std::exchange(since, now());
      if (last) lost_ += since - last;
      sched_yield();
    }
}

namespace {

// Soon believes what is fast; one disturbed call does not outweigh many.
void follow(std::atomic<double>& estimate, double x) {
  double old = estimate.load(std::memory_order_relaxed);
  estimate.store(old == 0 ? x : old + (x - old) / (x < old ? 4 : 8), std::memory_order_relaxed);
}

}  // namespace

bool Trial::share() const {
  double alone = alone_.load(std::memory_order_relaxed), shared = shared_.load(std::memory_order_relaxed);
  if (alone == 0 || shared == 0) return shared == 0;
  bool tries = left_.load(std::memory_order_relaxed) > 0 || now() >= next_.load(std::memory_order_relaxed);
  return (shared < alone) != tries;
}

void Trial::took(bool shared, bool met, std::chrono::nanoseconds time, int64_t steps) {
  double each = double(time.count()) / double(steps), alone = alone_.load(std::memory_order_relaxed);
  double other = shared ? alone : shared_.load(std::memory_order_relaxed);
  auto better = [&] {
    return shared == (shared_.load(std::memory_order_relaxed) < alone_.load(std::memory_order_relaxed));
  };
  if (shared && !met && each < alone) return;
  bool trial = !better(), late = each > 2 * other;
  follow(shared ? shared_ : alone_, each);
  if (other == 0 || (!trial && !late)) return;
  int left = left_.load(std::memory_order_relaxed);
  left = !trial || late || better() ? 0 : left ? left - 1 : CALLS_OF_A_TRIAL - 1;
  double lost = lost_.load(std::memory_order_relaxed) + std::max(each - other, each / 20) * double(steps);
  if (!left) next_.store(now() + int64_t(PRICE_OF_A_TRIAL * lost), std::memory_order_relaxed);
  lost_.store(left ? lost : 0, std::memory_order_relaxed);
  left_.store(left, std::memory_order_relaxed);
}

}  // namespace ostinato
