// The fixed orders of sums, and of everything else that folds many values into one.
//
// Neighbors: blocks of 4,096, in each of them four Wides in turn, then a tree. Rows under one another: one after the
// other in blocks of 256. Blocks of both kinds: a tree of neighbors. Nothing depends on threads, the width of registers
// or the number of results.
#pragma once
#include "kernels/blocks.h"
#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

// What is folded: step takes a value in (with the state of its result), combine joins two partial results.
struct Add {
  // Not -0, which would add nothing to anything: a sum of negative zeros is 0, as in NumPy.
  template <class T>
  static constexpr T identity = T(0);
  template <class T>
  FASTNN_INLINE static Vec<T> combine(Vec<T> a, Vec<T> b) {
    return a + b;
  }
  template <class T>
  FASTNN_INLINE static T reduce(const Wide<T>& w) {
    return reduce_add(w);
  }
};

struct Sum : Add {
  template <class T>
  FASTNN_INLINE static Vec<T> step(Vec<T> sum, Vec<T> x, Vec<T>) {
    return sum + x;
  }
};

struct Max {
  template <class T>
  static constexpr T identity = T(-__builtin_inf());
  template <class T>
  FASTNN_INLINE static Vec<T> combine(Vec<T> a, Vec<T> b) {
    return maximum(a, b);
  }
  template <class T>
  FASTNN_INLINE static T reduce(const Wide<T>& w) {
    return reduce_max(w);
  }
  template <class T>
  FASTNN_INLINE static Vec<T> step(Vec<T> most, Vec<T> x, Vec<T>) {
    return maximum(most, x);
  }
};

struct Min {
  template <class T>
  static constexpr T identity = T(__builtin_inf());
  template <class T>
  FASTNN_INLINE static Vec<T> combine(Vec<T> a, Vec<T> b) {
    return minimum(a, b);
  }
  template <class T>
  FASTNN_INLINE static T reduce(const Wide<T>& w) {
    return reduce_min(w);
  }
  template <class T>
  FASTNN_INLINE static Vec<T> step(Vec<T> least, Vec<T> x, Vec<T>) {
    return minimum(least, x);
  }
};

// step(part, part number, offset of its first element, how many count) for the n <= Wide::lanes elements from i on.
template <class T, class Step>
FASTNN_INLINE void partial_step(Wide<T>& w, int n, Step&& step) {
  unroll<Wide<T>::parts>([&](auto p) FASTNN_INLINED {
    const int left = n - p * Vec<T>::lanes;
    if (left <= 0) return;
    const int m = left < Vec<T>::lanes ? left : Vec<T>::lanes;
    w.part[p] = select(Mask<T>::first(m), step(w.part[p], p * Vec<T>::lanes, m), w.part[p]);
  });
}

// Folds n neighbors: step(so far, i, m) takes in the m elements from i on (m lanes of a Vec; all of them where m is
// Vec::lanes). The order depends on n alone.
template <class Fold, class T, class Step>
FASTNN_INLINE T fold_neighbors(int64_t n, Step step) {
  constexpr int lanes = Wide<T>::lanes, vec = Vec<T>::lanes;
  constexpr T identity = Fold::template identity<T>;
  const auto whole = [&](Wide<T>& w, int64_t i) FASTNN_INLINED {
    unroll<Wide<T>::parts>([&](auto p) FASTNN_INLINED { w.part[p] = step(w.part[p], i + p * vec, vec); });
  };
  const auto some = [&](Wide<T>& w, int64_t i) FASTNN_INLINED {
    partial_step(w, int(n - i), [&](Vec<T> v, int at, int m) FASTNN_INLINED { return step(v, i + at, m); });
  };
  Wide<T> a(identity);
  if (n <= lanes) {  // as below: combining with the identity changes nothing
    some(a, 0);
    return Fold::reduce(a);
  }
  Wide<T> b(identity), c(identity), d(identity);
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    whole(a, i);
    whole(b, i + lanes);
    whole(c, i + 2 * lanes);
    whole(d, i + 3 * lanes);
  }
  if (i + lanes <= n) {
    whole(a, i);
    i += lanes;
    if (i + lanes <= n) {
      whole(b, i);
      i += lanes;
      if (i + lanes <= n) {
        whole(c, i);
        i += lanes;
      }
    }
  }
  if (i < n) some(d, i);
  unroll<Wide<T>::parts>([&](auto p) FASTNN_INLINED {
    a.part[p] = Fold::combine(Fold::combine(a.part[p], b.part[p]), Fold::combine(c.part[p], d.part[p]));
  });
  return Fold::reduce(a);
}

template <class T>
FASTNN_INLINE Vec<T> load(const T* p, int m) {
  return m == Vec<T>::lanes ? Vec<T>::load(p) : Vec<T>::load(p, m);
}
template <class T>
FASTNN_INLINE void store(Vec<T> v, T* p, int m) {
  if (m == Vec<T>::lanes)
    v.store(p);
  else
    v.store(p, m);
}

// m elements of T as State, the same or wider.
template <class State, class T>
FASTNN_INLINE Vec<State> load_as(const T* p, int m) {
  if constexpr (std::is_same_v<State, T>)
    return load(p, m);
  else  // whole: a mask on twice the bytes crosses cache lines
    return m == Vec<State>::lanes ? load_widened(p) : widen_lower(Vec<T>::load(p, m));
}

template <class State, class T>
FASTNN_INLINE void store_as(Vec<State> v, T* p, int m) {
  if constexpr (std::is_same_v<State, T>)
    store(v, p, m);
  else
    narrow(v, Vec<State>{}).store(p, m);
}

// f(i, m) for all n elements in vectors of m.
template <class T, class F>
FASTNN_INLINE void for_vectors(int64_t n, F f) {
  constexpr int lanes = Vec<T>::lanes;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) f(i, lanes);
  if (i < n) f(i, int(n - i));
}

// A sum over n values in float64: load(i, m) gives those from i on, step(sum, v) takes some in. Four Wides of doubles
// take turns, eight values each.
template <class T, class Load, class Step>
FASTNN_INLINE double sum_as_double(int64_t n, Load load, Step step) {
  if constexpr (std::is_same_v<T, double>) {
    return fold_neighbors<Add, double>(
        n, [&](Vec<double> sum, int64_t i, int m) FASTNN_INLINED { return step(sum, load(i, m)); });
  } else {
    constexpr int lanes = Wide<T>::lanes, vec = Vec<T>::lanes, half = vec / 2, parts = Wide<T>::parts;
    Wide<double> sum[4];
    unroll<4>([&](auto k) FASTNN_INLINED { sum[k] = Wide<double>(Add::identity<double>); });
    // Vector k of two Wides holds the vectors 2 k and 2 k + 1 of doubles.
    const auto take = [&](auto k, int64_t i, int m) FASTNN_INLINED {
      const Vec<T> v = load(i + k * vec, m);
      Vec<double>& low = sum[2 * k / parts].part[2 * k % parts];
      Vec<double>& high = sum[(2 * k + 1) / parts].part[(2 * k + 1) % parts];
      const Vec<double> next_low = step(low, widen_lower(v)), next_high = step(high, widen_upper(v));
      low = m >= half ? next_low : select(Mask<double>::first(m), next_low, low);
      high = m == vec ? next_high : m > half ? select(Mask<double>::first(m - half), next_high, high) : high;
    };
    int64_t i = 0;
    for (; i + 2 * lanes <= n; i += 2 * lanes) unroll<2 * parts>([&](auto k) FASTNN_INLINED { take(k, i, vec); });
    unroll<2 * parts>([&](auto k) FASTNN_INLINED {
      const int64_t left = n - i - k * vec;
      if (left > 0) take(k, i, left < vec ? int(left) : vec);
    });
    return reduce_add((sum[0] + sum[1]) + (sum[2] + sum[3]));
  }
}

template <class T, class Load>
FASTNN_INLINE double sum_as_double(int64_t n, Load load) {
  return sum_as_double<T>(n, load, [](Vec<double> sum, Vec<double> v) FASTNN_INLINED { return sum + v; });
}

// Folds `blocks` rows of n partial results into the first, as a tree: neighbors, then neighbors of those ...
template <class Fold, class T>
FASTNN_INLINE void fold_blocks(T* row, int64_t blocks, int64_t n, int64_t stride) {
  for (int64_t step = 1; step < blocks; step *= 2)
    for (int64_t b = 0; b + step < blocks; b += 2 * step) {
      T *to = row + b * stride, *from = to + step * stride;
      int64_t i = 0;
      for (; i + Vec<T>::lanes <= n; i += Vec<T>::lanes)
        Fold::combine(Vec<T>::load(to + i), Vec<T>::load(from + i)).store(to + i);
      if (const int m = int(n - i)) Fold::combine(Vec<T>::load(to + i, m), Vec<T>::load(from + i, m)).store(to + i, m);
    }
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
