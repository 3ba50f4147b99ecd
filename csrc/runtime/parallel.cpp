#include "runtime/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>

#include "runtime/os.h"

namespace fastnn {
namespace {

using Clock = std::chrono::steady_clock;
using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

// Bridges the Python code between two operations. A sleeping thread costs its waker microseconds and itself more.
constexpr auto patience = std::chrono::microseconds(30);

// A claim takes several chunks where there are many: enough claims to even out, few enough to be cheap.
constexpr int claims_per_thread = 64;

struct Region {
  Body body;
  void* data;
  int64_t n, grain;

  int64_t chunks() const { return n / grain + (n % grain != 0); }
  void run(int64_t first, int64_t last) const {  // chunks
    for (int64_t low = first * grain; first < last; first++, low += grain)
      body(data, low, low + std::min(grain, n - low));
  }
};

// A claim is one successful decrement of `unclaimed`, and only who holds one reads the region; the next region is
// published when `unfinished` is 0, that is, when no claim is held. So a thread that wakes late, or between two
// regions, finds nothing to claim or claims from the region that runs now, and nobody ever waits for it.
struct Pool {
  Region region;
  int64_t batch;        // chunks per claim
  int claims;           // of the whole region
  int paused;           // claims held back while the thread that called parallel forks in a body
  uint64_t float_mode;  // of the caller: subnormals and rounding are the same on every thread

  alignas(64) std::atomic<int> unclaimed{0};
  alignas(64) std::atomic<int> unfinished{0};
  alignas(64) std::atomic<int> published{0};  // counts regions; workers sleep on it
  std::atomic<int> sleepers{0};
  std::atomic<bool> spin{true};  // false where threads have to take turns on the processors

  alignas(64) std::atomic<bool> busy{false};  // the only lock: held by the thread that runs a region or resizes
  std::atomic<int> wanted{1};                 // threads, as asked for
  int cpus = 0;                               // usable ones; read once, for the answer takes opening files
  int sized_for = 1;                          // `wanted` when the workers were last adjusted
  std::atomic<int> limit{0};                  // workers with a number from here on end
  std::atomic<int> alive{0};                  // workers are numbered 0 ... alive - 1
};

// Never destroyed: workers sleep on it while the process exits.
Pool& pool = *new Pool;

thread_local bool leading = false;  // this thread called parallel and its region is running

bool try_lock() { return !pool.busy.load(memory_order_relaxed) && !pool.busy.exchange(true, memory_order_acquire); }
void unlock() { pool.busy.store(false, memory_order_release); }

template <class Condition>
bool spin_until(Condition condition) {
  if (!pool.spin.load(memory_order_relaxed)) return condition();
  const auto deadline = Clock::now() + patience;
  do {
    for (int i = 0; i < 16; i++) {
      if (condition()) return true;
      os::relax();
    }
  } while (Clock::now() < deadline);
  return condition();
}

void work_on_claims() {
  int left = pool.unclaimed.load(memory_order_relaxed);
  while (left > 0) {
    if (!pool.unclaimed.compare_exchange_weak(left, left - 1, memory_order_acquire, memory_order_relaxed)) continue;
    os::set_float_mode(pool.float_mode);
    const int64_t first = (pool.claims - left) * pool.batch;
    pool.region.run(first, std::min(first + pool.batch, pool.region.chunks()));
    if (pool.unfinished.fetch_sub(1, memory_order_acq_rel) == 1) pool.unfinished.notify_one();
    left = pool.unclaimed.load(memory_order_relaxed);
  }
}

void work(void* argument) {
  const auto number = reinterpret_cast<intptr_t>(argument);
  for (;;) {
    const int seen = pool.published.load(memory_order_acquire);
    if (number >= pool.limit.load(memory_order_acquire)) break;
    work_on_claims();
    const auto changed = [seen] { return pool.published.load(memory_order_acquire) != seen; };
    if (spin_until(changed)) continue;
    pool.sleepers.fetch_add(1);
    pool.published.wait(seen);
    pool.sleepers.fetch_sub(1);
  }
  pool.alive.fetch_sub(1, memory_order_release);
}

// Wakes what the awake workers leave undone. A worker counts itself a sleeper before it looks at
// `published` for the last time, so that it either is counted here or does not fall asleep.
void publish(int helpers) {
  pool.published.fetch_add(1);
  const int asleep = pool.sleepers.load();
  const int wake = helpers - (pool.alive.load(memory_order_relaxed) - asleep);
  if (wake >= asleep) {
    if (asleep > 0) pool.published.notify_all();
  } else {
    for (int i = 0; i < wake; i++) pool.published.notify_one();
  }
}

// Brings the number of workers to what is wanted, or as near as the system allows. Holds the lock.
void resize() {
  pool.sized_for = pool.wanted.load(memory_order_relaxed);
  if (pool.cpus == 0) pool.cpus = os::usable_cpus();
  pool.spin.store(pool.sized_for <= pool.cpus, memory_order_relaxed);
  const int workers = pool.sized_for - 1;
  pool.limit.store(workers, memory_order_release);
  if (pool.alive.load(memory_order_acquire) > workers) {
    publish(max_threads);
    while (pool.alive.load(memory_order_acquire) > workers) os::yield();
  }
  for (int number = pool.alive.load(memory_order_acquire); number < workers; number++) {
    pool.alive.fetch_add(1, memory_order_relaxed);
    if (os::start_thread(work, reinterpret_cast<void*>(intptr_t{number}))) continue;
    pool.alive.fetch_sub(1, memory_order_relaxed);
    break;
  }
}

void lead(const Region& region, int64_t chunks) {
  if (pool.sized_for != pool.wanted.load(memory_order_relaxed)) resize();
  pool.region = region;
  pool.batch = std::max<int64_t>(1, chunks / (int64_t{claims_per_thread} * pool.sized_for));
  pool.claims = static_cast<int>(chunks / pool.batch + (chunks % pool.batch != 0));
  pool.float_mode = os::float_mode();
  pool.unfinished.store(pool.claims, memory_order_relaxed);
  pool.unclaimed.store(pool.claims, memory_order_release);
  leading = true;
  publish(pool.claims - 1);
  work_on_claims();
  leading = false;
  if (spin_until([] { return pool.unfinished.load(memory_order_acquire) == 0; })) return;
  while (const int unfinished = pool.unfinished.load(memory_order_acquire)) pool.unfinished.wait(unfinished);
}

// A child has no workers, and if another thread was in a region, no one who would end it. A thread that forks in a
// body goes on in both processes: it lets the workers end what they hold, and each process does the rest by itself.
void before_fork() {
  if (!leading) return;
  pool.paused = pool.unclaimed.exchange(0, memory_order_acq_rel);
  while (pool.unfinished.load(memory_order_acquire) > pool.paused + 1) os::yield();
}

void after_fork() {
  if (leading) pool.unclaimed.store(pool.paused, memory_order_release);
}

void after_fork_in_child() {
  pool.unclaimed.store(leading ? pool.paused : 0, memory_order_relaxed);
  pool.sleepers.store(0, memory_order_relaxed);
  pool.limit.store(0, memory_order_relaxed);
  pool.alive.store(0, memory_order_relaxed);
  pool.sized_for = 1;
  pool.busy.store(leading, memory_order_relaxed);
}

// Registered while the library loads: a flag set by the first region could itself be torn by a fork.
[[maybe_unused]] const bool registered = os::at_fork(before_fork, after_fork, after_fork_in_child);

}  // namespace

void parallel(void* threads, int64_t n, int64_t grain, Body body, void* data) noexcept {
  if (n <= 0) return;
  const Region region{body, data, n, std::max<int64_t>(grain, 1)};
  const int64_t chunks = region.chunks();
  if (threads == nullptr || chunks < 2 || pool.wanted.load(memory_order_relaxed) < 2 || !try_lock()) {
    region.run(0, chunks);
  } else {
    lead(region, chunks);
    unlock();
  }
}

void* thread_pool() noexcept { return &pool; }

void set_num_threads(int threads) noexcept {
  pool.wanted.store(std::clamp(threads, 1, max_threads), memory_order_relaxed);
  if (!try_lock()) return;  // the region that runs now keeps its threads, the next one adjusts them
  if (pool.alive.load(memory_order_relaxed) >= pool.wanted.load(memory_order_relaxed)) resize();
  unlock();
}

int get_num_threads() noexcept { return pool.wanted.load(memory_order_relaxed); }

int default_threads() noexcept {
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    const long threads = std::strtol(text, nullptr, 10);
    if (threads > 0) return static_cast<int>(std::min<long>(threads, max_threads));
  }
  return std::min(os::usable_cpus(), max_threads);
}

}  // namespace fastnn
