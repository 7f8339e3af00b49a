// WMMA's 16 x 16 x 16 products on the CPU, in place of CUDA's own mma.h.
//
// A GPU spreads a fragment over the lanes of a warp in a way that it does not tell. Here the first lane has
// it all, in float32, and does the work; the others' fragments are zeros that nobody reads.
#pragma once

#include "cuda_runtime.h"

namespace nvcuda::wmma {

struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
enum layout_t { mem_row_major, mem_col_major };

template <typename Use, int rows, int columns, int depth, typename T, typename Layout = void>
class fragment {
  static_assert(rows == 16 && columns == 16 && depth == 16, "the one shape that is here");

 public:
  static constexpr int num_elements = 256;
  float x[num_elements] = {};
};

// CUDA asks for 256-bit alignment of the address, and 16 bytes of the pitch.
inline void check_alignment(const void* address, size_t pitch_bytes) {
  if (reinterpret_cast<uintptr_t>(address) % 32 != 0 || pitch_bytes % 16 != 0)
    pitome_host::report(
        "a fragment at an address that is no multiple of 32 bytes, or with a pitch that is none of 16");
}

template <typename T>
void fill_fragment(fragment<accumulator, 16, 16, 16, T>& to, T value) {
  for (float& element : to.x) element = value;
}

template <typename Use, typename T, typename Layout>
void load_matrix_sync(fragment<Use, 16, 16, 16, T, Layout>& to, const T* from, unsigned pitch) {
  check_alignment(from, pitch * sizeof(T));
  if (pitome_host::lane() != 0) return;
  for (unsigned line = 0; line < 16; ++line)
    for (unsigned place = 0; place < 16; ++place) {
      const float value = static_cast<float>(from[line * pitch + place]);
      const bool line_is_row = std::is_same_v<Layout, row_major>;
      to.x[line_is_row ? 16 * line + place : 16 * place + line] = value;
    }
}

inline void load_matrix_sync(fragment<accumulator, 16, 16, 16, float>& to, const float* from, unsigned pitch,
                             layout_t layout) {
  check_alignment(from, pitch * sizeof(float));
  if (pitome_host::lane() != 0) return;
  for (unsigned line = 0; line < 16; ++line)
    for (unsigned place = 0; place < 16; ++place)
      to.x[layout == mem_row_major ? 16 * line + place : 16 * place + line] = from[line * pitch + place];
}

inline void store_matrix_sync(float* to, const fragment<accumulator, 16, 16, 16, float>& from, unsigned pitch,
                              layout_t layout) {
  check_alignment(to, pitch * sizeof(float));
  if (pitome_host::lane() != 0) return;
  for (unsigned line = 0; line < 16; ++line)
    for (unsigned place = 0; place < 16; ++place)
      to[line * pitch + place] = from.x[layout == mem_row_major ? 16 * line + place : 16 * place + line];
}

template <typename T, typename FirstLayout, typename SecondLayout>
void mma_sync(fragment<accumulator, 16, 16, 16, float>& to,
              const fragment<matrix_a, 16, 16, 16, T, FirstLayout>& first,
              const fragment<matrix_b, 16, 16, 16, T, SecondLayout>& second,
              const fragment<accumulator, 16, 16, 16, float>& plus) {
  if (pitome_host::lane() != 0) return;
  pitome_host::count_multiply_adds(16 * 16 * 16);
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 16; ++column) {
      float sum = plus.x[16 * row + column];
      for (int k = 0; k < 16; ++k) sum += first.x[16 * row + k] * second.x[16 * k + column];
      to.x[16 * row + column] = sum;
    }
}

}  // namespace nvcuda::wmma
