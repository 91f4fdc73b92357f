// Tensors as text, laid out as PyTorch does.
//
// All numbers of a tensor have one format, so that they align: whole floats as `1.`, others with a fixed number of
// decimals, or in scientific notation if they differ too much in size. A tensor of more than 1000 elements shows only
// three at either end of each dimension; lines are up to 80 columns long.
#pragma once

#include <string>

#include "tech_renaissance/config.h"
#include "tech_renaissance/dtype.h"
#include "tech_renaissance/shape.h"

namespace tr {

// The text of torch's `str(tensor)` after `torch.set_printoptions(precision=precision)`. `data` holds the elements in C
// order. REQUIRES: precision >= 0.
std::string format_tensor(const void* data, DType dtype, const Shape& shape, int precision = 4);

}  // namespace tr

#ifndef TR_COMPILED
#include "tech_renaissance/detail/surface/tensor_print.h"
#endif
