// Everything a program needs, by name. `using namespace tr;` is fine.
#pragma once

#include "tech_renaissance/config.h"  // first, because it says which C++ is needed

#ifndef TR_CPP_IS_TOO_OLD

// The parts of the standard library that programs with sessions use, so that including this header is enough.
#include <filesystem>
#include <future>
#include <iostream>
#include <string>
#include <vector>

#include "tech_renaissance/error.h"  // TRException and its leaves

#include "tech_renaissance/device.h"        // Device, CPU
#include "tech_renaissance/dtype.h"         // DType
#include "tech_renaissance/shape.h"         // Shape
#include "tech_renaissance/tensor.h"        // Tensor
#include "tech_renaissance/tensor_print.h"  // Tensor as text, in PyTorch's layout
#include "tech_renaissance/tsr.h"           // Tensor as bytes and files

#ifdef TR_BUILD_PYTHON_SESSION
#include "tech_renaissance/codec.h"                 // which types are values
#include "tech_renaissance/fields.h"                // TR_FIELDS, for structs
#include "tech_renaissance/future.h"                // Future
#include "tech_renaissance/keyword.h"               // kw(), arguments by name
#include "tech_renaissance/stream.h"                // Stream
#include "tech_renaissance/utils/python_session.h"  // PythonSession
#include "tech_renaissance/value.h"                 // Value, for any of them
#endif

#endif
