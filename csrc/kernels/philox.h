// Philox4x32-10: sixteen blocks of four words at a time. Source: Salmon et al., Parallel random numbers: as easy as
// 1, 2, 3, SC 2011. Key = seed, counter = block number; word i of the stream is word i % 4 of block i / 4.
#pragma once
#include "kernels/call.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int philox_blocks = 16, philox_words = 4 * philox_blocks;

// The 64 words from block number `block` on. Plain loops: the compiler makes vectors of them.
FASTNN_INLINE void philox(uint64_t block, uint64_t seed, uint32_t* words) {
  uint32_t a[philox_blocks], b[philox_blocks], d[philox_blocks], e[philox_blocks];
  for (int i = 0; i < philox_blocks; i++) {
    a[i] = uint32_t(block + uint64_t(i));
    b[i] = uint32_t((block + uint64_t(i)) >> 32);
    d[i] = e[i] = 0;
  }
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
  for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
    for (int i = 0; i < philox_blocks; i++) {
      const uint64_t p = uint64_t(a[i]) * 0xD2511F53u, q = uint64_t(d[i]) * 0xCD9E8D57u;
      a[i] = uint32_t(q >> 32) ^ b[i] ^ k0;
      b[i] = uint32_t(q);
      d[i] = uint32_t(p >> 32) ^ e[i] ^ k1;
      e[i] = uint32_t(p);
    }
  for (int i = 0; i < philox_blocks; i++) {
    words[4 * i] = a[i];
    words[4 * i + 1] = b[i];
    words[4 * i + 2] = d[i];
    words[4 * i + 3] = e[i];
  }
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
