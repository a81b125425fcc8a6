#include "arena.h"

#include <pthread.h>

#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
constexpr bool POOLED = false;
constexpr size_t GUARD = 64;
#else
constexpr bool POOLED = true;  // reuse would hide errors from the address sanitizer
constexpr size_t GUARD = 0;
#endif

namespace ostinato {

namespace {

constexpr size_t MAX_IDLE = size_t(1) << 29, MAX_BYTES = size_t(1) << 46, HUGE_PAGE = size_t(1) << 21;

// Four sizes an octave: a block serves requests that differ by up to a quarter.
size_t size_class(size_t bytes, size_t& rounded) {
  size_t units = (bytes + 255) / 256, octave = std::bit_width(units) < 3 ? 0 : std::bit_width(units) - 3;
  size_t quarters = (units + (size_t(1) << octave) - 1) >> octave;
  if (quarters == 8) ++octave, quarters = 4;  // the same class as the rounded size has when it comes back
  rounded = (quarters << octave) * 256;
  return octave * 8 + quarters;
}

struct Pool {
  std::mutex mutex;
  std::vector<void*> idle[64 * 8 + 16];
  size_t idle_bytes = 0;
};

// Never destroyed: memory may come back while the process exits. A forked child starts a new one, since
// another thread may have held the lock.
Pool* pool = nullptr;
void start_pool() { pool = new Pool; }

Pool& the_pool() {
  static bool once = (start_pool(), pthread_atfork(nullptr, nullptr, start_pool), true);
  (void)once;
  return *pool;
}

void* allocate(size_t bytes) {
  size_t alignment = bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : 64;
  void* data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (!data) throw std::bad_alloc();
#ifdef __linux__
  if (alignment == HUGE_PAGE) madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

}  // namespace

Arena::Arena(size_t bytes) {
  if (bytes == 0) return;
  if (bytes > MAX_BYTES) throw std::bad_alloc();
  size_t list = size_class(bytes, size_);
  if (!POOLED) size_ = bytes;
  {
    Pool& p = the_pool();
    std::lock_guard lock(p.mutex);
    if (POOLED && !p.idle[list].empty()) {
      data_ = static_cast<std::byte*>(p.idle[list].back());
      p.idle[list].pop_back();
      p.idle_bytes -= size_;
      return;
    }
  }
  data_ = static_cast<std::byte*>(allocate(size_));
}

Arena& Arena::operator=(Arena&& other) noexcept {
  if (this != &other) {
    give_back();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void Arena::give_back() noexcept {
  if (!data_) return;
  size_t rounded, list = size_class(size_, rounded);
  Pool& p = the_pool();
  {
    std::lock_guard lock(p.mutex);
    if (POOLED && p.idle_bytes + size_ <= MAX_IDLE) {
      try {
        p.idle[list].push_back(data_);
        p.idle_bytes += size_;
        data_ = nullptr;
      } catch (const std::bad_alloc&) {
      }
    }
  }
  std::free(data_);
  data_ = nullptr;
}

size_t Layout::add(int64_t count, int64_t each, int64_t times) {
  size_t part, total, offset = bytes_;
  if (count < 0 || each < 0 || times < 0 || __builtin_mul_overflow(size_t(count), size_t(each), &part) ||
      __builtin_mul_overflow(part, size_t(times), &part) || part > MAX_BYTES ||
      __builtin_add_overflow(bytes_, (part + 63) / 64 * 64 + GUARD, &total) || total > MAX_BYTES)
    throw std::bad_alloc();
  bytes_ = total;
#ifdef __SANITIZE_ADDRESS__
  gaps_.push_back({offset + part, total});
#endif
  return offset;
}

#ifdef __SANITIZE_ADDRESS__
void Layout::guard(std::byte* memory) const {
  for (auto [first, last] : gaps_) ASAN_POISON_MEMORY_REGION(memory + first, last - first);
}
#else
void Layout::guard(std::byte*) const {}
#endif

}  // namespace ostinato
