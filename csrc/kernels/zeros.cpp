// Products that skip zeros; see zeros.h.
#include "kernels/zeros.h"

#include "kernels/gemm/blocking.h"
#include "kernels/skipping.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Two rows of accumulators, one vector of B and two numbers of A fill the registers.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int widest = 13;
#else
constexpr int widest = 6;
#endif
// Of pairs of neighbors in a column of A, those with a value: where there are more, gemm is faster. A turned C is
// written number by number.
#if defined(__AVX512F__)
constexpr double most_pairs = 0.72, most_pairs_turned = 0.6;
#else
constexpr double most_pairs = 0.5, most_pairs_turned = 0.4;
#endif

// The share of pairs of neighboring rows' elements that are not both zero, of some.
template <class T>
double pairs_with_values(const GemmArgs<T>& g) {
  const bool by_rows = g.a_col == 1;
  const int64_t pairs = g.m / 2, most = by_rows ? pairs : g.k, lines = smaller(most, 8), step = quotient(most, lines);
  const int64_t length = by_rows ? g.k : pairs, next = by_rows ? 1 : 2, other = by_rows ? g.a_row : 1;
  int64_t found = 0;
  for (int64_t s = 0; s < lines; ++s) {
    const T* p = g.a + s * step * (by_rows ? 2 * g.a_row : g.a_col);
    for (int64_t i = 0; i < length; ++i, p += next) found += (p[0] != T(0)) | (p[other] != T(0));
  }
  return static_cast<double>(found) / static_cast<double>(lines * length);
}

template <class T>
bool finite(const T* p, int64_t n) {
  Vec<T> sum{};
  for (int64_t i = 0; i < n; i += Vec<T>::lanes) sum = fma(Vec<T>::load(p + i), Vec<T>{}, sum);
  return !any(sum != sum);
}

#if defined(__AVX512F__)
// The numbers of the set lanes, counted from `first`: how many. All 16 (8) numbers of `to` are written.
FASTNN_INLINE int store_places(FloatMask m, int32_t first, int32_t* to) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(m, _mm512_maskz_add_epi32(m, _mm512_set1_epi32(first), lane)));
  return __builtin_popcount(m);
}
FASTNN_INLINE int store_places(DoubleMask m, int32_t first, int32_t* to) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i places = _mm256_maskz_add_epi32(m, _mm256_set1_epi32(first), lane);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_maskz_compress_epi32(m, places));
  return __builtin_popcount(m);
}
#endif

// The places where either row has a value, in order. It may write 16 numbers more.
template <class T>
int64_t list_values(const T* first, const T* second, int64_t k, int32_t* places) {
  constexpr int lanes = Vec<T>::lanes;
  int64_t count = 0, p = 0;
  const auto look = [&](int64_t at) FASTNN_INLINED {
    places[count] = static_cast<int32_t>(at);
    count += (first[at] != T(0)) | (second[at] != T(0));
  };
  for (; p + lanes <= k; p += lanes) {
    const Mask<T> there = (Vec<T>::load(first + p) != Vec<T>{}) | (Vec<T>::load(second + p) != Vec<T>{});
#if defined(__AVX512F__)
    count += store_places(there.m, static_cast<int32_t>(p), places + count);
#else
    if (!any(there)) continue;
    for (int64_t l = 0; l < lanes; ++l) look(p + l);
#endif
  }
  for (; p < k; ++p) look(p);
  return count;
}

// Has a vector in a register: the compiler would have each use read it from memory, which takes 1.15 times as long.
template <class T>
FASTNN_INLINE Vec<T> in_register(Vec<T> x) {
#if defined(__x86_64__)
  asm("" : "+v"(x.v));
#else
  asm("" : "+w"(x.v));
#endif
  return x;
}

// Two rows of A against a panel of B; the second may be the first again.
template <class T>
struct Pair {
  const T *first, *second;
  const int32_t* places;
  int64_t count;
  const T* b;
  const T* bias;
  bool relu;
  T* to[2];
  int last;  // columns in the last vector
};

template <class T, int V>
void run_pair(const Pair<T>& call) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> sums[2][V];
  unroll<V>([&](auto j) FASTNN_INLINED { sums[0][j] = sums[1][j] = Vec<T>{}; });
  for (int64_t i = 0; i < call.count; ++i) {
    const int64_t p = call.places[i];
    const T* from = call.b + p * (V * lanes);
    const Vec<T> one(call.first[p]), two(call.second[p]);
    unroll<V>([&](auto j) FASTNN_INLINED {
      const Vec<T> right = in_register(Vec<T>::load(from + j * lanes));
      sums[0][j] = fma(one, right, sums[0][j]);
      sums[1][j] = fma(two, right, sums[1][j]);
    });
  }
  unroll<2>([&](auto r) FASTNN_INLINED {
    unroll<V>([&](auto j) FASTNN_INLINED {
      Vec<T> sum = sums[r][j];
      if (call.bias) sum = load_part<T, V, true, j>(call.bias, call.last) + sum;
      if (call.relu) sum = rectified(sum);
      store_part<T, V, true, j>(sum, call.to[r], call.last);
    });
  });
}

template <class T>
struct Pairs {
  void (*of[widest + 1])(const Pair<T>&);

  template <int V>
  constexpr void fill() {
    of[V] = run_pair<T, V>;
    if constexpr (V > 1) fill<V - 1>();
  }
  constexpr Pairs() : of{} { fill<widest>(); }
};
template <class T>
constexpr Pairs<T> pairs_of{};

// Rows [begin, end) of C; `a` is the first of them.
template <class T>
void run_rows(const GemmArgs<T>& g, bool turned, Range rows, const T* a, int64_t a_row, const T* packed) {
  constexpr int64_t lanes = Vec<T>::lanes;
  const int64_t all = parts(g.n, lanes);
  const EvenSplit panels(all, parts(all, widest));
  int32_t places[k_block + 16];
  T kept[2][widest * lanes];
  Pair<T> call{};
  call.places = places;
  call.relu = g.epilogue == Epilogue::relu;
  for (int64_t i = rows.begin; i < rows.end; i += 2, a += 2 * a_row) {
    const bool single = i + 1 == rows.end;
    call.first = a;
    call.second = single ? a : a + a_row;
    call.count = list_values(call.first, call.second, g.k, places);
    for (int64_t q = 0; q < panels.count; ++q) {
      const int64_t j = panels.begin(q) * lanes, width = panels.size(q) * lanes, present = smaller(width, g.n - j);
      call.b = packed + j * skipping_row(g.k);
      call.bias = g.bias ? g.bias + j : nullptr;
      call.last = static_cast<int>(present - (width - lanes));
      call.to[0] = turned ? kept[0] : g.c + i * g.c_row + j;
      call.to[1] = turned || single ? kept[1] : call.to[0] + g.c_row;
      pairs_of<T>.of[panels.size(q)](call);
      if (!turned) continue;
      T* to = g.c + j * g.c_row + i;
      for (int64_t c = 0; c < present; ++c, to += g.c_row) {
        to[0] = kept[0][c];
        if (!single) to[1] = kept[1][c];
      }
    }
  }
}

template <class T>
bool run(Context& context, const GemmArgs<T>& g, bool turned) {
  constexpr int64_t lanes = Vec<T>::lanes;
  if (!may_skip_zeros(g.m, g.n, g.k, sizeof(T)) || (g.a_col != 1 && g.a_row != 1)) return false;
  if (pairs_with_values(g) > (turned ? most_pairs_turned : most_pairs)) return false;
  T* packed = reinterpret_cast<T*>(context.scratch);
  const int64_t depth = skipping_row(g.k), all = parts(g.n, lanes);
  const EvenSplit panels(all, parts(all, widest));
  for (int64_t q = 0; q < panels.count; ++q) {
    const int64_t j = panels.begin(q) * lanes, width = panels.size(q) * lanes;
    const Matrix<T> b{g.b + j * g.b_col, g.b_row, g.b_col};
    pack_rows(b, g.k, smaller(width, g.n - j), packed + j * depth, width, width);
    if (!finite(packed + j * depth, g.k * width)) return false;
  }
  const int64_t blocks = parts(g.m, skipping_rows);
  const int64_t jobs = larger(1, smaller(smaller(skipping_jobs, blocks), quotient(g.m * g.n * g.k, 2 * skipping_work)));
  const int64_t grain = parts(blocks, jobs);
  T* copies = packed + skipping_row(g.n) * depth;
  parallel_for(context, blocks, grain, [&](int64_t begin, int64_t end) {
    T* own = copies + quotient(begin, grain) * skipping_rows * depth;
    for (int64_t b = begin; b < end; ++b) {
      const Range rows{b * skipping_rows, smaller((b + 1) * skipping_rows, g.m)};
      const T* a = g.a + rows.begin * g.a_row;
      if (g.a_col == 1) {
        run_rows(g, turned, rows, a, g.a_row, packed);
      } else {
        pack_rows(Matrix<T>{a, g.a_row, g.a_col}, rows.size(), g.k, own, depth, round_up(g.k, lanes));
        run_rows(g, turned, rows, own, depth, packed);
      }
    }
  });
  return true;
}

}  // namespace

bool gemm_skipping_zeros(Context& context, const GemmArgs<float>& args, bool turned) noexcept {
  return run(context, args, turned);
}
bool gemm_skipping_zeros(Context& context, const GemmArgs<double>& args, bool turned) noexcept {
  return run(context, args, turned);
}

}  // namespace fastnn::FASTNN_ISA
