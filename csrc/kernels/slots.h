// Room for whoever works just now: with few threads the same few pieces of scratch are used again, and stay in their
// caches.
#pragma once

#include "kernels/conv/shape.h"
#include "simd/native.h"

namespace fastnn::FASTNN_ISA {
namespace {

class Slots {
 public:
  // The lowest free slot; at most conv_jobs are held at a time.
  FASTNN_INLINE int take() {
    uint32_t now = __atomic_load_n(&used_, __ATOMIC_RELAXED);
    for (;;) {
      const int slot = __builtin_ctz(~now);
      if (__atomic_compare_exchange_n(&used_, &now, now | 1u << slot, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return slot;
    }
  }
  FASTNN_INLINE void give(int slot) { __atomic_fetch_and(&used_, ~(1u << slot), __ATOMIC_RELEASE); }

 private:
  uint32_t used_ = 0;
};
static_assert(conv_jobs == 32);

}  // namespace
}  // namespace fastnn::FASTNN_ISA
