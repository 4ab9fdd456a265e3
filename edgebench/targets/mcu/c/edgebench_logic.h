/* Comparisons, choices, and plain integers. Truth is 1 byte, 0 or 1. */
#ifndef EDGEBENCH_LOGIC_H
#define EDGEBENCH_LOGIC_H
#include <stdint.h>

/* Operands move over four axes by their own steps, in values: 0 where they are repeated. */
typedef struct {
  int32_t sizes[4], first[4], second[4], third[4];
} eb_walk;

/* `outcomes` has bit 0 set if the answer is yes for less, bit 1 for equal, bit 2 for greater. */
typedef struct {
  int32_t outcomes;
  int32_t offset1, multiplier1, shift1;
  int32_t offset2, multiplier2, shift2;
} eb_compare_params;
void eb_compare_scaled_s8(const int8_t *first, const int8_t *second, uint8_t *output, const eb_walk *walk,
                          const eb_compare_params *p);
void eb_compare_scaled_s16(const int16_t *first, const int16_t *second, uint8_t *output, const eb_walk *walk,
                           const eb_compare_params *p);
/* These compare the integers without rescaling. */
void eb_compare_s16(const int16_t *first, const int16_t *second, uint8_t *output, const eb_walk *walk,
                    int32_t outcomes);
void eb_compare_s32(const int32_t *first, const int32_t *second, uint8_t *output, const eb_walk *walk,
                    int32_t outcomes);
void eb_compare_s64(const int64_t *first, const int64_t *second, uint8_t *output, const eb_walk *walk,
                    int32_t outcomes);
void eb_compare_u8(const uint8_t *first, const uint8_t *second, uint8_t *output, const eb_walk *walk,
                   int32_t outcomes);

/* `outcomes` has bit 2a + b set if the answer for a and b is yes. */
void eb_logical(const uint8_t *first, const uint8_t *second, uint8_t *output, const eb_walk *walk, int32_t outcomes);

/* Values of `size` bytes of the second operand if the first is true, otherwise of the third. */
void eb_select(const uint8_t *condition, const int8_t *yes, const int8_t *no, int8_t *output, const eb_walk *walk,
               int32_t size);

/* Position of the largest or smallest of `length` values, the first of several; results of 8 bytes or 4. */
typedef struct {
  int32_t outer, length, inner, largest, wide;
} eb_extreme_params;
void eb_extreme_s8(const int8_t *input, void *output, const eb_extreme_params *p);
void eb_extreme_s16(const int16_t *input, void *output, const eb_extreme_params *p);
void eb_extreme_s32(const int32_t *input, void *output, const eb_extreme_params *p);

/* Arithmetic of integers, which wraps around; a quotient by 0 is an error: these return 0, or 1 for it. */
enum { EB_ADD, EB_SUB, EB_MUL, EB_MINIMUM, EB_MAXIMUM, EB_FLOOR_DIV, EB_FLOOR_MOD, EB_DIV };
int eb_integers_s32(const int32_t *first, const int32_t *second, int32_t *output, const eb_walk *walk, int32_t kind,
                    int32_t low, int32_t high);
int eb_integers_s64(const int64_t *first, const int64_t *second, int64_t *output, const eb_walk *walk, int32_t kind,
                    int32_t low, int32_t high);

/* Integers as integers of another size. Kinds: bytes of a signed one, 16 + bytes of an unsigned one, 0 for truth. */
void eb_cast(const void *input, int32_t from, void *output, int32_t to, int32_t count);
#endif
