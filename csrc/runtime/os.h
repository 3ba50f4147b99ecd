// Every call of the operating system that fastnn makes. Nothing else in csrc/ includes a system header.
#pragma once
#include <cstddef>
#include <cstdint>

namespace fastnn::os {

// ---- Memory -------------------------------------------------------------------------------------

// Blocks of this size and above are whole mappings that start on a huge page.
constexpr size_t huge_page = size_t{2} << 20;

// At least 64-byte-aligned memory of unspecified contents, or nullptr. bytes > 0.
void* allocate(size_t bytes) noexcept;

// Returns what allocate(bytes) gave, with the same count of bytes.
void release(void* memory, size_t bytes) noexcept;

// ---- Processors ---------------------------------------------------------------------------------

// Processors that the scheduler may give this process: its affinity mask, at least 1.
int affinity_cpus() noexcept;

// Processors' worth of time that the cgroups (v1 or v2) of this process allow, or 0 if they set no
// limit. The arguments exist for tests: the list of memberships and the root of the mounts.
double cgroup_cpus(const char* membership = "/proc/self/cgroup", const char* mounts = "/sys/fs/cgroup") noexcept;

// min(affinity, cgroup quota rounded up): more threads than this only take turns.
int usable_cpus() noexcept;

struct CacheSizes {
  size_t l1d, l2, l3;  // bytes; typical values where the system does not tell
};
CacheSizes cache_sizes() noexcept;

// Tells the core that this is a waiting loop, so that its sibling thread gets the execution units.
inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");  // `yield` is a no-op on most cores and would make bounded spins far too short
#endif
}

// Rounding and subnormal handling of the calling thread, in the processor's own format.
uint64_t float_mode() noexcept;
void set_float_mode(uint64_t mode) noexcept;

// ---- Threads and processes ----------------------------------------------------------------------

// Starts a detached thread that leaves asynchronous signals to the threads of the host program.
// False if the system has no thread to give.
bool start_thread(void (*entry)(void*), void* argument) noexcept;

// Gives the rest of the time slice to another thread.
void yield() noexcept;

// Handlers around fork(): before and in_parent run in the parent, in_child in the child, all in the
// thread that forks. Any may be null. False if there is no memory to note them.
bool at_fork(void (*before)(), void (*in_parent)(), void (*in_child)()) noexcept;

}  // namespace fastnn::os
