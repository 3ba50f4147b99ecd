// The reductions of losses, numbered as in Python (ops/_forms.py).
#pragma once
#include <cstdint>

namespace fastnn {

enum class Over : int64_t { none, mean, sum, batch_mean };

}  // namespace fastnn
