// One block of rows whose steps several threads take together: a crew. Values are shared out by columns, products by
// panels, everything else is the leader's; whoever needs what another makes waits for all.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "program.h"

namespace ostinato {

constexpr int MAX_CREW = 8;

// How PRE, LOOP and POST are split among some number of members.
struct Split {
  struct Range {
    int64_t first, end;
  };
  // Where each member's panels of one pack begin, and where the last one's end.
  struct Panels {
    int64_t first[PANEL_KINDS][MAX_CREW + 1];
  };
  int members;
  int64_t lanes;
  std::vector<Panels> packs;
  std::vector<uint8_t> waits[N_SECTIONS];  // [items + 1] whether all wait for each other before it

  // The columns that a member has of a value so wide: whole vectors.
  Range columns(int64_t width, int member) const {
    int64_t vectors = (width + lanes - 1) / lanes;
    auto from = [&](int m) { return std::min(width, (m * vectors + members - 1) / members * lanes); };
    return {from(member), from(member + 1)};
  }
};

// For 2, 3, ... members, as many as the weights of LOOP may be worth.
template <class Real>
std::vector<Split> make_splits(const Program& program, const std::vector<GemmShape>& shapes,
                               const Kernels<Real>& kernels, int64_t loop_bytes);

// What the members share.
class Crew {
 public:
  Crew(int most, const Program& program);
  const int most;       // members
  const int64_t waits;  // more than there are in one step

  // Whether anybody came.
  bool met() const { return met_; }
  // The leader is done: nobody is let in any more.
  void end() { roster_.store(OVER, std::memory_order_release); }

 private:
  friend class Member;
  static constexpr uint64_t OVER = ~uint64_t(0);
  bool met_ = false;  // the leader's
  // From which step on there are how many: step << 8 | members.
  alignas(128) std::atomic<uint64_t> roster_{1};
  alignas(128) std::atomic<int> arrived_{1};
  struct alignas(128) Place {
    std::atomic<int64_t> reached{0};
  } places_[MAX_CREW];
};

// One member, as it sees itself. Without a crew it is alone.
class Member {
 public:
  int number = 0, members = 1;  // the leader is number 0

  explicit Member(Crew* crew) : crew_(crew) {}
  // A helper announces itself and is told the step with which it begins; -1: it is not needed.
  int64_t arrive();
  // At the beginning of a step: takes in who has come, or lets helpers go. All wait where that changes anything, or
  // always. Whether it did.
  bool gather(int64_t step, int64_t steps, bool always) {
    if (!crew_) return false;
    if (number == 0) admit(step, steps);
    uint64_t roster = crew_->roster_.load(std::memory_order_relaxed);
    bool changed = int(roster & 255) != members && step >= int64_t(roster >> 8);
    if (changed)
      change(step, int(roster & 255));
    else if (always)
      wait(step);
    return changed;
  }
  // Whether it has been let go.
  bool dismissed() const { return dismissed_; }
  // Until all members have come to this wait of the step.
  void wait(int64_t step) {
    if (members == 1) return;
    wait_for_all(place_ = std::max(place_, step * crew_->waits) + 1);
  }
  // Nobody need wait for this one any more.
  void leave();

 private:
  Crew* crew_;
  int64_t place_ = 0;
  bool dismissed_ = false;
  int invited_ = 1;
  int64_t invited_from_ = -1;
  int64_t began_ = 0, lost_ = 0;  // the leader's: since when there is a crew, how long it stood still; nanoseconds
  void admit(int64_t step, int64_t steps);
  void change(int64_t step, int next);
  void wait_for_all(int64_t place);
};

// Whether sharing pays on this machine at this time, by what calls took with and without. What loses is tried again
// when the time that its last trial lost is a small part of what has passed.
class Trial {
 public:
  bool share() const;
  void took(bool shared, bool met, std::chrono::nanoseconds time, int64_t steps);  // met: helpers came

 private:
  std::atomic<double> alone_{0}, shared_{0};  // nanoseconds a step, 0: not known
  std::atomic<int> left_{0};                  // calls of a trial
  std::atomic<double> lost_{0};               // by it so far
  std::atomic<int64_t> next_{0};              // when there may be another
};

}  // namespace ostinato
