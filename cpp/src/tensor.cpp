// Tensors and their text, compiled once: TR_COMPILED in tech_renaissance/config.h.
#include "tech_renaissance/detail/surface/tensor.h"
#include "tech_renaissance/detail/surface/tensor_print.h"
