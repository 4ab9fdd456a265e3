/* Memory functions for a program without a C library: word by word if both sides are aligned alike. */
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && !defined(__clang__)
/* Otherwise GCC turns the loop of memset into a memset, which then calls itself. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

void *memset(void *destination, int value, size_t size) {
  uint8_t *to = destination;
  while (size && ((uintptr_t)to & 3)) *to++ = (uint8_t)value, size--;
  const uint32_t word = (uint8_t)value * 0x01010101u;
  for (; size >= 16; size -= 16, to += 16)
    ((uint32_t *)to)[0] = ((uint32_t *)to)[1] = ((uint32_t *)to)[2] = ((uint32_t *)to)[3] = word;
  for (; size >= 4; size -= 4, to += 4) *(uint32_t *)to = word;
  while (size--) *to++ = (uint8_t)value;
  return destination;
}

void *memcpy(void *restrict destination, const void *restrict source, size_t size) {
  uint8_t *to = destination;
  const uint8_t *from = source;
  if ((((uintptr_t)to ^ (uintptr_t)from) & 3) == 0) {
    while (size && ((uintptr_t)to & 3)) *to++ = *from++, size--;
    for (; size >= 16; size -= 16, to += 16, from += 16) {
      const uint32_t *words = (const uint32_t *)from;
      const uint32_t a = words[0], b = words[1], c = words[2], d = words[3];
      ((uint32_t *)to)[0] = a, ((uint32_t *)to)[1] = b, ((uint32_t *)to)[2] = c, ((uint32_t *)to)[3] = d;
    }
    for (; size >= 4; size -= 4, to += 4, from += 4) *(uint32_t *)to = *(const uint32_t *)from;
  }
  while (size--) *to++ = *from++;
  return destination;
}

void *memmove(void *destination, const void *source, size_t size) {
  uint8_t *to = destination;
  const uint8_t *from = source;
  if (to == from) return destination;
  if (to <= from || to >= from + size) return memcpy(destination, source, size);
  while (size--) to[size] = from[size];
  return destination;
}

void __aeabi_memcpy(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void __aeabi_memcpy4(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void __aeabi_memcpy8(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void __aeabi_memmove(void *to, const void *from, size_t size) { memmove(to, from, size); }
void __aeabi_memmove4(void *to, const void *from, size_t size) { memmove(to, from, size); }
void __aeabi_memset(void *to, size_t size, int value) { memset(to, value, size); }
void __aeabi_memset4(void *to, size_t size, int value) { memset(to, value, size); }
void __aeabi_memset8(void *to, size_t size, int value) { memset(to, value, size); }
void __aeabi_memclr(void *to, size_t size) { memset(to, 0, size); }
void __aeabi_memclr4(void *to, size_t size) { memset(to, 0, size); }
void __aeabi_memclr8(void *to, size_t size) { memset(to, 0, size); }
