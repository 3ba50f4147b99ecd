// C = A B, the contraction behind linear layers, matmul and their gradients.
//
// Element (i, p) of A lies at a[i * a_row + p * a_col], (p, j) of B at b[p * b_row + j * b_col]; strides
// count elements and may have any sign or be zero, so that every transpose is a pair of strides. Rows of
// C are contiguous, c_row apart, and overlap neither A nor B.
//
// Order of sums: one chain of fma in increasing k inside blocks of 4,096, block sums added in order. Where
// C is narrow and k long, k (16 - n) >= 480 in float and k (8 - n) >= 240 in double, a block is 16 (8) chains, k
// modulo 16 (8), added in a fixed tree: those 8 (4) apart, then 4 (2), and so on. Then the bias is added, then
// what C holds if `accumulate`, and the epilogue is applied. Neither m, strides, the split over threads nor the level
// (AVX2 and above) changes a bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/call.h"

namespace fastnn::FASTNN_ISA {

// What happens to a finished element: nothing; max(0, c); or c where `mask` is positive, else 0.
enum class Epilogue { none, relu, mask };

template <class T>
struct GemmArgs {
  int64_t m, n, k;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row, b_col;
  T* c;
  int64_t c_row;
  const T* bias = nullptr;  // n values, added to each row
  bool accumulate = false;  // add to what C holds
  Epilogue epilogue = Epilogue::none;
  const T* mask = nullptr;  // m x n
  int64_t mask_row = 0;
};

// Bytes of scratch, aligned to 64, that gemm wants for these sizes and strides; pointers are not read, `bias`,
// `epilogue` and `mask` not regarded.
size_t gemm_scratch(const GemmArgs<float>& args) noexcept;
size_t gemm_scratch(const GemmArgs<double>& args) noexcept;

void gemm(Context& context, const GemmArgs<float>& args) noexcept;
void gemm(Context& context, const GemmArgs<double>& args) noexcept;

}  // namespace fastnn::FASTNN_ISA
