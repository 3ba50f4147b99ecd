// The thread pool. One parallel region runs at a time; whoever finds the pool busy works alone.
#pragma once
#include <cstdint>

namespace fastnn {

// Part of a region: the items low <= i < high.
using Body = void (*)(void* data, int64_t low, int64_t high);

// Calls body for [0, grain), [grain, 2 grain), ... up to n, each range exactly once, and returns when
// all are done. The ranges depend on n and grain alone; which thread runs which, and in what order,
// is open. The calling thread takes part. With a null pool, when another region is running (also: in
// a body) or when no thread can be had, it does everything itself.
//
// A body does not throw. It may call parallel (the inner region is then serial). Should a body fork,
// the child finishes the region if the thread that called parallel forked.
void parallel(void* pool, int64_t n, int64_t grain, Body body, void* data) noexcept;

// The pool of the process, to be handed to parallel.
void* thread_pool() noexcept;

// Threads that a region may use, the calling one included. Beyond the processors it is allowed, and
// slower. Workers start with the first region that wants them; after fork the child starts its own.
constexpr int max_threads = 1024;
void set_num_threads(int threads) noexcept;  // clamped to 1 ... max_threads
int get_num_threads() noexcept;

// OMP_NUM_THREADS (the first number of its list) if it is one, else the processors that affinity and
// cgroup quota allow.
int default_threads() noexcept;

}  // namespace fastnn
