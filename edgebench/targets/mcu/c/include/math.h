/* The kernels are integer code: nothing of math.h is used. */
