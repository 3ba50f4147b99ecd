// A loop of fused multiply-adds in registers and nothing else: the roof that benchmarks are held against.
#include "kernels/table.h"
#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int chains = 12;  // more than latency times units (4 x 2), and all in registers on every level

template <class T>
int64_t fma_loop_run(int64_t iterations, double& sum) noexcept {
  const Vec<T> half(T(0.5));
  Vec<T> chain[chains];
  unroll<chains>([&](auto i) FASTNN_INLINED { chain[i] = Vec<T>(T(i.value)); });
  for (int64_t k = 0; k < iterations; k++) {
    unroll<chains>([&](auto i) FASTNN_INLINED { chain[i] = fma(chain[i], half, half); });
  }
  sum = 0;
  unroll<chains>([&](auto i) FASTNN_INLINED { sum += double(reduce_add(chain[i])); });
  return iterations * chains * Vec<T>::lanes * 2;
}

}  // namespace

int64_t (*const fma_loop[2])(int64_t, double&) noexcept = {fma_loop_run<float>, fma_loop_run<double>};

}  // namespace fastnn::FASTNN_ISA
