// erf, erfc, and the normal distribution's functions. The tail erfc(a / sqrt 2) = exp(-a^2 / 2) g(a), a >= 0, keeps its
// relative accuracy until it underflows: the rounding error of a^2 is carried along. Fits of our own throughout.
#pragma once

#include "simd/compensated.h"
#include "simd/math_exp.h"

namespace fastnn::FASTNN_ISA {
namespace {

// -log g(a) = constant + (a - center) w(a - center): two fits with absolute errors 2^-28.4 and 2^-26.6.
struct TailFit {
  Vec<float> constant, offset, w;
};

FASTNN_INLINE TailFit fit_tail(Vec<float> a) {
  const Vec<float> near = a - 1.4163843393325806f;
  const Vec<float> near_w = wide_polynomial(
      near, {4.514779e-01f, -7.8350745e-02f, 1.4672316e-02f, -2.5046978e-03f, 3.4926293e-04f, -2.9653062e-05f,
             -2.3210482e-06f, 1.6721273e-06f, -4.0139398e-07f, 5.8289686e-08f, -4.910625e-09f, 1.8133452e-10f});
  const TailFit fit{Vec<float>(0.8505859375f), near, near_w};
  const Mask<float> outside = a > Vec<float>(4.5f);
  if (!any(outside)) [[likely]]
    return fit;
  const Vec<float> far = a - 9.205194473266602f;
  const Vec<float> far_w = wide_polynomial(
      far, {1.0620964e-01f, -5.5195903e-03f, 3.745131e-04f, -2.7999078e-05f, 2.189948e-06f, -1.7569924e-07f,
            1.3887108e-08f, -1.0269784e-09f, 9.2439785e-11f, -1.0549543e-11f, 6.311906e-13f});
  return {select(outside, Vec<float>(2.45703125f), fit.constant), select(outside, far, near),
          select(outside, far_w, near_w)};
}

// factor * erfc(a / sqrt 2), where a = argument.high + argument.low and -a^2 / 2 = square.high + square.low. log g
// joins the argument of the exponential before its reduction, so that only the last product rounds at the size of the
// result.
FASTNN_INLINE Vec<float> times_tail(Vec<float> factor, Pair<float> argument, Pair<float> square) {
  using C = ExpConstants<float>;
  const auto [constant, offset, w] = fit_tail(argument.high);
  const Vec<float> n = nearest_exponent(square.high - fma(offset, w, constant));
  const Vec<float> whole = fma(n, Vec<float>(C::ln2_high), constant);  // exact
  const Vec<float> first = square.high - whole;
  const Vec<float> low = fnma(n, Vec<float>(C::ln2_low), square.low + (square.high - (first + whole)));
  const Vec<float> r = fnma(offset, w, first) + low;
  return scale(fma(factor, exp_less_one(r), factor), n);
}

// g(a) = t h(t - 0.41...) with t = 1 / (1 + a / 4), error 2^-55.1 for a <= 38.7; the rounding errors of t and of the
// products are carried.
FASTNN_INLINE Vec<double> times_tail(Vec<double> factor, Pair<double> argument, Pair<double> square) {
  const auto [n, r] = reduce_exp(square);
  const Vec<double> one(1.0), quarter = argument.high * 0.25;
  const Vec<double> d = one + quarter;
  const Vec<double> d_low = fma(argument.low, Vec<double>(0.25), quarter - (d - one));
  const Vec<double> t = one / d;
  const Vec<double> t_error = fnma(t, d_low, exact_remainder(t, d, one));  // relative
  const Vec<double> s = t - 0.4130859375;
  const Vec<double> h =
      wide_polynomial(s, {0.330193795226953,     0.4889823620174993,   0.6007614050121133,    0.5884739752397081,
                          0.42055751942117714,   0.16194519896603057,  -0.047433000439911666, -0.10073987812044706,
                          -0.025757839871157585, 0.04584703817116377,  0.02958443271108948,   -0.023429822714211086,
                          -0.02393904492109324,  0.015771778400979593, 0.01856991439076351,   -0.014313203058313585,
                          -0.013521867792895475, 0.015378791355848036, 0.006462985627925382,  -0.014452704785309047,
                          0.002699714442617736,  0.005094998207743061, -0.0024898395877077806});
  const Vec<double> sensitivity = polynomial(t, {0.95, 1.24, 1.027});  // d log g / d log t, to 0.03

  const auto [ft, ft_low] = exact_product(factor, t);
  const auto [fth, fth_low] = exact_product(ft, h);
  const Vec<double> low = fma(ft_low, h, fth_low);
  return scale(fth + fma(fth, fma(sensitivity, t_error, exp_less_one(r)), low), n);
}

// Where the tails are zero, even times a.
template <class T>
constexpr T end_of_tail = std::is_same_v<T, float> ? T(14.6) : T(38.7);

// The standard normal distribution: P(Z < x).
template <class T>
FASTNN_INLINE Vec<T> normal_cdf(Vec<T> x) {
  const Vec<T> a = min(Vec<T>(end_of_tail<T>), abs(x));
  const Vec<T> tail = times_tail(Vec<T>(T(0.5)), {a, Vec<T>{}}, exact_product(a, a * T(-0.5)));
  return select(x > Vec<T>{}, T(1) - tail, tail);
}

// Its density exp(-x^2 / 2) / sqrt(2 pi).
template <class T>
FASTNN_INLINE Vec<T> normal_pdf(Vec<T> x) {
  const Vec<T> a = min(Vec<T>(end_of_tail<T>), abs(x)), factor(T(0.39894228040143267794));
  const auto [n, r] = reduce_exp(exact_product(a, a * T(-0.5)));
  return scale(fma(factor, exp_less_one(r), factor), n);
}

// x P(Z < x) = max(x, 0) - |x| P(Z > |x|). The tail is not computed first and multiplied then: it may be subnormal.
template <class T>
FASTNN_INLINE Vec<T> gelu(Vec<T> x) {
  const Vec<T> a = min(Vec<T>(end_of_tail<T>), abs(x));
  // max takes the second of two zeros, and so keeps the sign of x = 0.
  return max(Vec<T>(T(-0.0)), x) - times_tail(a * T(0.5), {a, Vec<T>{}}, exact_product(a, a * T(-0.5)));
}

template <class T>
FASTNN_INLINE Vec<T> erfc(Vec<T> x) {
  constexpr double root2 = 1.41421356237309504880, root2_low = -9.66729331345291345e-17;
  constexpr T high = T(root2), low = T(root2 - double(high) + root2_low);
  const Vec<T> a = min(Vec<T>(end_of_tail<T> / high), abs(x));
  const Pair<T> argument = exact_product(a, Vec<T>(high));
  const Vec<T> tail =
      times_tail(Vec<T>(T(1)), {argument.high, fma(a, Vec<T>(low), argument.low)}, exact_product(a, -a));
  return select(x < Vec<T>{}, T(2) - tail, tail);
}

// erf x = x + x p(x^2) for small x, 1 - exp(-x u(x)) for large (the form is N. Juffa's).
template <class T>
struct ErfFit;

template <>
struct ErfFit<float> {
  static constexpr float small = 0.85f, largest = 4.0f;  // erf is 1 beyond
  FASTNN_INLINE static Vec<float> p(Vec<float> s) {
    return polynomial(
        s, {1.2837917e-01f, -3.761259e-01f, 1.1282865e-01f, -2.6807288e-02f, 5.0577037e-03f, -6.3485187e-04f});
  }
  FASTNN_INLINE static Vec<float> u(Vec<float> a) {
    return polynomial(a, {1.1285648e+00f, 6.3548934e-01f, 1.0569373e-01f, -2.3321547e-02f, 3.4546163e-03f,
                          -2.8371796e-04f, 8.265579e-06f});
  }
};

template <>
struct ErfFit<double> {
  static constexpr double small = 1.0, largest = 6.0;
  FASTNN_INLINE static Vec<double> p(Vec<double> s) {
    return wide_polynomial(
        s, {0.12837916709551256, -0.37612638903183343, 0.11283791670936952, -0.026866170641959463,
            0.0052239775967397725, -0.0008548325485265041, 0.0001205528050731656, -1.492446590347845e-05,
            1.644415454784351e-06, -1.6184027115421667e-07, 1.3616877739248449e-08, -7.608186502989278e-10});
  }
  FASTNN_INLINE static Vec<double> u(Vec<double> a) {
    return wide_polynomial(
        a, {1.128379210539363,       0.6366192553847199,     0.10277548538588559,    -0.01913846162985159,
            -0.00018485316261160153, 0.0016521912263950413,  -0.0005286739199404083, -4.192771176779807e-05,
            0.00012444438514624118,  -7.243326821727363e-05, 2.7811579384448298e-05, -8.113089927910122e-06,
            1.876365057632399e-06,   -3.484103406407419e-07, 5.184942617147198e-08,  -6.11114084413523e-09,
            5.579489835920604e-10,   -3.8050296406045e-11,   1.823506944428899e-12,  -5.4747155282518575e-14,
            7.742626397305089e-16});
  }
};

template <class T>
FASTNN_INLINE Vec<T> erf(Vec<T> x) {
  using F = ErfFit<T>;
  using C = ExpConstants<T>;
  const Vec<T> a = min(Vec<T>(F::largest), abs(x));
  const Vec<T> u = F::u(a);
  const Vec<T> n = nearest_exponent(-a * u);
  const Vec<T> r = fnma(n, Vec<T>(C::ln2_low), fnma(a, u, n * -C::ln2_high));  // the last product is exact
  const Vec<T> power = power_of_two(n);
  const Vec<T> large = fnma(power, exp_less_one(r), T(1) - power);
  return select(a < Vec<T>(F::small), fma(x, F::p(x * x), x), copysign(large, x));
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
