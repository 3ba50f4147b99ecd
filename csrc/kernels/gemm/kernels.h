// The register tiles of all heights and widths.
#pragma once

#include "kernels/gemm/blocking.h"
#include "kernels/gemm/microkernel.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T, int Tail>
struct KernelTable {
  static constexpr int rows = tile_rows[1];
  Kernel<T> of[max_vectors + 1][rows + 1];

  template <int V, int M>
  constexpr void fill() {
    if constexpr (M <= tile_rows[V]) of[V][M] = run_tile<T, M, V, Tail>;
    if constexpr (M > 1) {
      fill<V, M - 1>();
    } else if constexpr (V > 1) {
      fill<V - 1, rows>();
    }
  }
  constexpr KernelTable() : of{} { fill<max_vectors, rows>(); }
};
template <class T, int Tail>
constexpr KernelTable<T, Tail> tile_kernels{};

template <class T>
FASTNN_INLINE const Kernel<T>* kernels_for(int vectors, int last) {
#if defined(__AVX512F__)
  // A mask costs nothing there; half a register takes half the time of a whole one on processors with units of 32
  // bytes.
  if (last <= Vec<T>::lanes / 2) return tile_kernels<T, in_half>.of[vectors];
#else
  if (last == Vec<T>::lanes) return tile_kernels<T, 0>.of[vectors];
#endif
  return tile_kernels<T, 1>.of[vectors];
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
