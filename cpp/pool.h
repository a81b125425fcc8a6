// Tasks that threads claim. The caller works at once and waits only for tasks that a helper has claimed.
#pragma once

#include <cstdint>
#include <string>

namespace ostinato {

struct Work {
  virtual void task(int64_t number, int participant) noexcept = 0;    // participant: 0 (the caller) ... threads - 1
  virtual void join(int participant) noexcept { (void)participant; }  // takes part in task 0 while it runs
  virtual void waiting() noexcept {}                                  // on the caller, about every 50 ms of waiting
 protected:
  ~Work() = default;
};

constexpr int MAX_THREADS = 128;

// Carries out tasks 0 ... count - 1, each once, subnormals flushed.
void parallel(Work& work, int64_t count, int threads);

// Carries out task 0 on this thread, subnormals flushed; helpers that come meanwhile join it.
void lead(Work& work, int threads);

// "own": threads of this module. "openmp": beside them, while its threads are awake, the runtime that another library
// (PyTorch) has loaded, found in this process or, with a path, in that loaded library. Throws std::invalid_argument.
void set_thread_pool(const std::string& name, const std::string& path);

// While it lives, subnormal numbers count as zero on this thread.
class FlushSubnormals {
 public:
  FlushSubnormals();
  ~FlushSubnormals();

 private:
  uint64_t saved_;
};

}  // namespace ostinato
