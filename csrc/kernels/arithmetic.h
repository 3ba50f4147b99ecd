// Formulas of arithmetic, of choosing between values and of elementary functions, each with its derivative (dy first).
#pragma once
#include "kernels/formula.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <>
struct Formula<Kernel::add> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> a, Vec<T> b) const {
    return a + b;
  }
};

template <>
struct Formula<Kernel::subtract> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> a, Vec<T> b) const {
    return a - b;
  }
};

template <>
struct Formula<Kernel::multiply> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> a, Vec<T> b) const {
    return a * b;
  }
};

template <>
struct Formula<Kernel::divide> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> a, Vec<T> b) const {
    return a / b;
  }
};

template <>
struct Formula<Kernel::negative> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return -x;
  }
};

template <>
struct Formula<Kernel::maximum> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> a, Vec<T> b) const {
    return maximum(a, b);
  }
};

template <>
struct Formula<Kernel::minimum> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> a, Vec<T> b) const {
    return minimum(a, b);
  }
};

template <>
struct Formula<Kernel::winner> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> a, Vec<T> b) const {
    return select(a < b, Vec<T>{}, select(a == b, dy * T(0.5), dy));
  }
};

template <>
struct Formula<Kernel::clip> : Attributes<2> {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    const Vec<T> low = attribute<T>(0), high = attribute<T>(1);
    // A NaN in the second operand of min and max stays, one in the first does not.
    return select((low == low) & (high == high), min(high, max(low, x)), low + high);
  }
};

template <>
struct Formula<Kernel::clip_backward> : Attributes<2> {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> x) const {
    return select((x >= attribute<T>(0)) & (x <= attribute<T>(1)), dy, Vec<T>{});
  }
};

template <>
struct Formula<Kernel::square> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return x * x;
  }
};

template <>
struct Formula<Kernel::square_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> x) const {
    return dy * (x + x);
  }
};

template <>
struct Formula<Kernel::sqrt> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return sqrt(x);
  }
};

template <>
struct Formula<Kernel::sqrt_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> y) const {
    return dy / (y + y);
  }
};

template <>
struct Formula<Kernel::abs> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return abs(x);
  }
};

template <>
struct Formula<Kernel::abs_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> x) const {
    const Vec<T> one(T(1));
    return dy * select(x < Vec<T>{}, -one, select(x > Vec<T>{}, one, abs(x)));  // 0 at zeros, NaN at NaN
  }
};

template <>
struct Formula<Kernel::exp> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return exp(x);
  }
};

template <>
struct Formula<Kernel::exp_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> y) const {
    return dy * y;
  }
};

template <>
struct Formula<Kernel::expm1> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return expm1(x);
  }
};

template <>
struct Formula<Kernel::expm1_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> x) const {
    return dy * exp(x);
  }
};

template <>
struct Formula<Kernel::log> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return log(x);
  }
};

template <>
struct Formula<Kernel::log_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> x) const {
    return dy / x;
  }
};

template <>
struct Formula<Kernel::log1p> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    return log1p(x);
  }
};

template <>
struct Formula<Kernel::log1p_backward> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> x) const {
    return dy / (T(1) + x);
  }
};

template <>
struct Formula<Kernel::power> : Plain {
  static constexpr bool heavy = true;
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> a, Vec<T> b) const {
    return pow(a, b);
  }
};

template <>
struct Formula<Kernel::power_base> : Plain {
  static constexpr bool heavy = true;
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> a, Vec<T> b) const {
    return select(b == Vec<T>{}, Vec<T>{}, dy * (b * pow(a, b - T(1))));
  }
};

template <>
struct Formula<Kernel::power_exponent> : Plain {
  static constexpr bool heavy = true;
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> a, Vec<T> b) const {
    return select((a == Vec<T>{}) & (b >= Vec<T>{}), Vec<T>{}, dy * (pow(a, b) * log(a)));
  }
};

}  // namespace
}  // namespace fastnn::FASTNN_ISA
