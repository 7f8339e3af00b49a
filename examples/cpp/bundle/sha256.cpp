#include "sha256.h"

#include <array>
#include <cstdint>
#include <cstring>

namespace pitome::example {
namespace {

constexpr uint32_t kRounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

using State = std::array<uint32_t, 8>;

uint32_t rotated(uint32_t word, int bits) { return word >> bits | word << (32 - bits); }

void add_block(State& state, const unsigned char* block) {
  uint32_t words[64];
  for (int at = 0; at < 16; ++at) {
    words[at] = uint32_t{block[4 * at]} << 24 | uint32_t{block[4 * at + 1]} << 16 |
                uint32_t{block[4 * at + 2]} << 8 | uint32_t{block[4 * at + 3]};
  }
  for (int at = 16; at < 64; ++at) {
    const uint32_t early = words[at - 15], late = words[at - 2];
    words[at] = words[at - 16] + words[at - 7] + (rotated(early, 7) ^ rotated(early, 18) ^ early >> 3) +
                (rotated(late, 17) ^ rotated(late, 19) ^ late >> 10);
  }
  State s = state;
  for (int at = 0; at < 64; ++at) {
    const uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    const uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    const uint32_t first =
        s[7] + (rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25)) + choice + kRounds[at] + words[at];
    const uint32_t second = (rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22)) + majority;
    s = {first + second, s[0], s[1], s[2], s[3] + first, s[4], s[5], s[6]};
  }
  for (size_t at = 0; at < state.size(); ++at) state[at] += s[at];
}

}  // namespace

std::string sha256(std::string_view bytes) {
  State state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  const size_t whole = bytes.size() / 64 * 64, left = bytes.size() - whole;
  for (size_t at = 0; at < whole; at += 64) add_block(state, data + at);
  // The rest, a bit of 1, zeros, and the length in bits: one block or two.
  unsigned char last[128] = {};
  if (left > 0) std::memcpy(last, data + whole, left);
  last[left] = 0x80;
  const size_t length = left < 56 ? 64 : 128;
  const uint64_t bits = uint64_t{bytes.size()} * 8;
  for (int at = 0; at < 8; ++at) last[length - 1 - at] = static_cast<unsigned char>(bits >> (8 * at));
  for (size_t at = 0; at < length; at += 64) add_block(state, last + at);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string digest;
  for (uint32_t word : state) {
    for (int shift = 28; shift >= 0; shift -= 4) digest += kDigits[word >> shift & 15];
  }
  return digest;
}

}  // namespace pitome::example
