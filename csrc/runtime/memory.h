// Memory for results and temporaries: a cache of aligned blocks and one scratch area per thread.
#pragma once
#include <cstddef>
#include <cstdint>

namespace fastnn {

// A fresh large array costs more in page faults than in arithmetic, so blocks that come back are kept
// for the next taker. Sizes come in classes, four to each power of two: a block is at most a quarter
// larger than what was asked for (or rounded up to 64 bytes).
struct Block {
  char* data;            // 64-byte-aligned; from 2 MiB on it starts on a huge page
  size_t bytes;          // usable, at least what was asked for
  Block *newer, *older;  // neighbors in the cache; this and the next are the cache's own
  uint64_t given;        // when it came back, counted in blocks
};

// Contents are unspecified. nullptr if the system has no such memory even after trim().
Block* take_block(size_t bytes) noexcept;

// Any thread may give back what another has taken.
void give_block(Block* block) noexcept;

// Memory of the calling thread, 64-byte-aligned, valid until its next call of scratch or trim; it
// grows as needed, keeps nothing when it does, and is freed with the thread. nullptr as above.
char* scratch(size_t bytes) noexcept;

// Returns all cached blocks and the calling thread's scratch to the system; the bytes returned.
size_t trim() noexcept;

// The most that is kept for later, 256 MiB at first. Above it the blocks unused for longest go.
void set_cache_limit(size_t bytes) noexcept;

struct MemoryStats {
  size_t in_use;  // bytes of blocks taken and not given back, scratch included
  size_t held;    // bytes of blocks kept for later
  size_t limit;   // bound of held
};
MemoryStats memory_stats() noexcept;

}  // namespace fastnn
