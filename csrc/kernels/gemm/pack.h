// Copies of operands in the order in which the micro-kernels read them.
#pragma once

#include "simd/half.h"

namespace fastnn::FASTNN_ISA {
namespace {

// A matrix anywhere: element (i, j) at p[i * row + j * col], strides in elements, of any sign or zero.
template <class T>
struct Matrix {
  const T* p;
  int64_t row;
  int64_t col;

  FASTNN_INLINE const T* at(int64_t i, int64_t j) const { return p + i * row + j * col; }
};

// Elements before the first multiple of `unit` bytes behind p, if rows `step` apart agree in their number.
template <class T>
FASTNN_INLINE int64_t misaligned(const T* p, int64_t step, int64_t unit) {
  constexpr int64_t size = sizeof(T);
  const auto address = static_cast<int64_t>(reinterpret_cast<uintptr_t>(p) % 64);
  return step * size % unit != 0 || address % size != 0 ? 0 : (64 - address) % unit / size;
}

// The packers: to[i * to_row + j] = from(i, j) for i < rows, j < columns. They fill `width` columns, a multiple
// of the vector, and may write as many rows as round rows up to one; what lies there is never used in a sum
// that is kept.
template <class T>
void copy_rows(Matrix<T> from, int64_t rows, int64_t columns, T* to, int64_t to_row, int64_t width) {
  constexpr int lanes = Vec<T>::lanes;
  const int64_t whole = columns / lanes * lanes;
  const int rest = static_cast<int>(columns - whole);
  for (int64_t i = 0; i < rows; ++i) {
    const T* source = from.at(i, 0);
    int64_t j = 0;
    for (; j < whole; j += lanes) Vec<T>::load(source + j).store(to + j);
    if (j < width) Vec<T>::load(source + j, rest).store(to + j);
    to += to_row;
  }
}

// The same without padding: to_row is `columns`. Each row's last vector may be whole and run over into the row behind
// it, which is read or written next; only the last row keeps to itself (a masked store takes 4 ns where it crosses
// a cache line, and more on AVX2).
template <class T>
void copy_columns(Matrix<T> from, int64_t rows, int64_t columns, T* to) {
  constexpr int lanes = Vec<T>::lanes;
  const T* source = from.p;
#if defined(__AVX512F__)
  if (columns == lanes / 2) {
    for (int64_t i = 0; i < rows; ++i) Half<T>::load(source + i * from.row).store(to + i * columns);
    return;
  }
#endif
  const int rest = static_cast<int>(columns - columns / lanes * lanes);
  for (int64_t i = 0; i < rows; ++i) {
    int64_t j = 0;
    for (; j + lanes <= columns; j += lanes) Vec<T>::load(source + j).store(to + j);
    if (rest > 0) {
      if (i + 1 < rows && from.row >= columns && columns >= lanes - rest) {
        Vec<T>::load(source + j).store(to + j);
      } else {
        Vec<T>::load(source + j, rest).store(to + j, rest);
      }
    }
    source += from.row;
    to += columns;
  }
}

template <class T>
void gather_rows(Matrix<T> from, int64_t rows, int64_t columns, T* to, int64_t to_row, int64_t width) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) to[j] = *from.at(i, j);
    for (int64_t j = columns; j < width; ++j) to[j] = T(0);
    to += to_row;
  }
}

// Has a vector in a register: the compiler has each of two shuffles read it from memory, where it may lie across two
// lines. A square takes 64 to 74 cycles for 68 to 92.
template <class T>
FASTNN_INLINE Vec<T> in_register(Vec<T> x) {
#if defined(__x86_64__)
  asm("" : "+v"(x.v));
#else
  asm("" : "+w"(x.v));
#endif
  return x;
}

// One square of registers: row i of the target is element i of each source row; rows are `apart` elements
// apart. Whole squares have `lanes` source rows of `lanes` elements, others `present` rows of `valid` elements.
template <class T, bool Whole>
FASTNN_INLINE void transpose_square(const T* from, int64_t apart, int64_t present, int valid, T* to, int64_t to_row) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> square[lanes];
  unroll<lanes>([&](auto l) FASTNN_INLINED {
    if constexpr (Whole) {
      square[l] = in_register(Vec<T>::load(from + l * apart));
    } else {
      // Past the last row the last one again: anything readable will do.
      square[l] = Vec<T>::load(from + (l < present ? l : present - 1) * apart, valid);
    }
  });
  transpose(square);
  unroll<lanes>([&](auto i) FASTNN_INLINED { square[i].store(to + i * to_row); });
}

template <class T>
void transpose_rows(Matrix<T> from, int64_t rows, int64_t columns, T* to, int64_t to_row, int64_t width) {
  constexpr int lanes = Vec<T>::lanes;
  for (int64_t j = 0; j < width; j += lanes) {
    const int64_t present = columns - j;
    const T* source = from.at(0, j);
    int64_t i = 0;
    if (present >= lanes) {
      for (; i + lanes <= rows; i += lanes) {
        transpose_square<T, true>(source + i, from.col, lanes, lanes, to + j + i * to_row, to_row);
      }
    }
    for (; i < rows; i += lanes) {
      const int valid = static_cast<int>(rows - i < lanes ? rows - i : lanes);
      transpose_square<T, false>(source + i, from.col, present, valid, to + j + i * to_row, to_row);
    }
  }
}

template <class T>
void pack_rows(Matrix<T> from, int64_t rows, int64_t columns, T* to, int64_t to_row, int64_t width) {
  if (from.col == 1) {
    copy_rows(from, rows, columns, to, to_row, width);
  } else if (from.row == 1) {
    transpose_rows(from, rows, columns, to, to_row, width);
  } else {
    gather_rows(from, rows, columns, to, to_row, width);
  }
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
