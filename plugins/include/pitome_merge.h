/* The merge of pitome::EnergyMerge version 2 (docs/DESIGN.md, docs/METHOD.md section 2) behind a C interface
 * that knows no TensorRT. Usable from C, C++ and ctypes. */
#ifndef PITOME_MERGE_H
#define PITOME_MERGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PITOME_API __attribute__((visibility("default")))

/* Limits of the shape; every batch size is allowed. */
#define PITOME_MAX_TOKENS 3840
#define PITOME_MAX_WIDTH 4096

/* Limits of the numbers: margin, offset and alpha lie within +-PITOME_MAX_NUMBER, width between the two
 * below, size_penalty between 0 and PITOME_MAX_NUMBER. */
#define PITOME_MAX_NUMBER 1024.0f
#define PITOME_MIN_ENERGY_WIDTH (1.0f / 1024.0f)
#define PITOME_MAX_ENERGY_WIDTH 1024.0f

enum { PITOME_FLOAT32 = 0, PITOME_FLOAT16 = 1, PITOME_BFLOAT16 = 2 };
enum { PITOME_ORDER_ENERGY = 0, PITOME_ORDER_POSITION = 1 };
enum { PITOME_FUNCTION_PIECEWISE = 0, PITOME_FUNCTION_GAUSSIAN = 1 };
enum { PITOME_SPLIT_ALTERNATE = 0, PITOME_SPLIT_ALTERNATE_SECOND = 1, PITOME_SPLIT_HALF = 2 };

/* What every call returns: PITOME_OK, or why nothing was done. */
enum { PITOME_OK = 0, PITOME_INVALID = 1, PITOME_CUDA_ERROR = 2 };

/* The attributes of the operator, in the order of its contract. */
typedef struct {
  int32_t num_merged;     /* r */
  int32_t num_candidates; /* M; 0 < 2r <= M <= N - num_protected */
  int32_t num_protected;  /* the prefix, which is never scored or merged */
  /* f(s) = (s - offset) / width where s >= margin, else alpha (exp((s - margin) / width) - 1); gaussian takes
   * margin only. */
  float margin;
  float offset;
  float width;
  float alpha;
  float size_penalty;
  int32_t order;    /* PITOME_ORDER_... */
  int32_t function; /* PITOME_FUNCTION_...; gaussian needs margin < 1 */
  int32_t split;    /* PITOME_SPLIT_... */
} pitome_merge_parameters;

/* What a node says of its order and split in numbers: twins of the texts, which steer the ONNX function. As
 * slices of the M ranks. */
typedef struct {
  int32_t by_position; /* 1 where order is position, else 0 */
  int32_t source_start;
  int32_t source_stop;
  int32_t target_start;
  int32_t target_stop;
  int32_t split_step;
} pitome_merge_twins;

typedef struct {
  int32_t batch;        /* B >= 0 */
  int32_t num_tokens;   /* N <= PITOME_MAX_TOKENS */
  int32_t width;        /* C <= PITOME_MAX_WIDTH */
  int32_t metric_width; /* D <= PITOME_MAX_WIDTH */
  int32_t dtype;        /* of x, metric and y: PITOME_FLOAT32, ... */
} pitome_merge_shape;

/* Device pointers, all contiguous; x, metric and y of the shape's dtype. None of the outputs overlaps an
 * input. */
typedef struct {
  const void* x;       /* [B, N, C] */
  const void* metric;  /* [B, N, D] */
  const float* size;   /* [B, N], <= 0 is padding */
  void* y;             /* [B, N - r, C] */
  float* size_out;     /* [B, N - r] */
  int32_t* assignment; /* [B, N] */
  void* workspace;     /* pitome_merge_workspace_size bytes, aligned to 16; may hold anything */
} pitome_merge_tensors;

/* Whether the parameters alone are within the contract. On PITOME_INVALID, `message` (of `message_size`
 * bytes, or NULL) says what was asked, what was found and what to do. */
PITOME_API int32_t pitome_merge_check_parameters(const pitome_merge_parameters* parameters, char* message,
                                                 size_t message_size);

/* The twins that go with parameters within the contract. */
PITOME_API pitome_merge_twins pitome_merge_twins_of(const pitome_merge_parameters* parameters);

/* Whether a node's twins say what its order and split say; the parameters have been checked. */
PITOME_API int32_t pitome_merge_check_twins(const pitome_merge_parameters* parameters,
                                            const pitome_merge_twins* twins, char* message,
                                            size_t message_size);

/* The same as pitome_merge_check_parameters for parameters and shape together. */
PITOME_API int32_t pitome_merge_check(const pitome_merge_parameters* parameters,
                                      const pitome_merge_shape* shape, char* message, size_t message_size);

/* Bytes of workspace that `pitome_merge_enqueue` needs for this shape; 0 where the shape is invalid. It grows
 * with batch, num_tokens and nothing else of the shape. */
PITOME_API size_t pitome_merge_workspace_size(const pitome_merge_parameters* parameters,
                                              const pitome_merge_shape* shape);

/* Enqueue the merge on a stream (a cudaStream_t). Two kernel launches up to 256 tokens after the prefix (and
 * 288 in all), at most five beyond; no synchronisation, no memory operation; the structures are read before
 * it returns. Bitwise the same result every time. */
PITOME_API int32_t pitome_merge_enqueue(const pitome_merge_parameters* parameters,
                                        const pitome_merge_shape* shape, const pitome_merge_tensors* tensors,
                                        void* stream, char* message, size_t message_size);

/* The version of this library, such as "0.1.0". */
PITOME_API const char* pitome_merge_version(void);

#ifdef __cplusplus
}
#endif

#endif
