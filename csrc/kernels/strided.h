// Moving elements between strided and dense memory: the bits are all that counts, so a type stands for its size.
#pragma once
#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

// f(T{}) with a type of this many bytes.
template <class F>
FASTNN_INLINE void with_size(int64_t bytes, F f) {
  if (bytes == 4)
    f(float{});
  else if (bytes == 8)
    f(double{});
  else
    f(uint8_t{});
}

// Element i of the result lies to_stride * i behind `to`, and comes from from_stride * i behind `from`. Four at a time:
// scatter of 10^5 floats to every second place takes 45 us instead of 49.
template <class T>
FASTNN_INLINE void move(char* to, int64_t to_stride, const char* from, int64_t from_stride, int64_t n) {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4, to += 4 * to_stride, from += 4 * from_stride) {
    T v[4];
    unroll<4>([&](auto j) FASTNN_INLINED { __builtin_memcpy(&v[j], from + j * from_stride, sizeof(T)); });
    unroll<4>([&](auto j) FASTNN_INLINED { __builtin_memcpy(to + j * to_stride, &v[j], sizeof(T)); });
  }
  for (; i < n; i++, to += to_stride, from += from_stride) __builtin_memcpy(to, from, sizeof(T));
}

// rows x columns elements: (r, k) from r * down + k * across behind `from` to row r, dense, of `to`. Elements that
// follow one another down the columns are loaded so, and transposed in registers.
template <class T>
void move_band(char* to, int64_t row_bytes, const char* from, int64_t down, int64_t across, int64_t rows,
               int64_t columns) {
  constexpr int64_t size = sizeof(T);
  if constexpr (size > 1) {
    if (down == size) {
      constexpr int lanes = Vec<T>::lanes;
      for (int64_t r = 0; r < rows; r += lanes)
        for (int64_t k = 0; k < columns; k += lanes) {
          const int high = int(rows - r < lanes ? rows - r : lanes),
                    wide = int(columns - k < lanes ? columns - k : lanes);
          const char* source = from + r * down + k * across;
          char* target = to + r * row_bytes + k * size;
          const auto in = [&](int j) FASTNN_INLINED { return reinterpret_cast<const T*>(source + j * across); };
          const auto out = [&](int i) FASTNN_INLINED { return reinterpret_cast<T*>(target + i * row_bytes); };
          Vec<T> block[lanes];
          if (high == lanes && wide == lanes) {
            unroll<lanes>([&](auto j) FASTNN_INLINED { block[j] = Vec<T>::load(in(j)); });
            transpose(block);
            unroll<lanes>([&](auto i) FASTNN_INLINED { block[i].store(out(i)); });
          } else {
            unroll<lanes>([&](auto j) FASTNN_INLINED { block[j] = j < wide ? Vec<T>::load(in(j), high) : Vec<T>{}; });
            transpose(block);
            unroll<lanes>([&](auto i) FASTNN_INLINED {
              if (i < high) block[i].store(out(i), wide);
            });
          }
        }
      return;
    }
  }
  for (int64_t r = 0; r < rows; r++) move<T>(to + r * row_bytes, size, from + r * down, across, columns);
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
