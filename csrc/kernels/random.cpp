// Dropout: the mask is a pure function of seed and offset, so backward makes it again instead of storing it. Words are
// counted in C order whatever the layout, so that images in channels-last memory lose the same values as others.
#include "kernels/philox.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t random_grain = 256 * philox_words;

// y from a dense array; the loop of the call is that of a copy. (Reading and writing single values in another order
// took 1.7 times as long.)
void restore_order(const Call& c, Context& x, const View& dense) {
  View views[] = {dense, c.out(0)};
  Call copy = c;
  copy.views = views;
  copy.n_args = copy.n_out = 1;
  copy.first[1] = 1;
  copy_kernel[0](copy, x);
}

// x dense; p, seed, offset. y has memory of another order where there is scratch. Keep where word >= floor(p 2^32),
// scaled by 1 / (1 - p); p = 1 keeps nothing.
template <class T>
int64_t dropout_run(const Call& c, Context& x) noexcept {
  const T* from = c.in(0).as<T>();
  T* to = c.scratch ? reinterpret_cast<T*>(x.scratch) : c.out(0).as<T>();
  const int64_t n = c.in(0).size();
  const double p = c.attr[0].f;
  const uint64_t seed = uint64_t(c.attr[1].i), offset = uint64_t(c.attr[2].i);
  const uint64_t cut = uint64_t(p * 4294967296.0);
  const T scale = p < 1 ? static_cast<T>(1 / (1 - p)) : T(0);
  const int64_t skip = int64_t(offset % 4);  // words of the first block that belong to somebody else
  parallel_for(x, n + skip, random_grain, [&](int64_t lo, int64_t hi) {
    uint32_t words[philox_words];
    for (int64_t i = lo; i < hi; i += philox_words) {
      philox(offset / 4 + uint64_t(i / 4), seed, words);
      const int64_t first = i < skip ? skip : i, end = hi - i < philox_words ? hi : i + philox_words;
      for (int64_t j = first; j < end; j++) {
        const T kept = from[j - skip] * scale;
        to[j - skip] = words[j - i] >= cut ? kept : T(0);
      }
    }
  });
  if (c.scratch) {
    View dense = c.in(0);
    dense.data = x.scratch;
    restore_order(c, x, dense);
  }
  return -1;
}

}  // namespace

const Run dropout_kernel[2] = {dropout_run<float>, dropout_run<double>};

}  // namespace fastnn::FASTNN_ISA
