#include "pool.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace ostinato {

namespace {

constexpr int JOBS = 16;  // calls that may share the helpers at one time
constexpr int64_t MAX_TASKS = int64_t(1) << 31;
constexpr auto IDLE_SPIN = std::chrono::microseconds(50);  // a helper looks out before it sleeps
constexpr auto CALLER_SPIN = std::chrono::microseconds(50);
constexpr auto PATIENCE = std::chrono::milliseconds(50);

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// What can still be claimed, in one word: the job's generation, free seats for helpers, the next task. Whoever
// claims compares all three, so a helper that wakes late can neither claim from nor look into a later job.
struct Claim {
  uint64_t word;
  static Claim make(uint64_t generation, uint64_t seats) { return {generation << 40 | seats << 32}; }
  uint64_t generation() const { return word >> 40; }
  uint64_t seats() const { return word >> 32 & 255; }
  int64_t next() const { return int64_t(word & 0xffffffff); }
  Claim without_seat() const { return {word - (uint64_t(1) << 32)}; }
  Claim after_next() const { return {word + 1}; }
  // No tasks, but a seat in the one that runs.
  static Claim open(uint64_t generation, uint64_t seats) { return {generation << 40 | seats << 32 | 0xfffffffe}; }
  bool is_open() const { return seats() && next() == 0xfffffffe; }
  // Nothing to claim, whatever the count becomes.
  Claim closed() const { return {generation() << 40 | 0xffffffff}; }
};

// A place where a call offers its tasks. It belongs to the pool for ever; calls come and go.
struct Job {
  std::atomic<bool> taken{false};
  std::atomic<uint64_t> claim{Claim{0}.closed().word};
  std::atomic<int64_t> count{0}, done{0};
  std::atomic<Work*> work{nullptr};
};

class Pool {
 public:
  Job jobs[JOBS];

  void offer(int helpers) {
    while (helpers_ < helpers && start_helper()) {
    }
    keep_apart();
    epoch_.fetch_add(1);
    if (sleeping_.load() == 0) return;
    {
      std::lock_guard lock(mutex_);
    }
    for (int i = 0; i < helpers; ++i) wake_.notify_one();
  }

  // The last task of a job is done.
  void finished() {
    {
      std::lock_guard lock(mutex_);
    }
    done_.notify_all();
  }

  void wait(Job& job, int64_t count, Work& work) {
    auto complete = [&] { return job.done.load(std::memory_order_acquire) == count; };
    auto start = std::chrono::steady_clock::now();
    while (!complete() && std::chrono::steady_clock::now() - start < CALLER_SPIN) pause();
    while (!complete()) {
      std::unique_lock lock(mutex_);
      bool ended = done_.wait_for(lock, PATIENCE, complete);
      lock.unlock();
      if (!ended) work.waiting();
    }
  }

  // Returns how many tasks it has claimed.
  int64_t run_tasks(Job& job, Claim claim, int participant) {
    uint64_t generation = claim.generation();
    int64_t count = job.count.load(std::memory_order_relaxed), claimed = 0;
    while (claim.generation() == generation && claim.next() < count) {
      if (!job.claim.compare_exchange_weak(claim.word, claim.after_next().word)) continue;
      job.work.load(std::memory_order_relaxed)->task(claim.next(), participant);
      ++claimed;
      if (job.done.fetch_add(1, std::memory_order_acq_rel) + 1 == count) finished();
      claim.word = job.claim.load();
    }
    return claimed;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::atomic<uint64_t> epoch_{0};
  std::atomic<int> sleeping_{0}, helpers_{0};

#ifdef __linux__
  std::vector<pthread_t> threads_;
  std::atomic<int> avoided_{-1};

  // A virtual machine's idle processors look busy to the kernel, which then wakes helpers on the caller's own
  // and leaves them there for milliseconds. So they may run anywhere but there.
  void keep_apart() {
    int here = sched_getcpu();
    if (here < 0 || avoided_.load() == here) return;
    std::lock_guard lock(mutex_);
    cpu_set_t allowed;
    if (pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed) || CPU_COUNT(&allowed) < 2) return;
    CPU_CLR(here, &allowed);
    for (pthread_t thread : threads_) pthread_setaffinity_np(thread, sizeof allowed, &allowed);
    avoided_ = here;
  }
#else
  void keep_apart() {}
#endif

  bool start_helper() {
    std::lock_guard lock(mutex_);
    sigset_t all, before;  // signals are for the threads of the caller's program
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = true;
    try {
      std::thread helper([this] { help(); });
#ifdef __linux__
      threads_.push_back(helper.native_handle());
      avoided_ = -1;
#endif
      helper.detach();
      ++helpers_;
    } catch (const std::system_error&) {
      started = false;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
  }

  void help() {
    FlushSubnormals flush;
    for (;;) {
      uint64_t seen = epoch_.load();
      for (Job& job : jobs) {
        Claim claim{job.claim.load()};
        while (claim.is_open() || (claim.seats() && claim.next() < job.count.load(std::memory_order_relaxed))) {
          if (!job.claim.compare_exchange_weak(claim.word, claim.without_seat().word)) continue;
          if (claim.is_open()) {
            job.work.load(std::memory_order_relaxed)->join(int(claim.seats()));
            job.done.fetch_add(1, std::memory_order_acq_rel);
            finished();
          } else {
            run_tasks(job, claim.without_seat(), int(claim.seats()));
          }
          break;
        }
      }
      auto start = std::chrono::steady_clock::now();
      while (epoch_.load() == seen && std::chrono::steady_clock::now() - start < IDLE_SPIN) pause();
      if (epoch_.load() != seen) continue;
      std::unique_lock lock(mutex_);
      ++sleeping_;
      wake_.wait(lock, [&] { return epoch_.load() != seen; });
      --sleeping_;
    }
  }
};

using Region = void (*)(void*);
using OpenMp = void (*)(Region, void*, unsigned threads, unsigned flags);

// Never destroyed, since its threads outlive main. A forked child, which has none of these threads, drops it
// and starts another when it needs one; a runtime of another library would hang there, so it is dropped too.
std::atomic<Pool*> the_pool{nullptr};
std::atomic<OpenMp> openmp{nullptr};

Pool& pool() {
  static bool once = (the_pool = new Pool,
                      pthread_atfork(nullptr, nullptr,
                                     [] {
                                       the_pool = new Pool;
                                       openmp = nullptr;
                                     }),
                      true);
  (void)once;
  return *the_pool.load();
}

using Clock = std::chrono::steady_clock;
using Moment = std::chrono::nanoseconds;

Moment now() { return Clock::now().time_since_epoch(); }

// Whether the other library's threads are awake. Awake they spin on the processors that our helpers need, and are
// at hand at once; asleep they are milliseconds late, and the caller would have to wait for them. We cannot ask, so
// we go by what happened: helpers that do not turn up show that they are awake, a long wait that they were not.
class Awake {
  static constexpr Moment RECENT = std::chrono::milliseconds(20), PENALTY = std::chrono::milliseconds(200);
  static constexpr Moment NOTICEABLE = std::chrono::microseconds(100), LONG = std::chrono::microseconds(500);
  std::atomic<Moment> until_{Moment(0)}, barred_{Moment(0)};

 public:
  bool likely() const { return now() < until_.load(); }
  void helpers_did(int64_t tasks, int64_t fair, Moment start) {
    Moment end = now();
    if (tasks < fair && end - start > LONG && end > barred_.load()) until_ = end + RECENT;
  }
  void ran(Moment start, Moment caller_done) {
    Moment end = now(), waited = end - caller_done;
    bool late = waited > NOTICEABLE && waited > caller_done - start;
    if (late) barred_ = end + PENALTY;
    until_ = late ? Moment(0) : end + RECENT;
  }
} awake;

struct Team {
  Work& work;
  int64_t count;
  Moment caller_done{0};
  std::atomic<int64_t> next{0};
  std::atomic<int> members{1};
  std::thread::id caller = std::this_thread::get_id();

  void join() {
    FlushSubnormals flush;
    int participant = std::this_thread::get_id() == caller ? 0 : members++;
    for (int64_t n; (n = next++) < count;) work.task(n, participant);
    if (participant == 0) caller_done = now();
  }

  void join_in() {
    FlushSubnormals flush;
    if (std::this_thread::get_id() != caller) return work.join(members++);
    work.task(0, 0);
    caller_done = now();
  }
};

void alone(Work& work, int64_t count) {
  FlushSubnormals flush;
  for (int64_t n = 0; n < count; ++n) work.task(n, 0);
}

}  // namespace

void parallel(Work& work, int64_t count, int threads) {
  threads = int(std::min<int64_t>({threads, count, MAX_THREADS}));
  if (threads <= 1 || count >= MAX_TASKS) return alone(work, count);
  Moment start = now();
  OpenMp theirs = openmp.load();
  if (theirs && awake.likely()) {
    Team team{work, count};
    theirs([](void* data) { static_cast<Team*>(data)->join(); }, &team, unsigned(threads), 0);
    return awake.ran(start, team.caller_done);
  }
  Pool& p = pool();
  for (Job& job : p.jobs) {
    if (job.taken.exchange(true)) continue;
    Claim claim = Claim::make(Claim{job.claim.load()}.generation() + 1, uint64_t(threads - 1));
    job.count = count, job.done = 0, job.work = &work;
    job.claim.store(claim.word);
    p.offer(threads - 1);
    int64_t own;
    {
      FlushSubnormals flush;
      own = p.run_tasks(job, Claim{job.claim.load()}, 0);
    }
    p.wait(job, count, work);
    if (theirs) awake.helpers_did(count - own, count * (threads - 1) / threads - count / 8, start);
    job.claim.store(claim.closed().word);
    job.taken = false;
    return;
  }
  alone(work, count);
}

void lead(Work& work, int threads) {
  Moment start = now();
  OpenMp theirs = openmp.load();
  if (theirs && awake.likely()) {
    Team team{work, 0};
    theirs([](void* data) { static_cast<Team*>(data)->join_in(); }, &team, unsigned(threads), 0);
    return awake.ran(start, team.caller_done);
  }
  Pool& p = pool();
  for (Job& job : p.jobs) {
    if (job.taken.exchange(true)) continue;
    uint64_t seats = uint64_t(threads - 1);
    Claim claim = Claim::open(Claim{job.claim.load()}.generation() + 1, seats);
    job.count = 0, job.done = 0, job.work = &work;
    job.claim.store(claim.word);
    p.offer(threads - 1);
    alone(work, 1);
    claim.word = job.claim.exchange(claim.closed().word);
    int64_t helpers = int64_t(seats - claim.seats());
    p.wait(job, helpers, work);
    if (theirs) awake.helpers_did(helpers, int64_t(seats), start);
    job.taken = false;
    return;
  }
  alone(work, 1);
}

void set_thread_pool(const std::string& name, const std::string& path) {
  pool();
  if (name == "own") {
    openmp = nullptr;
  } else if (name == "openmp") {
    void* library = path.empty() ? RTLD_DEFAULT : dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
    void* found = !path.empty() && !library ? nullptr : dlsym(library, "GOMP_parallel");
    if (!found) throw std::invalid_argument("no OpenMP runtime is loaded" + (path.empty() ? "" : " from " + path));
    openmp = reinterpret_cast<OpenMp>(found);
  } else {
    throw std::invalid_argument("the thread pool is \"own\" or \"openmp\", not \"" + name + "\"");
  }
}

#if defined(__x86_64__)
FlushSubnormals::FlushSubnormals() : saved_(_mm_getcsr()) { _mm_setcsr(unsigned(saved_) | 0x8040); }
FlushSubnormals::~FlushSubnormals() { _mm_setcsr(unsigned(saved_)); }
#elif defined(__aarch64__)
FlushSubnormals::FlushSubnormals() {
  asm volatile("mrs %0, fpcr" : "=r"(saved_));
  asm volatile("msr fpcr, %0" ::"r"(saved_ | (uint64_t(1) << 24)));
}
FlushSubnormals::~FlushSubnormals() { asm volatile("msr fpcr, %0" ::"r"(saved_)); }
#else
FlushSubnormals::FlushSubnormals() : saved_(0) {}
FlushSubnormals::~FlushSubnormals() {}
#endif

}  // namespace ostinato
