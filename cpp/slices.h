// Blocks of rows taken in slices of steps: so threads end at about the same time, whatever a block costs and however
// fast the processor of each thread is just then.
#pragma once

#include <cstdint>
#include <mutex>
#include <queue>
#include <vector>

namespace ostinato {

// Which block goes on. There are as many tasks as slices, each for one slice; a task that finds no block free leaves
// its slice to those who hold one.
class Slices {
 public:
  struct Slice {
    int64_t left, block, number;  // left: with this one
    bool operator<(const Slice& other) const { return left != other.left ? left < other.left : block > other.block; }
  };

  // A block of so many slices, one at least; before any is taken.
  void add(int64_t slices) { free_.push({slices, blocks_++, 0}), total_ += slices; }
  int64_t total() const { return total_; }

  // The next slice of the block that has most left. False: all that have any are held.
  bool take(Slice& slice) {
    std::lock_guard lock(mutex_);
    if (free_.empty()) return ++owed_, false;
    slice = free_.top();
    free_.pop();
    return true;
  }

  // The slice is done. Whether another is to be taken in place of a task that found none.
  bool leave(const Slice& slice) {
    std::lock_guard lock(mutex_);
    if (slice.left > 1) free_.push({slice.left - 1, slice.block, slice.number + 1});
    return owed_ && owed_--;
  }

 private:
  std::mutex mutex_;
  std::priority_queue<Slice> free_;
  int64_t blocks_ = 0, total_ = 0, owed_ = 0;
};

}  // namespace ostinato
