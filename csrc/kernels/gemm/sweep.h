// A^T x, the product of a transposed matrix with one column: whole rows of the matrix pass by while pieces of the
// result stay in the first cache. To transpose A first took five times as long (2048 x 2048 floats: 2,600 us for 430).
// The same for a single row x A lost to tiles of registers at every size.
#pragma once

#include "kernels/gemm/narrow.h"

namespace fastnn::FASTNN_ISA {
namespace {

// sums[j] goes on by fma over Rows rows of the matrix, in order, each times its number.
template <int Rows, class T>
void sweep_rows(const T* a, int64_t a_col, const T* x, int64_t x_row, int64_t width, T* sums) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> number[Rows];
  unroll<Rows>([&](auto r) FASTNN_INLINED { number[r] = Vec<T>(x[r * x_row]); });
  const auto step = [&](int64_t j, auto load, auto store) FASTNN_INLINED {
    Vec<T> sum = load(sums + j);
    unroll<Rows>([&](auto r) FASTNN_INLINED { sum = fma(number[r], load(a + r * a_col + j), sum); });
    store(sum, sums + j);
  };
  int64_t j = 0;
  for (; j + lanes <= width; j += lanes) {
    step(
        j, [](const T* p) FASTNN_INLINED { return Vec<T>::load(p); },
        [](Vec<T> v, T* p) FASTNN_INLINED { v.store(p); });
  }
  if (j < width) {
    const int rest = static_cast<int>(width - j);
    step(
        j, [rest](const T* p) FASTNN_INLINED { return Vec<T>::load(p, rest); },
        [rest](Vec<T> v, T* p) FASTNN_INLINED { v.store(p, rest); });
  }
}

template <class T>
void add_to(T* sums, const T* more, int64_t width) {
  for (int64_t j = 0; j < width; ++j) sums[j] = sums[j] + more[j];
}

// The chains of an element are k modulo `wide_lanes`, as in narrow.h: one after the other here, then the fixed tree.
template <class T>
void run_sweep(const GemmArgs<T>& g, Range rows) {
  constexpr int64_t chains = wide_lanes<T>, most = 512, at_once = 4;
  T sums[chains * most], total[most];
  for (int64_t i = rows.begin; i < rows.end; i += most) {
    const int64_t width = smaller(most, rows.end - i);
    for (int64_t k0 = 0; k0 < g.k; k0 += k_block) {
      const int64_t end = smaller(k0 + k_block, g.k);
      for (T& sum : sums) sum = T(0);
      for (int64_t c = 0; c < chains; ++c) {
        T* own = sums + c * most;
        const int64_t a_step = chains * g.a_col, x_step = chains * g.b_row;
        int64_t p = k0 + c;
        for (; p + (at_once - 1) * chains < end; p += at_once * chains) {
          sweep_rows<at_once>(g.a + i + p * g.a_col, a_step, g.b + p * g.b_row, x_step, width, own);
        }
        for (; p < end; p += chains) {
          sweep_rows<1>(g.a + i + p * g.a_col, a_step, g.b + p * g.b_row, x_step, width, own);
        }
      }
      for (int64_t half = chains / 2; half > 0; half /= 2) {
        for (int64_t c = 0; c < half; ++c) add_to(sums + c * most, sums + (c + half) * most, width);
      }
      if (k0 == 0) {
        for (int64_t j = 0; j < width; ++j) total[j] = sums[j];
      } else {
        add_to(total, sums, width);
      }
    }
    for (int64_t j = 0; j < width; ++j) {
      T& c = g.c[(i + j) * g.c_row];
      const T value = g.bias ? g.bias[0] + total[j] : total[j];
      c = finished(g, g.accumulate ? c + value : value, i + j, 0);
    }
  }
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
