// Lifting a formula over arrays. A formula sees vectors; a block is a run of elements in which each operand is dense or
// one value; elementwise.cpp finds the blocks in arrays of any layout.
#pragma once
#include "kernels/formula.h"
#include "kernels/rows.h"

namespace fastnn::FASTNN_ISA {

// Elements one after another (step 1), or 64 bytes filled with the only value (step 0).
struct Operand {
  const char* p;
  int64_t step;
};

using Block = void (*)(const Attr* attributes, const Operand* in, char* out, int64_t n);

// The output; the first argument where the op changes that.
FASTNN_INLINE const View& written(const Call& c) { return c.n_out > 0 ? c.out(0) : c.in(0); }

// Calls the block for all elements of a Call. Operand q is argument c.dim[q].
void lift(const Call& c, Context& x, int inputs, Block block);

namespace {

// Tails go through partial vectors: a value gives the same bits at every position. Fetching 64 vectors ahead lost: add
// of 10^5 doubles took 33 us instead of 27. What has several operands waits for them: there 64-byte loads that touch
// two cache lines count, 25.0 us instead of 24.0. They lost with one operand (abs of doubles 1 % less, exp of floats
// 13 % more) and where formulas are heavy (power 68.4 us instead of 62.8).
template <Kernel K, class T, int... I>
FASTNN_INLINE void compute(const Attr* attributes, const Operand* in, char* out, int64_t n,
                           std::integer_sequence<int, I...>) {
  constexpr int lanes = Vec<T>::lanes;
  const Formula<K> f{attributes};
  constexpr bool halves = sizeof...(I) > 1 && !Formula<K>::heavy;
  const auto load = [](const T* from)
                        FASTNN_INLINED { return halves ? Vec<T>::load_halves(from) : Vec<T>::load(from); };
  const T* const p[] = {reinterpret_cast<const T*>(in[I].p)...};
  const int64_t step[] = {in[I].step...};
  T* y = reinterpret_cast<T*>(out);
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const Vec<T> a = f(load(p[I] + i * step[I])...), b = f(load(p[I] + (i + lanes) * step[I])...);
    a.store(y + i);
    b.store(y + i + lanes);
  }
  for (; i < n; i += lanes) {
    const int m = int(n - i < lanes ? n - i : lanes);
    f(Vec<T>::load(p[I] + i * step[I], m)...).store(y + i, m);
  }
}

template <Kernel K, class T, int Inputs>
void block(const Attr* attributes, const Operand* in, char* out, int64_t n) {
  compute<K, T>(attributes, in, out, n, std::make_integer_sequence<int, Inputs>{});
}

template <Kernel K, class T, int Inputs>
int64_t lifted(const Call& c, Context& x) noexcept {
  lift(c, x, Inputs, block<K, T, Inputs>);
  return -1;
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
