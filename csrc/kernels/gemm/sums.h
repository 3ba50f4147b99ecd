// Where sums wait while k proceeds, and what is added to them in the end.
#pragma once

#include "kernels/gemm/blocking.h"
#include "kernels/gemm/microkernel.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Where the sums of a block of C live while k proceeds; rows and columns count from the block's corner.
template <class T>
struct Sums {
  T* c;
  int64_t c_row;
  T* partial;  // unfinished chains
  int64_t partial_row;
  T* total;  // blocks of k that are finished
  int64_t total_row;
  const T* bias;
  bool accumulate;
  Epilogue epilogue;
  const T* mask;
  int64_t mask_row;

  Sums(const GemmArgs<T>& g, const Plan& x, Range rows, Range columns, T* scratch) {
    const int64_t width = round_up(columns.size(), Vec<T>::lanes);
    c = g.c + rows.begin * g.c_row + columns.begin;
    c_row = g.c_row;
    partial = x.keep_partial ? scratch : c;
    partial_row = x.keep_partial ? width : c_row;
    total = x.keep_total ? scratch + x.partial : c;
    total_row = x.keep_total ? width : c_row;
    bias = g.bias ? g.bias + columns.begin : nullptr;
    accumulate = g.accumulate;
    epilogue = g.epilogue;
    mask = g.mask ? g.mask + rows.begin * g.mask_row + columns.begin : nullptr;
    mask_row = g.mask_row;
  }

  FASTNN_INLINE void direct(TileCall<T>& call, const Piece& piece, int64_t i, int64_t j) const {
    call.start = piece.opens ? nullptr : partial + i * partial_row + j;
    call.start_row = partial_row;
    call.addends = 0;
    call.epilogue = Epilogue::none;
    T* own = c + i * c_row + j;
    if (!piece.closes) {
      call.c = partial + i * partial_row + j;
      call.c_row = partial_row;
      return;
    }
    T* sum = total + i * total_row + j;
    call.c = piece.final ? own : sum;
    call.c_row = piece.final ? c_row : total_row;
    if (!piece.first) call.addend[call.addends++] = {sum, total_row};
    if (!piece.final) return;
    call.epilogue = epilogue;
    if (epilogue == Epilogue::mask) {
      call.mask = mask + i * mask_row + j;
      call.mask_row = mask_row;
    }
    if (bias) call.addend[call.addends++] = {bias + j, 0};
    if (accumulate) call.addend[call.addends++] = {own, c_row};
  }
};

}  // namespace
}  // namespace fastnn::FASTNN_ISA
