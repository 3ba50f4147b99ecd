// Largest errors of the vector math functions, for one ISA level. By hand, from the root:
//
//   g++ -O3 -std=c++20 -ffp-contract=off -fno-math-errno -fno-trapping-math -pthread -Icsrc
//       -march=x86-64-v4 -DFASTNN_ISA=avx512 tests/accuracy/ulp.cpp -o ulp && ./ulp
//
// (x86-64-v3 and avx2, x86-64-v2 and baseline for the other levels.) It takes every float, all 2^32, against double
// precision, and random doubles against long double; functions of two arguments are sampled in both types. A full run
// takes a minute or two per function on two cores. Options: `./ulp --stride 61 --samples 100000 --threads 2 exp log`.
// `--reference 0` only prints the checksums of the results, by which two levels are compared: AVX2 and AVX-512 agree.
//
// The error is in units of the last place of the exact result, of the least subnormal below the normal numbers;
// overflow counts as the power of two above the greatest number. It is infinite if NaN is lost or made, if a zero has
// the wrong sign, or if a value's bits depend on its place in the array. The exit status is 1 if a bound is exceeded.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "simd/math.h"

#define QUOTE(name) #name
#define NAME_OF(macro) QUOTE(macro)

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int chunk = 4096;

template <class T>
using Wider = std::conditional_t<std::is_same_v<T, float>, double, long double>;

// A function over a chunk of arguments, and the exact one.
template <class T>
struct Function {
  void (*map)(const T* x, const T* y, T* out);
  Wider<T> (*exact)(Wider<T> x, Wider<T> y);
  double bound;
};

struct Case {
  const char* name;
  Function<float> single;
  Function<double> twice;
  double low, high;  // random doubles are taken from here
  bool binary;
};

template <class T, class F>
void map_vectors(const T* x, const T* y, T* out, F&& f) {
  constexpr int lanes = Vec<T>::lanes;
  for (int i = 0; i < chunk; i += lanes) f(Vec<T>::load(x + i), Vec<T>::load(y + i)).store(out + i);
}

template <class T, class F, class R>
Function<T> make_function(double bound) {
  return {[](const T* x, const T* y, T* out) { map_vectors(x, y, out, F{}); },
          [](Wider<T> x, Wider<T> y) { return R{}(x, y); }, bound};
}

struct Bounds {
  double single, twice;
};
struct Range {
  double low, high;
};

// f on vectors, exact on numbers: both generic function objects of two arguments.
template <class F, class R>
Case make_case(const char* name, F, R, Bounds bounds, Range range, bool binary = false) {
  return {name,
          make_function<float, F, R>(bounds.single),
          make_function<double, F, R>(bounds.twice),
          range.low,
          range.high,
          binary};
}

template <class R>
R exact_sigmoid(R x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}

template <class R>
R exact_silu(R x) {
  return x < -1000 ? -R(0) : x * exact_sigmoid(x);
}

template <class R>
R exact_softplus(R x) {
  return std::max(x, R(0)) + std::log1p(std::exp(-std::fabs(x)));
}

// erfc(-x / sqrt 2) / 2; in the tail the rounding error of the argument counts, times the logarithmic derivative.
template <class R>
R exact_normal_cdf(R x) {
  constexpr R root = R(0.70710678118654752440084436210484903928L);
  constexpr R root_error =
      std::is_same_v<R, double> ? R(0.70710678118654752440084436210484903928L - root) : R(1.89503256e-20L);
  const R y = -x * root;
  const R y_error = std::fma(-x, root, -y) - x * root_error;
  return std::erfc(y) / 2 * (y > 2 && y < 100 ? 1 - 2 * y * y_error : 1);
}

// The rounding error of x^2, which the exponential magnifies, is that of a product of two halves of x.
template <class R>
R exact_normal_pdf(R x) {
  const R square = x * x;
  const R error = square < 1e4L ? std::fma(x, x, -square) : 0;
  return std::exp(-square / 2) * (1 - error / 2) * R(0.39894228040143267793994605993438186848L);
}

template <class R>
R exact_gelu(R x) {
  return x < -1000 ? -R(0) : x * exact_normal_cdf(x);
}

#define UNARY(vector, exact) [](auto x, auto) { return vector; }, [](auto x, auto) { return exact; }
#define BINARY(vector, exact) [](auto x, auto y) { return vector; }, [](auto x, auto y) { return exact; }

const std::vector<Case> cases = {
    make_case("exp", UNARY(exp(x), std::exp(x)), {1.0, 2.0}, {-750, 711}),
    make_case("expm1", UNARY(expm1(x), std::expm1(x)), {1.0, 2.0}, {-40, 711}),
    make_case("log", UNARY(log(x), std::log(x)), {1.0, 2.0}, {0, 1e308}),
    make_case("log1p", UNARY(log1p(x), std::log1p(x)), {1.0, 2.0}, {-1, 1e308}),
    make_case("tanh", UNARY(tanh(x), std::tanh(x)), {2.5, 3.0}, {-25, 25}),
    make_case("sigmoid", UNARY(sigmoid(x), exact_sigmoid(x)), {2.5, 3.0}, {-750, 50}),
    make_case("silu", UNARY(silu(x), exact_silu(x)), {3.0, 4.0}, {-760, 50}),
    make_case("softplus", UNARY(softplus(x), exact_softplus(x)), {3.0, 4.0}, {-750, 50}),
    make_case("erf", UNARY(erf(x), std::erf(x)), {1.1, 3.0}, {-7, 7}),
    make_case("normal_cdf", UNARY(normal_cdf(x), exact_normal_cdf(x)), {3.0, 4.0}, {-39, 10}),
    make_case("normal_pdf", UNARY(normal_pdf(x), exact_normal_pdf(x)), {2.0, 2.0}, {-39, 39}),
    make_case("gelu", UNARY(gelu(x), exact_gelu(x)), {3.0, 4.0}, {-39, 10}),
    make_case("pow", BINARY(pow(x, y), std::pow(x, y)), {1.1, 2.5}, {-1e4, 1e4}, true),
};

template <class T>
double error(T got, Wider<T> exact) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(got) || std::isnan(exact)) return std::isnan(got) && std::isnan(exact) ? 0 : HUGE_VAL;
  if (got == 0 && exact == 0 && std::signbit(got) != std::signbit(exact)) return HUGE_VAL;
  const Wider<T> beyond = std::ldexp(Wider<T>(1), Limits::max_exponent);
  const Wider<T> value = std::isinf(got) ? std::copysign(beyond, Wider<T>(got)) : Wider<T>(got);
  const Wider<T> target = std::fabs(exact) > beyond ? std::copysign(beyond, exact) : exact;
  int exponent = Limits::min_exponent;
  if (target != 0) exponent = std::max(exponent, std::ilogb(target) + 1);
  exponent = std::min(exponent, Limits::max_exponent);
  return static_cast<double>(std::ldexp(std::fabs(value - target), Limits::digits - exponent));
}

struct Result {
  double ulp = 0;
  double x = 0, y = 0, got = 0, exact = 0;
  uint64_t checksum = 0;  // a sum, for any order of chunks

  void merge(const Result& other) {
    const uint64_t sum = checksum + other.checksum;
    if (other.ulp > ulp) *this = other;
    checksum = sum;
  }
};

template <class T>
uint64_t bits_of(T value) {
  std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t> bits;
  std::memcpy(&bits, &value, sizeof value);
  return std::isnan(value) ? 1 : bits;
}

template <class T>
void check_chunk(const Function<T>& function, const T* x, const T* y, bool reference, Result& result) {
  T out[chunk], moved_x[chunk], moved_y[chunk], moved_out[chunk];
  function.map(x, y, out);
  constexpr int shift = 5;
  std::rotate_copy(x, x + shift, x + chunk, moved_x);
  std::rotate_copy(y, y + shift, y + chunk, moved_y);
  function.map(moved_x, moved_y, moved_out);
  for (int i = 0; i < chunk; ++i) {
    const uint64_t bits = bits_of(out[i]);
    result.checksum += (bits + 1) * 0x9e3779b97f4a7c15u * (2 * bits_of(x[i]) + 1);
    double ulp = bits == bits_of(moved_out[(i + chunk - shift) % chunk]) ? 0 : HUGE_VAL;
    Wider<T> exact = 0;
    if (reference) {
      exact = function.exact(x[i], y[i]);
      ulp = std::max(ulp, error(out[i], exact));
    }
    if (ulp > result.ulp) result = {ulp, double(x[i]), double(y[i]), double(out[i]), double(exact), result.checksum};
  }
}

// Values where formulas break; pairs of them are taken for functions of two arguments.
template <class T>
std::vector<T> special_values() {
  using Limits = std::numeric_limits<T>;
  const T least = Limits::denorm_min(), normal = Limits::min(), epsilon = Limits::epsilon();
  std::vector<T> values = {0,
                           least,
                           3 * least,
                           normal - least,
                           normal,
                           epsilon / 4,
                           T(0.25),
                           T(0.5),
                           1 - epsilon / 2,
                           1,
                           1 + epsilon,
                           T(1.5),
                           2,
                           3,
                           T(3.5),
                           1 / epsilon - T(0.5),
                           1 / epsilon - 1,
                           2 / epsilon - 1,
                           2 / epsilon,
                           Limits::max() / 2,
                           Limits::max(),
                           Limits::infinity(),
                           Limits::quiet_NaN()};
  const size_t positive = values.size();
  for (size_t i = 0; i < positive; ++i) values.push_back(-values[i]);
  return values;
}

// A third each: even in value, even in exponent, and near to 1.
template <class T>
T random_value(std::mt19937_64& random, double low, double high) {
  const double unit = std::uniform_real_distribution<double>(0, 1)(random);
  const double sign = low < 0 && random() % 2 ? -1 : 1;
  const uint64_t kind = random() % 3;
  if (kind == 0) return static_cast<T>(low + unit * (high - low));
  if (kind == 1) return static_cast<T>(sign * (0.25 + 4 * unit));
  const int least = std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits;
  const int range = std::ilogb(std::max(std::fabs(low), std::fabs(high))) - least;
  const int exponent = least + static_cast<int>(random() % static_cast<uint64_t>(range + 1));
  return static_cast<T>(std::ldexp(sign * (1 + unit), exponent));
}

template <class T>
Result check_samples(const Function<T>& function, const Case& c, int64_t samples, bool reference, uint64_t seed) {
  Result result;
  std::mt19937_64 random(seed);
  const std::vector<T> special = special_values<T>();
  const size_t count = special.size();
  size_t pair = 0;
  for (int64_t done = 0; done < samples; done += chunk) {
    T x[chunk], y[chunk];
    for (int i = 0; i < chunk; ++i) {
      if (pair < count * count) {
        x[i] = special[pair / count];
        y[i] = special[pair % count];
        ++pair;
      } else {
        x[i] = random_value<T>(random, c.low, c.high);
        y[i] = c.binary ? random_value<T>(random, -1100, 1100) : T(0);
      }
    }
    check_chunk(function, x, y, reference, result);
  }
  return result;
}

Result check_floats(const Function<float>& function, uint64_t stride, bool reference, unsigned part, unsigned parts) {
  Result result;
  const float y[chunk] = {};
  const uint64_t blocks = ((uint64_t{1} << 32) / stride + chunk - 1) / chunk;
  for (uint64_t block = part; block < blocks; block += parts) {
    float x[chunk];
    for (uint64_t i = 0; i < chunk; ++i) {
      const auto bits = static_cast<uint32_t>((block * chunk + i) * stride);
      std::memcpy(&x[i], &bits, sizeof bits);
    }
    check_chunk(function, x, y, reference, result);
  }
  return result;
}

struct Options {
  uint64_t stride = 1;
  int64_t samples = 20'000'000;
  unsigned threads = 2;
  bool reference = true;
  std::vector<std::string> names;
};

template <class F>
Result in_parallel(unsigned threads, F&& work) {
  Result result;
  std::mutex guard;
  std::vector<std::thread> pool;
  for (unsigned part = 0; part < threads; ++part)
    pool.emplace_back([&, part] {
      const Result mine = work(part);
      const std::lock_guard lock(guard);
      result.merge(mine);
    });
  for (std::thread& thread : pool) thread.join();
  return result;
}

bool report(const Case& c, const char* type, double bound, const Result& r) {
  std::printf("%-8s %-10s %-6s %6.3f ULP, bound %.1f, at x = %.17g", NAME_OF(FASTNN_ISA), c.name, type, r.ulp, bound,
              r.x);
  if (c.binary) std::printf(", y = %.17g", r.y);
  std::printf(": %.17g, exactly %.17g; checksum %016llx%s\n", r.got, r.exact,
              static_cast<unsigned long long>(r.checksum), r.ulp <= bound ? "" : "  EXCEEDED");
  std::fflush(stdout);
  return r.ulp <= bound;
}

bool check(const Case& c, const Options& options) {
  const int64_t samples = options.samples / options.threads;
  const Result single = in_parallel(options.threads, [&](unsigned part) {
    return c.binary ? check_samples(c.single, c, samples, options.reference, part)
                    : check_floats(c.single, options.stride, options.reference, part, options.threads);
  });
  const Result twice = in_parallel(
      options.threads, [&](unsigned part) { return check_samples(c.twice, c, samples, options.reference, part); });
  const bool single_good = report(c, "float", c.single.bound, single);
  return report(c, "double", c.twice.bound, twice) && single_good;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.rfind("--", 0) != 0) {
      options.names.push_back(word);
      continue;
    }
    const long long value = i + 1 < argc ? std::atoll(argv[++i]) : -1;
    if (word == "--stride" && value > 0) {
      options.stride = static_cast<uint64_t>(value);
    } else if (word == "--samples" && value > 0) {
      options.samples = value;
    } else if (word == "--threads" && value > 0) {
      options.threads = static_cast<unsigned>(value);
    } else if (word == "--reference" && value >= 0) {
      options.reference = value != 0;
    } else {
      std::fprintf(stderr, "usage: ulp [--stride N] [--samples N] [--threads N] [--reference 0] [function ...]\n");
      std::exit(2);
    }
  }
  return options;
}

int run(int argc, char** argv) {
  const Options options = parse(argc, argv);
  bool good = true;
  for (const Case& c : cases) {
    const auto& names = options.names;
    if (names.empty() || std::find(names.begin(), names.end(), c.name) != names.end()) good = check(c, options) && good;
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA

int main(int argc, char** argv) { return fastnn::FASTNN_ISA::run(argc, argv); }
