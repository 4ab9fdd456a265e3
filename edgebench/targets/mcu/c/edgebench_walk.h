/* Loops over two tensors, for operators that are a function of one value of each. */
#ifndef EDGEBENCH_WALK_H
#define EDGEBENCH_WALK_H

/* Defines eb_NAME_SUFFIX and eb_NAME_repeated_SUFFIX from NAME_one_SUFFIX, a function of two values and the settings. */
#define EB_WALK(name, suffix, type1, type2, type)                                                              \
  void eb_##name##_##suffix(const type1 *first, const type2 *second, type *output, int32_t size,               \
                            const eb_binary_params *p) {                                                       \
    for (int32_t i = 0; i < size; i++) output[i] = name##_one_##suffix(first[i], second[i], p);                \
  }                                                                                                            \
  void eb_##name##_repeated_##suffix(const type1 *first, const int32_t *step1, const type2 *second,            \
                                     const int32_t *step2, type *output, const int32_t *sizes,                 \
                                     const eb_binary_params *p) {                                              \
    for (int32_t i = 0; i < sizes[0]; i++)                                                                     \
      for (int32_t j = 0; j < sizes[1]; j++)                                                                   \
        for (int32_t k = 0; k < sizes[2]; k++) {                                                               \
          const type1 *a = first + i * step1[0] + j * step1[1] + k * step1[2];                                 \
          const type2 *b = second + i * step2[0] + j * step2[1] + k * step2[2];                                \
          for (int32_t l = 0; l < sizes[3]; l++, a += step1[3], b += step2[3])                                 \
            *output++ = name##_one_##suffix(*a, *b, p);                                                        \
        }                                                                                                      \
  }
#endif
