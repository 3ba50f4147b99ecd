// How sums are cut into blocks. Part of the order of sums, and of the scratch that prepare asks for.
#pragma once
#include <cstdint>

namespace fastnn {

constexpr int64_t row_block = 4096;    // neighbors folded in one go
constexpr int64_t column_block = 256;  // rows added one after the other

constexpr int64_t blocks(int64_t n, int64_t block) { return (n + block - 1) / block; }

}  // namespace fastnn
