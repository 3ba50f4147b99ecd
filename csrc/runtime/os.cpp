#include "runtime/os.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <new>
#include <string>

#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace fastnn::os {
namespace {

constexpr size_t alignment = 64;
constexpr size_t page = 4096;
constexpr size_t mapped = 128 << 10;  // from which size on the C library may map memory
constexpr size_t largest = std::numeric_limits<ptrdiff_t>::max() / 2;  // rounding up cannot overflow below this

constexpr size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

char* map(size_t bytes) noexcept {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
}

// mmap aligns to small pages only, so map a huge page more than wanted and cut off both ends.
void* map_huge(size_t bytes) noexcept {
  const size_t whole = bytes + huge_page;
  char* const start = map(whole);
  if (start == nullptr) return nullptr;
  const size_t before = (huge_page - reinterpret_cast<uintptr_t>(start) % huge_page) % huge_page;
  const size_t after = whole - before - bytes;
  if (before != 0) munmap(start, before);
  if (after != 0) munmap(start + before + bytes, after);
#if defined(MADV_HUGEPAGE)
  madvise(start + before, bytes, MADV_HUGEPAGE);  // advice: where it is refused the memory is as good
#endif
  return start + before;
}

// The first two numbers of a small file; "max" and what is absent read as 0. False without a file.
bool read_numbers(const std::string& path, double& first, double& second) {
  std::ifstream file(path);
  std::string word;
  if (!(file >> word)) return false;
  first = std::strtod(word.c_str(), nullptr);
  second = file >> word ? std::strtod(word.c_str(), nullptr) : 0;
  return true;
}

// The quota of one cgroup directory in processors, or infinity.
double quota_in(const std::string& directory) {
  double quota = 0, period = 0, rest = 0;
  const bool found = read_numbers(directory + "/cpu.max", quota, period) ||
                     (read_numbers(directory + "/cpu.cfs_quota_us", quota, rest) &&
                      read_numbers(directory + "/cpu.cfs_period_us", period, rest));
  return found && quota > 0 && period > 0 ? quota / period : std::numeric_limits<double>::infinity();
}

// The smallest quota of a cgroup and its ancestors. Inside a container the path may be the host's and
// not exist here; walking up then ends at the mount itself, which is the container's own cgroup.
double quota_above(const std::string& mount, std::string path) {
  double least = std::numeric_limits<double>::infinity();
  for (;;) {
    least = std::min(least, quota_in(mount + path));
    if (path.empty()) return least;
    const size_t slash = path.rfind('/');
    path.resize(slash == std::string::npos ? 0 : slash);
  }
}

bool lists(const std::string& controllers, const char* name) {
  return ("," + controllers + ",").find(std::string(",") + name + ",") != std::string::npos;
}

double least_quota(const std::string& membership, const std::string& mounts) {
  double least = std::numeric_limits<double>::infinity();
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {  // hierarchy:controllers:path
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      least = std::min({least, quota_above(mounts, path), quota_above(mounts + "/unified", path)});
    } else if (lists(controllers, "cpu")) {
      least = std::min({least, quota_above(mounts + "/cpu", path), quota_above(mounts + "/" + controllers, path)});
    }
  }
  return least;
}

struct Start {
  void (*entry)(void*);
  void* argument;
};

void* run_thread(void* memory) {
  const Start start = *static_cast<Start*>(memory);
  delete static_cast<Start*>(memory);
#if defined(__APPLE__)
  pthread_setname_np("fastnn");
#else
  pthread_setname_np(pthread_self(), "fastnn");
#endif
  start.entry(start.argument);
  return nullptr;
}

}  // namespace

// A kernel's loads wait for its stores where the last 12 bits of their addresses are the same or a little behind, and
// the C library's large arrays begin 16 bytes behind a page. So blocks begin 1, 2 and 3 KB behind one, in turn: abs of
// 10^5 doubles takes 17.8 us, not 18.9; where they began at a page, and x before one, 20.
void* allocate(size_t bytes) noexcept {
  if (bytes > largest) return nullptr;
  if (bytes >= huge_page) return map_huge(round_up(bytes, page));
  if (bytes < mapped) return std::aligned_alloc(alignment, round_up(bytes, alignment));
  static std::atomic<size_t> turn;
  const size_t behind = (1 + turn.fetch_add(1, std::memory_order_relaxed) % 3) * (page / 4);
  void* const memory = std::aligned_alloc(page, round_up(bytes + behind, page));
  return memory != nullptr ? static_cast<char*>(memory) + behind : nullptr;
}

void release(void* memory, size_t bytes) noexcept {
  if (bytes >= huge_page) {
    munmap(memory, round_up(bytes, page));
  } else {
    std::free(bytes < mapped ? memory : static_cast<char*>(memory) - reinterpret_cast<uintptr_t>(memory) % page);
  }
}

int affinity_cpus() noexcept {
#if defined(__linux__)
  for (size_t most = 1024; most <= 1 << 20; most *= 4) {  // the kernel refuses masks shorter than its own
    cpu_set_t* const set = CPU_ALLOC(most);
    if (set == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(most);
    const int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
#endif
  return static_cast<int>(std::max(sysconf(_SC_NPROCESSORS_ONLN), 1L));
}

double cgroup_cpus(const char* membership, const char* mounts) noexcept try {
  const double least = least_quota(membership, mounts);
  return std::isinf(least) ? 0 : least;
} catch (...) {
  return 0;
}

int usable_cpus() noexcept {
  const double quota = cgroup_cpus();
  const int cpus = affinity_cpus();
  return quota > 0 && quota < cpus ? std::max(1, static_cast<int>(std::ceil(quota))) : cpus;
}

CacheSizes cache_sizes() noexcept {
  CacheSizes sizes{size_t{32} << 10, size_t{512} << 10, size_t{4} << 20};
#if defined(__APPLE__)
  const auto ask = [](const char* name, size_t& size) {
    uint64_t value = 0;
    size_t length = sizeof value;
    if (sysctlbyname(name, &value, &length, nullptr, 0) == 0 && value > 0) size = value;
  };
  ask("hw.l1dcachesize", sizes.l1d);
  ask("hw.l2cachesize", sizes.l2);
  ask("hw.l3cachesize", sizes.l3);
#elif defined(_SC_LEVEL1_DCACHE_SIZE)
  const auto ask = [](int name, size_t& size) {
    const long value = sysconf(name);
    if (value > 0) size = static_cast<size_t>(value);
  };
  ask(_SC_LEVEL1_DCACHE_SIZE, sizes.l1d);
  ask(_SC_LEVEL2_CACHE_SIZE, sizes.l2);
  ask(_SC_LEVEL3_CACHE_SIZE, sizes.l3);
#endif
  return sizes;
}

#if defined(__x86_64__)
// The six low bits of MXCSR are sticky flags: results of the past, not a mode.
constexpr uint32_t mxcsr_flags = 0x3f;
uint64_t float_mode() noexcept { return __builtin_ia32_stmxcsr() & ~mxcsr_flags; }
void set_float_mode(uint64_t mode) noexcept {
  if (float_mode() != mode) __builtin_ia32_ldmxcsr(static_cast<uint32_t>(mode));
}
#elif defined(__aarch64__)
uint64_t float_mode() noexcept {
  uint64_t mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
void set_float_mode(uint64_t mode) noexcept {
  if (float_mode() != mode) asm volatile("msr fpcr, %0" : : "r"(mode));
}
#else
uint64_t float_mode() noexcept { return 0; }
void set_float_mode(uint64_t) noexcept {}
#endif

bool start_thread(void (*entry)(void*), void* argument) noexcept {
  constexpr size_t stack = size_t{2} << 20;  // the default is 512 KiB on macOS and 128 KiB with musl
  Start* const start = new (std::nothrow) Start{entry, argument};
  pthread_attr_t attributes;
  if (start == nullptr || pthread_attr_init(&attributes) != 0) {
    delete start;
    return false;
  }
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, stack);

  // A new thread inherits the mask. Faults stay deliverable: blocked, they would kill without a trace.
  sigset_t blocked, previous;
  sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) sigdelset(&blocked, fault);
  pthread_sigmask(SIG_SETMASK, &blocked, &previous);
  pthread_t thread;
  const bool started = pthread_create(&thread, &attributes, run_thread, start) == 0;
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);

  pthread_attr_destroy(&attributes);
  if (!started) delete start;
  return started;
}

void yield() noexcept { sched_yield(); }

bool at_fork(void (*before)(), void (*in_parent)(), void (*in_child)()) noexcept {
  return pthread_atfork(before, in_parent, in_child) == 0;
}

}  // namespace fastnn::os
