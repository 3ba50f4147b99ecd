#include "runtime/memory.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <new>

#include "runtime/os.h"

namespace fastnn {
namespace {

// Sizes are counted in units of 64 bytes: 1 2 3 4 5 6 7 8 | 10 12 14 16 | 20 24 28 32 | ...
constexpr size_t unit = 64;
constexpr size_t largest = size_t{1} << 62;
constexpr int class_count = 224;

constexpr int size_class(size_t bytes) {
  const size_t last = bytes == 0 ? 0 : (bytes - 1) / unit;
  const int shift = std::max(0, static_cast<int>(std::bit_width(last)) - 3);
  return 4 * shift + static_cast<int>(last >> shift);
}

constexpr size_t class_bytes(int index) {
  const int shift = std::max(0, index / 4 - 1);
  return (static_cast<size_t>(index - 4 * shift) + 1) * unit << shift;
}

static_assert(size_class(largest) < class_count);

void release(Block* block) noexcept {
  os::release(block->data, block->bytes);
  delete block;
}

size_t release_all(Block* chain) noexcept {
  size_t bytes = 0;
  while (chain != nullptr) {
    Block* const next = chain->older;
    bytes += chain->bytes;
    release(chain);
    chain = next;
  }
  return bytes;
}

// Blocks of one size, newest first: the warmest in the processor's caches is the next to be used.
struct Shelf {
  Block *newest = nullptr, *oldest = nullptr;

  void push(Block* block) {
    block->newer = nullptr;
    block->older = newest;
    (newest != nullptr ? newest->newer : oldest) = block;
    newest = block;
  }
  void remove(Block* block) {
    (block->newer != nullptr ? block->newer->older : newest) = block->older;
    (block->older != nullptr ? block->older->newer : oldest) = block->newer;
  }
};

struct Cache {
  std::mutex lock;
  Shelf shelves[class_count];
  size_t in_use = 0, held = 0, limit = size_t{256} << 20;
  uint64_t clock = 0;

  Block* take(int index) {
    const std::lock_guard guard(lock);
    Shelf& shelf = shelves[index];
    Block* const block = shelf.newest;
    if (block == nullptr) return nullptr;
    shelf.remove(block);
    held -= block->bytes;
    in_use += block->bytes;
    return block;
  }

  // Unlinks the oldest blocks until at most `most` bytes are held; the caller releases the chain
  // without the lock, because returning memory to the system takes long.
  Block* evict(size_t most) {
    Block* chain = nullptr;
    while (held > most) {
      Shelf* from = nullptr;
      for (Shelf& shelf : shelves) {
        if (shelf.oldest != nullptr && (from == nullptr || shelf.oldest->given < from->oldest->given)) from = &shelf;
      }
      Block* const block = from->oldest;
      from->remove(block);
      held -= block->bytes;
      block->older = chain;
      chain = block;
    }
    return chain;
  }

  Block* put(Block* block) {
    const std::lock_guard guard(lock);
    in_use -= block->bytes;
    held += block->bytes;
    block->given = ++clock;
    shelves[size_class(block->bytes)].push(block);
    return held > limit ? evict(limit) : nullptr;
  }
};

// Never destroyed: arrays and threads may outlive static destructors.
Cache& cache = *new Cache;

// fork copies the cache while no other thread is changing it.
[[maybe_unused]] const bool registered =
    os::at_fork([] { cache.lock.lock(); }, [] { cache.lock.unlock(); }, [] { cache.lock.unlock(); });

Block* new_block(size_t bytes) noexcept {
  void* const data = os::allocate(bytes);
  Block* const block =
      data != nullptr ? new (std::nothrow) Block{static_cast<char*>(data), bytes, nullptr, nullptr, 0} : nullptr;
  if (block == nullptr && data != nullptr) os::release(data, bytes);
  return block;
}

size_t trim_cache() noexcept {
  Block* chain;
  {
    const std::lock_guard guard(cache.lock);
    chain = cache.evict(0);
  }
  return release_all(chain);
}

struct Scratch {
  Block* block = nullptr;

  void drop() noexcept {
    if (block != nullptr) give_block(block);
    block = nullptr;
  }
  ~Scratch() { drop(); }
};

thread_local Scratch own;

}  // namespace

Block* take_block(size_t bytes) noexcept {
  if (bytes > largest) return nullptr;
  const int index = size_class(bytes);
  if (Block* const block = cache.take(index)) return block;
  Block* block = new_block(class_bytes(index));
  if (block == nullptr && trim_cache() > 0) block = new_block(class_bytes(index));
  if (block == nullptr) return nullptr;
  const std::lock_guard guard(cache.lock);
  cache.in_use += block->bytes;
  return block;
}

void give_block(Block* block) noexcept { release_all(cache.put(block)); }

char* scratch(size_t bytes) noexcept {
  if (own.block != nullptr && own.block->bytes >= bytes) return own.block->data;
  own.drop();
  own.block = take_block(bytes);
  return own.block != nullptr ? own.block->data : nullptr;
}

size_t trim() noexcept {
  own.drop();
  return trim_cache();
}

void set_cache_limit(size_t bytes) noexcept {
  Block* chain;
  {
    const std::lock_guard guard(cache.lock);
    cache.limit = bytes;
    chain = cache.evict(bytes);
  }
  release_all(chain);
}

MemoryStats memory_stats() noexcept {
  const std::lock_guard guard(cache.lock);
  return {cache.in_use, cache.held, cache.limit};
}

}  // namespace fastnn
