// Tensors, compiled once: TR_COMPILED in tech_renaissance/config.h.
#include "tech_renaissance/tensor.h"
