// Formulas of activation functions, each with its derivative (dy first). Sources stand with the definitions.
#pragma once
#include "kernels/arithmetic.h"
#include "kernels/rectify.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <>
struct Formula<Kernel::relu> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return rectified(x);
  }
};

template <>
struct Formula<Kernel::relu_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> y) const {
    return masked(dy, y);
  }
};

template <>
struct Formula<Kernel::add_relu> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> a, Vec<T> b) const {
    return rectified(a + b);
  }
};

template <>
struct Formula<Kernel::add_relu_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> a, Vec<T> b, Vec<T> y) const {
    return masked(a + b, y);
  }
};

template <>
struct Formula<Kernel::leaky_relu> : Attributes<1> {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return select(x > Vec<T>{}, x, x * attribute<T>(0));
  }
};

template <>
struct Formula<Kernel::leaky_relu_backward> : Attributes<1> {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> x) const {
    return select(x > Vec<T>{}, dy, dy * attribute<T>(0));
  }
};

template <>
struct Formula<Kernel::hardtanh> : Formula<Kernel::clip> {};

template <>
struct Formula<Kernel::hardtanh_backward> : Attributes<2> {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> x) const {
    return select((x <= attribute<T>(0)) | (x >= attribute<T>(1)), Vec<T>{}, dy);
  }
};

template <>
struct Formula<Kernel::hardswish> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    const Vec<T> gate = min(constant<T>(6), max(Vec<T>{}, x + T(3)));
    return max(constant<T>(-3), x) * (gate * T(1.0 / 6));
  }
};

template <>
struct Formula<Kernel::hardswish_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> x) const {
    const Vec<T> sloping = dy * fma(x, constant<T>(1.0 / 3), constant<T>(0.5));
    return select(x <= constant<T>(-3), Vec<T>{}, select(x >= constant<T>(3), dy, sloping));
  }
};

template <>
struct Formula<Kernel::elu> : Attributes<1> {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return select(x > Vec<T>{}, x, attribute<T>(0) * expm1(x));
  }
};

template <>
struct Formula<Kernel::elu_backward> : Attributes<1> {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> y) const {
    return select(y > Vec<T>{}, dy, dy * (y + attribute<T>(0)));
  }
};

constexpr double selu_scale = 1.0507009873554804934193349852946;
constexpr double selu_depth = selu_scale * 1.6732632423543772848170429916717;  // where it ends, far below 0

template <>
struct Formula<Kernel::selu> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return select(x > Vec<T>{}, x * T(selu_scale), expm1(x) * T(selu_depth));
  }
};

template <>
struct Formula<Kernel::selu_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> y) const {
    return dy * select(y > Vec<T>{}, constant<T>(selu_scale), y + T(selu_depth));
  }
};

template <>
struct Formula<Kernel::sigmoid> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return sigmoid(x);
  }
};

template <>
struct Formula<Kernel::sigmoid_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> y) const {
    return dy * (y * (T(1) - y));
  }
};

template <>
struct Formula<Kernel::tanh> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return tanh(x);
  }
};

template <>
struct Formula<Kernel::tanh_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> y) const {
    return dy * ((T(1) - y) * (T(1) + y));
  }
};

// log(1 + e^z) / beta with z = beta x; x itself where z is above the threshold.
template <>
struct Formula<Kernel::softplus> : Attributes<2> {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    const Vec<T> z = attribute<T>(0) * x;
    const Vec<T> y = (max(Vec<T>{}, z) + log1p(exp(-abs(z)))) * constant<T>(1 / value[0]);
    return select(z > attribute<T>(1), x, y);
  }
};

template <>
struct Formula<Kernel::softplus_backward> : Attributes<2> {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> x) const {
    const Vec<T> z = attribute<T>(0) * x;
    return select(z > attribute<T>(1), dy, dy * sigmoid(z));
  }
};

// x times a weight of z that is e^z far below 0. There it is computed for z + 16 (an exact sum) and the product scaled,
// since x times a subnormal weight would lose digits. A weight of 0 counts more than x = -inf.
template <class T, class F>
FASTNN_INLINE Vec<T> weighted(Vec<T> x, Vec<T> z, F weight) {
  const Mask<T> far = z < constant<T>(sizeof(T) == 4 ? -64 : -640);
  const Vec<T> w = weight(select(far, z + T(16), z));
  const Vec<T> product = x * w * select(far, constant<T>(1.12535174719259114514e-07), constant<T>(1));
  return select(w == Vec<T>{}, copysign(w, x), product);
}

// The logistic function and its slope, s (1 - s) without the difference.
template <class T>
struct Logistic {
  Vec<T> value, slope;

  FASTNN_INLINE explicit Logistic(Vec<T> z) {
    const Vec<T> e = exp(-abs(z)), larger = T(1) / (T(1) + e), smaller = e * larger;
    value = select(z < Vec<T>{}, smaller, larger);
    slope = smaller * larger;
  }
};

template <class T>
FASTNN_INLINE Vec<T> bounded(Vec<T> x) {
  constexpr T most = sizeof(T) == 4 ? T(3.40282346638528859812e38) : T(1.79769313486231570815e308);
  return clamp(-most, most, x);
}

template <>
struct Formula<Kernel::silu> : Attributes<1> {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    if (value[0] == 1) return silu(x);
    return times_sigmoid(x, attribute<T>(0) * bounded(x));
  }
};

template <>
struct Formula<Kernel::silu_backward> : Attributes<1> {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> x) const {
    const Vec<T> z = clamp(T(-1000), T(1000), attribute<T>(0) * bounded(x));  // far from 0 the slope is 0
    const Logistic<T> s(z);
    return dy * fma(z, s.slope, s.value);
  }
};

template <>
struct Formula<Kernel::gelu> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return gelu(x);
  }
};

// Phi(x) + x phi(x), with the rounding error of x^2 carried into the density.
template <>
struct Formula<Kernel::gelu_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> x) const {
    const Vec<T> c = clamp(T(-40), T(40), x);  // far from 0 the density is 0
    const auto [high, low] = exact_product(c, c * T(-0.5));
    const Vec<T> e = exp(high), density = fma(e, low, e) * T(0.39894228040143267794);
    return dy * fma(c, density, normal_cdf(x));
  }
};

// x s(u), u = 2 sqrt(2 / pi) (x + 0.044715 x^3): (1 + tanh(u / 2)) / 2 is the logistic function of u.
constexpr double gelu_twice = 1.59576912160573071176, gelu_cube = 0.044715;

template <>
struct Formula<Kernel::gelu_tanh> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    const Vec<T> inner = fma(x * x, constant<T>(gelu_twice * gelu_cube), constant<T>(gelu_twice));
    return times_sigmoid(x, x * inner);
  }
};

template <>
struct Formula<Kernel::gelu_tanh_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> x) const {
    const Vec<T> c = clamp(T(-40), T(40), x), square = c * c;  // far from 0 the slope is 0
    const Vec<T> u = c * fma(square, constant<T>(gelu_twice * gelu_cube), constant<T>(gelu_twice));
    const Vec<T> du = fma(square, constant<T>(3 * gelu_twice * gelu_cube), constant<T>(gelu_twice));
    const Logistic<T> s(u);
    return dy * fma(c * du, s.slope, s.value);
  }
};

// w = tanh(log(1 + e^x)) = n / (n + 2), n = e^x (e^x + 2), with both parts times e^-2x where x > 0.
template <class T>
struct Mish {
  Vec<T> e, top, bottom;
  Mask<T> positive;

  FASTNN_INLINE explicit Mish(Vec<T> x) : e(exp(-abs(x))), positive(x > Vec<T>{}) {
    top = select(positive, fma(constant<T>(2), e, constant<T>(1)), e * (e + T(2)));
    bottom = top + select(positive, T(2) * e * e, constant<T>(2));
  }
};

template <>
struct Formula<Kernel::mish> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return weighted(x, x, [](Vec<T> v) FASTNN_INLINED {
      const Mish<T> m(v);
      return m.top / m.bottom;
    });
  }
};

// w + x w', w' = (1 - w^2) s(x) = 4 e^x (1 + e^x) / (n + 2)^2.
template <>
struct Formula<Kernel::mish_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> x) const {
    const Mish<T> m(x);
    const Vec<T> inverse = T(1) / m.bottom;
    const Vec<T> slope = select(m.positive, m.e * m.e, m.e) * (T(4) + T(4) * m.e) * inverse * inverse;
    return dy * fma(clamp(T(-1000), T(1000), x), slope, m.top * inverse);  // far from 0 the slope is 0
  }
};

}  // namespace
}  // namespace fastnn::FASTNN_ISA
