#include "runtime/dispatch.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <iterator>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace fastnn {
namespace {

constexpr const char* names[isa_count] = {"baseline", "avx2", "avx512", "neon"};

#if defined(__x86_64__)

// cpuid is read by hand because __builtin_cpu_supports knows neither lzcnt nor movbe in older Clang.
struct Leaf {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  explicit Leaf(uint32_t leaf) { __get_cpuid_count(leaf, 0, &eax, &ebx, &ecx, &edx); }  // absent: stays 0
};

constexpr bool all(uint32_t word, std::initializer_list<int> bits) {
  return std::all_of(bits.begin(), bits.end(), [word](int bit) { return (word >> bit & 1) != 0; });
}

// The register state that the operating system saves on a context switch. A processor may well have
// AVX-512 under a kernel or hypervisor that does not: its registers would lose their upper parts.
uint32_t saved_state() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

std::vector<Isa> detect() {
  const Leaf one(1), seven(7), extended(0x80000001);
  std::vector<Isa> found;

  // sse3 ssse3 cx16 sse4.1 sse4.2 popcnt | lahf
  if (!all(one.ecx, {0, 9, 13, 19, 20, 23}) || !all(extended.ecx, {0})) return found;
  found.push_back(Isa::baseline);

  // fma movbe osxsave avx f16c | bmi1 avx2 bmi2 | lzcnt | sse and avx registers saved
  if (!all(one.ecx, {12, 22, 27, 28, 29}) || !all(seven.ebx, {3, 5, 8}) || !all(extended.ecx, {5})) return found;
  const uint32_t saved = saved_state();
  if (!all(saved, {1, 2})) return found;
  found.push_back(Isa::avx2);

  // avx512 f dq cd bw vl | mask registers, upper halves of zmm0-15, zmm16-31 saved
  if (all(seven.ebx, {16, 17, 28, 30, 31}) && all(saved, {5, 6, 7})) found.push_back(Isa::avx512);
  return found;
}

#elif defined(__aarch64__)
std::vector<Isa> detect() { return {Isa::neon}; }
#else
std::vector<Isa> detect() { return {Isa::baseline}; }
#endif

// Found while the library loads, and never destroyed: threads may outlive static destructors.
const std::vector<Isa>& levels = *new std::vector<Isa>(detect());
std::atomic<Isa> active{levels.empty() ? Isa::baseline : levels.back()};

}  // namespace

const std::vector<Isa>& supported() { return levels; }

bool is_supported(Isa isa) { return std::find(levels.begin(), levels.end(), isa) != levels.end(); }

Isa best() { return levels.back(); }

const char* name(Isa isa) { return names[static_cast<int>(isa)]; }

std::optional<Isa> parse(std::string_view text) {
  const auto found = std::find(std::begin(names), std::end(names), text);
  if (found == std::end(names)) return std::nullopt;
  return static_cast<Isa>(found - std::begin(names));
}

Isa active_isa() { return active.load(std::memory_order_relaxed); }

bool set_isa(Isa isa) {
  if (!is_supported(isa)) return false;
  active.store(isa, std::memory_order_relaxed);
  return true;
}

}  // namespace fastnn
