#include "edgebench_logic.h"

#include <stddef.h>
#include <string.h>

#include "arm_nnsupportfunctions.h"

#define OVER_FOUR_AXES(walk, body)                                                                         \
  for (int32_t i = 0; i < (walk)->sizes[0]; i++)                                                           \
    for (int32_t j = 0; j < (walk)->sizes[1]; j++)                                                         \
      for (int32_t k = 0; k < (walk)->sizes[2]; k++) {                                                     \
        const int32_t at1 = i * (walk)->first[0] + j * (walk)->first[1] + k * (walk)->first[2];            \
        const int32_t at2 = i * (walk)->second[0] + j * (walk)->second[1] + k * (walk)->second[2];         \
        for (int32_t l = 0; l < (walk)->sizes[3]; l++) {                                                   \
          const int32_t a = at1 + l * (walk)->first[3], b = at2 + l * (walk)->second[3];                   \
          body                                                                                             \
        }                                                                                                  \
      }

static inline int32_t scaled(int32_t value, int32_t offset, int32_t multiplier, int32_t shift) {
  return arm_nn_requantize((value + offset) * 256, multiplier, shift);
}

#define COMPARE_SCALED(name, type)                                                                       \
  void name(const type *first, const type *second, uint8_t *output, const eb_walk *walk,                 \
            const eb_compare_params *p) {                                                                \
    OVER_FOUR_AXES(walk, {                                                                \
      const int32_t x = scaled(first[a], p->offset1, p->multiplier1, p->shift1);                         \
      const int32_t y = scaled(second[b], p->offset2, p->multiplier2, p->shift2);                        \
      *output++ = (uint8_t)(p->outcomes >> (x < y ? 0 : x == y ? 1 : 2) & 1);                            \
    })                                                                                                   \
  }

#define COMPARE(name, type)                                                                              \
  void name(const type *first, const type *second, uint8_t *output, const eb_walk *walk, int32_t outcomes) { \
    OVER_FOUR_AXES(walk, {                                                                \
      *output++ = (uint8_t)(outcomes >> (first[a] < second[b] ? 0 : first[a] == second[b] ? 1 : 2) & 1); \
    })                                                                                                   \
  }

COMPARE_SCALED(eb_compare_scaled_s8, int8_t)
COMPARE_SCALED(eb_compare_scaled_s16, int16_t)
COMPARE(eb_compare_s16, int16_t)
COMPARE(eb_compare_s32, int32_t)
COMPARE(eb_compare_s64, int64_t)
COMPARE(eb_compare_u8, uint8_t)

void eb_logical(const uint8_t *first, const uint8_t *second, uint8_t *output, const eb_walk *walk, int32_t outcomes) {
  OVER_FOUR_AXES(walk, { *output++ = (uint8_t)(outcomes >> (2 * first[a] + second[b]) & 1); })
}

void eb_select(const uint8_t *condition, const int8_t *yes, const int8_t *no, int8_t *output, const eb_walk *walk,
               int32_t size) {
  OVER_FOUR_AXES(walk, {
    const int32_t c = i * walk->third[0] + j * walk->third[1] + k * walk->third[2] + l * walk->third[3];
    memcpy(output, condition[a] ? yes + b * size : no + c * size, (size_t)size);
    output += size;
  })
}

#define EXTREME(name, type)                                                                      \
  void name(const type *input, void *output, const eb_extreme_params *p) {                       \
    int32_t at = 0;                                                                              \
    for (int32_t outer = 0; outer < p->outer; outer++, input += p->length * p->inner)            \
      for (int32_t inner = 0; inner < p->inner; inner++, at++) {                                 \
        const type *value = input + inner;                                                       \
        type best = *value;                                                                      \
        int32_t found = 0;                                                                       \
        for (int32_t i = 1; i < p->length; i++) {                                                \
          value += p->inner;                                                                     \
          if (p->largest ? *value > best : *value < best) best = *value, found = i;              \
        }                                                                                        \
        if (p->wide)                                                                             \
          ((int64_t *)output)[at] = found;                                                       \
        else                                                                                     \
          ((int32_t *)output)[at] = found;                                                       \
      }                                                                                          \
  }

EXTREME(eb_extreme_s8, int8_t)
EXTREME(eb_extreme_s16, int16_t)
EXTREME(eb_extreme_s32, int32_t)

#define INTEGERS(name, type, wrapping, lowest, highest)                                                     \
  static inline type name##_one(type a, type b, int32_t kind) {                                             \
    switch (kind) {                                                                                         \
      case EB_ADD: return (type)((wrapping)a + (wrapping)b);                                                \
      case EB_SUB: return (type)((wrapping)a - (wrapping)b);                                                \
      case EB_MUL: return (type)((wrapping)a * (wrapping)b);                                                \
      case EB_MINIMUM: return a < b ? a : b;                                                                \
      case EB_MAXIMUM: return a > b ? a : b;                                                                \
      default: break;                                                                                       \
    }                                                                                                       \
    if (b == -1) return kind == EB_FLOOR_MOD ? 0 : (type)(0 - (wrapping)a);                                 \
    if (kind == EB_DIV) return a / b;                                                                       \
    const type rest = a % b;                                                                                \
    const int below = rest != 0 && (rest < 0) != (b < 0);                                                   \
    return kind == EB_FLOOR_DIV ? a / b - below : below ? rest + b : rest;                                  \
  }                                                                                                         \
  int name(const type *first, const type *second, type *output, const eb_walk *walk, int32_t kind,          \
           int32_t low, int32_t high) {                                                                     \
    const type least = low == INT32_MIN ? lowest : low, most = high == INT32_MAX ? highest : high;          \
    OVER_FOUR_AXES(walk, {                                                                                  \
      if (kind >= EB_FLOOR_DIV && second[b] == 0) return 1;                                                 \
      const type value = name##_one(first[a], second[b], kind);                                             \
      *output++ = value < least ? least : value > most ? most : value;                                      \
    })                                                                                                      \
    return 0;                                                                                               \
  }

INTEGERS(eb_integers_s32, int32_t, uint32_t, INT32_MIN, INT32_MAX)
INTEGERS(eb_integers_s64, int64_t, uint64_t, INT64_MIN, INT64_MAX)

static inline int64_t integer_at(const void *values, int32_t kind, int32_t index) {
  switch (kind) {
    case 1: return ((const int8_t *)values)[index];
    case 2: return ((const int16_t *)values)[index];
    case 4: return ((const int32_t *)values)[index];
    case 8: return ((const int64_t *)values)[index];
    default: return ((const uint8_t *)values)[index];
  }
}

void eb_cast(const void *input, int32_t from, void *output, int32_t to, int32_t count) {
  for (int32_t i = 0; i < count; i++) {
    const int64_t value = integer_at(input, from, i);
    switch (to) {
      case 0: ((uint8_t *)output)[i] = value != 0; break;
      case 2: ((int16_t *)output)[i] = (int16_t)value; break;
      case 4: ((int32_t *)output)[i] = (int32_t)value; break;
      case 8: ((int64_t *)output)[i] = value; break;
      default: ((uint8_t *)output)[i] = (uint8_t)value; break;
    }
  }
}
