/* Names of the instructions for signal processing, which later releases of CMSIS-NN give names of their own. */
#ifndef EDGEBENCH_INSTRUCTIONS_H
#define EDGEBENCH_INSTRUCTIONS_H

#include "arm_nnsupportfunctions.h"

#if defined(ARM_MATH_DSP) && defined(ARM_NN_COMPILER_H)
#define __SMLAD SMLAD
#define __SXTB16 SXTB16
#define __ROR ROR
#endif
#endif
