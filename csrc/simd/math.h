// Elementary functions of vectors.
#pragma once

#include "simd/math_erf.h"
#include "simd/math_exp.h"
#include "simd/math_log.h"
#include "simd/math_pow.h"
#include "simd/math_tanh.h"
