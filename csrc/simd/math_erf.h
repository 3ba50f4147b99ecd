// erf and the normal distribution's functions. The tail P(Z > a) = exp(-a^2 / 2) g(a) / 2, a >= 0, keeps its
// relative accuracy until it underflows: the rounding error of a^2 is carried along. Fits of our own throughout.
#pragma once

#include "simd/compensated.h"
#include "simd/math_exp.h"

namespace fastnn::FASTNN_ISA {
namespace {

// P(Z > a) for a <= 4.5: polynomials around the multiples of a width that has few bits, with relative errors of
// 2^-24.2 at most.
constexpr float near_width = 0.291015625f;
alignas(64) constexpr float near_tail[7][16] = {
    {0.5f, 0.38551968f, 0.2802728f, 0.19131877f, 0.12219934f, 0.072823815f, 0.04039733f, 0.020819541f, 9.952733e-03f,
     4.40758e-03f, 1.8062405e-03f, 6.8434933e-04f, 2.3954091e-04f, 7.741148e-05f, 2.3084536e-05f, 6.3493267e-06f},
    {-0.3989423f, -0.38240173f, -0.33678225f, -0.27251983f, -0.20261264f, -0.13840589f, -0.086868465f, -0.05009441f,
     -0.026542142f, -0.0129211815f, -5.7794703e-03f, -2.3751631e-03f, -8.96847e-04f, -3.1114504e-04f, -9.9180645e-05f,
     -2.9047626e-05f},
    {1.0945728e-06f, 0.055643573f, 0.09801233f, 0.11896054f, 0.117927216f, 0.10069737f, 0.07584042f, 0.05102409f,
     0.030896936f, 0.016921192f, 8.409584e-03f, 3.8016431e-03f, 1.5659786e-03f, 5.885622e-04f, 2.020411e-04f,
     6.339966e-05f},
    {0.0664559f, 0.05833728f, 0.03711533f, 0.010803661f, -0.011990364f, -0.02577271f, -0.029662903f, -0.026298232f,
     -0.01955371f, -0.012619504f, -7.1945162e-03f, -3.6606807e-03f, -1.6734165e-03f, -6.9034897e-04f, -2.578514e-04f,
     -8.740609e-05f},
    {4.7639938e-04f, -0.013659336f, -0.022149308f, -0.022103198f, -0.01619932f, -7.603373e-03f, 2.8605526e-04f,
     4.866895e-03f, 6.2059443e-03f, 5.443013e-03f, 3.8323489e-03f, 2.296927e-03f, 1.2000183e-03f, 5.548753e-04f,
     2.2904793e-04f, 8.4844905e-05f},
    {-0.012988656f, -7.993807e-03f, -3.001306e-03f, 2.0987687e-03f, 5.5904393e-03f, 6.0552075e-03f, 4.3226816e-03f,
     1.9692867e-03f, 5.377462e-05f, -9.5169997e-04f, -1.147852e-03f, -9.2215545e-04f, -5.8779924e-04f, -3.173443e-04f,
     -1.4863741e-04f, -6.140753e-05f},
    {7.3200692e-03f, 6.608477e-03f, 0.01580902f, 3.7959963e-04f, 1.9935414e-03f, 5.2653914e-03f, -5.9449155e-04f,
     -6.791534e-04f, -1.21894984e-04f, -3.0986132e-04f, 5.573619e-05f, 1.6272653e-04f, 1.8023697e-04f, 1.2458485e-04f,
     6.7616216e-05f, 3.249685e-05f}};

// factor * P(Z > a) for a > 4.5. log g = -(constant + offset w), with an absolute error of 2^-26.6, joins the argument
// of the exponential before its reduction, so that only the last product rounds at the size of the result.
FASTNN_INLINE Vec<float> times_far_tail(Vec<float> factor, Vec<float> a) {
  using C = ExpConstants<float>;
  const Vec<float> constant(2.45703125f), offset = a - 9.205194473266602f;
  const Vec<float> w = wide_polynomial(
      offset, {1.0620964e-01f, -5.5195903e-03f, 3.745131e-04f, -2.7999078e-05f, 2.189948e-06f, -1.7569924e-07f,
               1.3887108e-08f, -1.0269784e-09f, 9.2439785e-11f, -1.0549543e-11f, 6.311906e-13f});
  const Pair<float> square = exact_product(a, a * -0.5f);
  const Vec<float> n = nearest_exponent(square.high - fma(offset, w, constant));
  const Vec<float> whole = fma(n, Vec<float>(C::ln2_high), constant);  // exact
  const Vec<float> first = square.high - whole;
  const Vec<float> low = fnma(n, Vec<float>(C::ln2_low), square.low + (square.high - (first + whole)));
  const Vec<float> r = fnma(offset, w, first) + low;
  return scale(fma(factor, exp_less_one(r), factor), n - 1.0f);
}

// Where the tails are zero, even times a.
template <class T>
constexpr T end_of_tail = std::is_same_v<T, float> ? T(14.6) : T(38.7);
template <class T>
FASTNN_INLINE Vec<T> within_tail(Vec<T> a) {
  return min(Vec<T>(end_of_tail<T>), a);
}

// factor * P(Z > a), where the factor is a or less. (It is bounded too: infinity times zero is NaN.)
FASTNN_INLINE Vec<float> times_tail(Vec<float> factor, Vec<float> a) {
  const Vec<float> sum = fma(a, Vec<float>(1 / near_width), Vec<float>(Format<float>::shift));
  const Vec<float> t = fnma(sum - Format<float>::shift, Vec<float>(near_width), a);
  const Vec<float> near = factor * piecewise_polynomial(t, bits(sum), near_tail);
  const Mask<float> far = a > Vec<float>(4.5f);
  if (!any(far)) [[likely]]
    return near;
  return select(far, times_far_tail(within_tail(factor), within_tail(a)), near);
}

// g(a) = t h(t - 0.41...) with t = 1 / (1 + a / 4), error 2^-55.1 for a <= 38.7; the rounding errors of t and of the
// products are carried.
FASTNN_INLINE Vec<double> times_tail(Vec<double> unbounded_factor, Vec<double> unbounded) {
  const Vec<double> factor = within_tail(unbounded_factor), a = within_tail(unbounded);
  const auto [n, r] = reduce_exp(exact_product(a, a * -0.5));
  const Vec<double> one(1.0), quarter = a * 0.25, d = one + quarter;
  const Vec<double> t = one / d;
  const Vec<double> t_error = fnma(t, quarter - (d - one), exact_remainder(t, d, one));  // relative
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
  return scale(fth + fma(fth, fma(sensitivity, t_error, exp_less_one(r)), low), n - 1.0);
}

// The standard normal distribution: P(Z < x).
template <class T>
FASTNN_INLINE Vec<T> normal_cdf(Vec<T> x) {
  const Vec<T> tail = times_tail(Vec<T>(T(1)), abs(x));
  return select(x > Vec<T>{}, T(1) - tail, tail);
}

// Its density exp(-x^2 / 2) / sqrt(2 pi).
template <class T>
FASTNN_INLINE Vec<T> normal_pdf(Vec<T> x) {
  const Vec<T> a = within_tail(abs(x)), factor(T(0.39894228040143267794));
  const auto [n, r] = reduce_exp(exact_product(a, a * T(-0.5)));
  return scale(fma(factor, exp_less_one(r), factor), n);
}

// x P(Z < x) = max(x, 0) - |x| P(Z > |x|). The tail is not computed first and multiplied then: it may be subnormal.
template <class T>
FASTNN_INLINE Vec<T> gelu(Vec<T> x) {
  // max takes the second of two zeros, and so keeps the sign of x = 0.
  return max(Vec<T>(T(-0.0)), x) - times_tail(abs(x), abs(x));
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
