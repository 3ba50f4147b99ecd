// Which instruction sets this machine can run, and the one in use. The tables of kernels that belong
// to the levels are chosen in ops/ from active_isa().
#pragma once
#include <optional>
#include <string_view>
#include <vector>

namespace fastnn {

enum class Isa { baseline, avx2, avx512, neon };  // x86-64-v2, -v3, -v4; AArch64
constexpr int isa_count = 4;

// Levels that this machine and its operating system support, worst first. Empty on an x86 processor
// below the baseline: no kernel may run there.
const std::vector<Isa>& supported();

bool is_supported(Isa isa);

// The last of supported(). Not to be asked where that is empty.
Isa best();

const char* name(Isa isa);
std::optional<Isa> parse(std::string_view text);  // of any level, supported or not

// The level in use by the whole process: best() until set_isa() is called. A change takes effect
// from the next operation on; set_isa returns false, and changes nothing, for a level not supported.
Isa active_isa();
bool set_isa(Isa isa);

}  // namespace fastnn
