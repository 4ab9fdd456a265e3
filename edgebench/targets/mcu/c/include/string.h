/* What the kernels need of string.h where the compiler brings no C library. */
#ifndef EDGEBENCH_STRING_H
#define EDGEBENCH_STRING_H
#include <stddef.h>
void *memcpy(void *restrict destination, const void *restrict source, size_t size);
void *memmove(void *destination, const void *source, size_t size);
void *memset(void *destination, int value, size_t size);

/* Without a C library compilers take these for ordinary functions; as built-ins, small copies become loads. */
#define memcpy(destination, source, size) __builtin_memcpy(destination, source, size)
#define memmove(destination, source, size) __builtin_memmove(destination, source, size)
#define memset(destination, value, size) __builtin_memset(destination, value, size)
#endif
