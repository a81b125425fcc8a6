// Working memory that is reused between calls: fresh pages cost more than the arithmetic done in them.
#pragma once

#include <cstddef>
#include <cstdint>
#ifdef __SANITIZE_ADDRESS__
#include <utility>
#include <vector>
#endif

namespace ostinato {

// 64-byte aligned memory of unspecified contents, from a pool and back to it. Throws std::bad_alloc.
class Arena {
 public:
  Arena() = default;
  explicit Arena(size_t bytes);
  ~Arena() { give_back(); }
  Arena(Arena&& other) noexcept : data_(other.data_), size_(other.size_) { other.data_ = nullptr, other.size_ = 0; }
  Arena& operator=(Arena&& other) noexcept;

  std::byte* data() const { return data_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  void give_back() noexcept;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Adds up a layout of 64-byte aligned parts; throws std::bad_alloc where a size exceeds what memory could hold.
class Layout {
 public:
  // The offset of a part of count * each bytes (none of them negative).
  size_t add(int64_t count, int64_t each, int64_t times = 1);
  size_t bytes() const { return bytes_; }
  // Under the address sanitizer, makes what lies between the parts of this layout at `memory` an error to touch.
  void guard(std::byte* memory) const;

 private:
  size_t bytes_ = 0;
#ifdef __SANITIZE_ADDRESS__
  std::vector<std::pair<size_t, size_t>> gaps_;
#endif
};

}  // namespace ostinato
