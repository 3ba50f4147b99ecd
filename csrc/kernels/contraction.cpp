// Linear layers and matmul: each is one or three products.
//
//   forward   Y = X W^T + b        dX = dY W        dW = dY^T X        db = sum of dY over rows
//
// Inputs X often hold many zeros, and dY does before a relu: products skip them. In captured steps also with relu in
// the epilogue: Y = relu(X W^T + b), and dX = dY W where X > 0 for an X that is itself the result of a relu.
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/zeros.h"
#include "kernels/row_sums.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
GemmArgs<T> sizes(const GemmShape& s) {
  GemmArgs<T> g{};
  g.m = s.m, g.n = s.n, g.k = s.k;
  g.a_row = s.a_row, g.a_col = s.a_col, g.b_row = s.b_row, g.b_col = s.b_col;
  return g;
}
template <class T>
size_t whole_scratch(const GemmShape& s) {
  return gemm_scratch(sizes<T>(s));
}
template <class T>
size_t skipping_scratch(const GemmShape& s) {
  return zeros_scratch(sizes<T>(s));
}

// A matrix by its first element and element strides.
template <class T>
struct Matrix {
  const T* p;
  int64_t row, col;
  FASTNN_INLINE Matrix transposed() const { return {p, col, row}; }
};

// The last two dimensions of a view; leading ones are joined to the rows (prepare has seen to that).
template <class T>
FASTNN_INLINE Matrix<T> matrix(const View& v) {
  constexpr int64_t size = sizeof(T);
  return {v.as<T>(), v.rank > 1 ? v.stride[v.rank - 2] / size : 0, v.stride[v.rank - 1] / size};
}

template <class T>
FASTNN_INLINE GemmArgs<T> arguments(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, int64_t c_row) {
  GemmArgs<T> g{};
  g.m = m, g.n = n, g.k = k;
  g.a = a.p, g.a_row = a.row, g.a_col = a.col;
  g.b = b.p, g.b_row = b.row, g.b_col = b.col;
  g.c = c, g.c_row = c_row;
  return g;
}

// dim: m, n, k
template <class T, Epilogue E>
int64_t linear_run(const Call& c, Context& x) noexcept {
  const int64_t m = c.dim[0], n = c.dim[1], k = c.dim[2];
  GemmArgs<T> g = arguments(m, n, k, matrix<T>(c.in(0)), matrix<T>(c.in(1)).transposed(), c.out(0).as<T>(), n);
  g.bias = c.has(2) ? c.in(2).as<T>() : nullptr;
  g.epilogue = E;
  gemm_skipping_zeros(x, g);
  return -1;
}

template <class T, Epilogue E>
int64_t linear_backward_run(const Call& c, Context& x) noexcept {
  const int64_t m = c.dim[0], n = c.dim[1], k = c.dim[2];
  const Matrix<T> dy = matrix<T>(c.in(0));
  const Matrix<T> input = matrix<T>(c.in(1));
  if (c.wants(0)) {
    GemmArgs<T> g = arguments(m, k, n, dy, matrix<T>(c.in(2)), c.out(0).as<T>(), k);
    g.epilogue = E;
    g.mask = input.p, g.mask_row = input.row;
    gemm_skipping_zeros(x, g);
  }
  if (c.wants(1)) {  // in the memory order of W
    T* dw = c.out(1).as<T>();
    const bool by_columns = c.out(1).stride[1] != int64_t(sizeof(T));
    gemm_skipping_zeros(x, by_columns ? arguments(k, n, m, input.transposed(), dy, dw, n)
                                      : arguments(n, k, m, dy.transposed(), input, dw, k));
  }
  if (c.wants(2)) sum_rows(x, m, n, dy.p, dy.row, c.out(2).as<T>());
  return -1;
}

// The batch is c.loop over a, b and y; dim: m, n, k, batches, scratch of one product.
template <class T>
int64_t matmul_run(const Call& c, Context& x) noexcept {
  const int64_t m = c.dim[0], n = c.dim[1], k = c.dim[2], batches = c.dim[3], grain = c.dim[5];
  const size_t each = size_t(c.dim[4]);
  Matrix<T> a = matrix<T>(c.in(0)), b = matrix<T>(c.in(1));
  if (c.in(0).rank == 1) a.row = 0;
  if (c.in(1).rank == 1) b = {b.p, b.col, 0};
  const Loop& loop = c.loop;
  const auto one = [&](int64_t i, Context& context) {
    int64_t at[3] = {0, 0, 0};
    for (int d = loop.rank; d-- > 0;) {
      const int64_t index = i % loop.shape[d];
      i /= loop.shape[d];
      for (int q = 0; q < 3; q++) at[q] += index * loop.stride[q][d];
    }
    const auto moved = [](const T* p, int64_t bytes) {
      return reinterpret_cast<const T*>(reinterpret_cast<const char*>(p) + bytes);
    };
    T* y = reinterpret_cast<T*>(c.out(0).data + at[2]);
    const Matrix<T> left{moved(a.p, at[0]), a.row, a.col}, right{moved(b.p, at[1]), b.row, b.col};
    gemm(context, arguments(m, n, k, left, right, y, n));
  };
  if (batches == 1) {
    one(0, x);
    return -1;
  }
  parallel_for(x, batches, grain, [&](int64_t lo, int64_t hi) {
    Context serial{x.scratch + size_t(lo / grain) * each, nullptr, nullptr};
    for (int64_t i = lo; i < hi; i++) one(i, serial);
  });
  return -1;
}

}  // namespace

size_t (*const gemm_scratch_bytes[2])(const GemmShape&) = {whole_scratch<float>, whole_scratch<double>};
size_t (*const zeros_scratch_bytes[2])(const GemmShape&) = {skipping_scratch<float>, skipping_scratch<double>};
const Run linear_kernel[2] = {linear_run<float, Epilogue::none>, linear_run<double, Epilogue::none>};
const Run linear_relu_kernel[2] = {linear_run<float, Epilogue::relu>, linear_run<double, Epilogue::relu>};
const Run linear_backward_kernel[2] = {linear_backward_run<float, Epilogue::none>,
                                       linear_backward_run<double, Epilogue::none>};
const Run linear_backward_relu_kernel[2] = {linear_backward_run<float, Epilogue::mask>,
                                            linear_backward_run<double, Epilogue::mask>};
const Run matmul_kernel[2] = {matmul_run<float>, matmul_run<double>};

}  // namespace fastnn::FASTNN_ISA
