// What the system's waiting functions take.
#pragma once

namespace tr {

#if defined(_WIN32)
using NativeHandle = void*;  // a HANDLE
#else
using NativeHandle = int;  // a descriptor
#endif

}  // namespace tr
