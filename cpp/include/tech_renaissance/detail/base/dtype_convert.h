// Turns a dtype known at run time into a C++ type, and converts elements from one type to another.
#pragma once

#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <type_traits>

#include "tech_renaissance/dtype.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

// An element of a BOOL tensor. Reading a `bool` whose byte is neither 0 nor 1 is undefined behaviour, and memory that
// another process writes may hold any byte.
struct BoolByte {
    std::uint8_t byte;

    BoolByte() = default;
    BoolByte(bool value) : byte(value ? 1 : 0) {}
    operator bool() const { return byte != 0; }
};

template <class T>
struct Element {
    using type = T;
};

// Calls `visit(Element<T>{})` with the type T of the dtype's elements in memory.
template <class Visitor>
decltype(auto) visit_dtype(DType dtype, Visitor&& visit) {
    switch (dtype) {
        case DType::FP32: return visit(Element<float>{});
        case DType::INT8: return visit(Element<std::int8_t>{});
        case DType::INT32: return visit(Element<std::int32_t>{});
        case DType::FP16: return visit(Element<Half>{});
        case DType::BF16: return visit(Element<BFloat16>{});
        case DType::FP64: return visit(Element<double>{});
        case DType::INT16: return visit(Element<std::int16_t>{});
        case DType::UINT8: return visit(Element<std::uint8_t>{});
        case DType::INT64: return visit(Element<std::int64_t>{});
        case DType::BOOL: return visit(Element<BoolByte>{});
        case DType::UINT16: return visit(Element<std::uint16_t>{});
        case DType::UINT32: return visit(Element<std::uint32_t>{});
        case DType::UINT64: return visit(Element<std::uint64_t>{});
        case DType::COMPLEX64: return visit(Element<std::complex<float>>{});
        case DType::COMPLEX128: return visit(Element<std::complex<double>>{});
        case DType::FP8_E4M3: return visit(Element<Float8E4M3>{});
        case DType::FP8_E5M2: return visit(Element<Float8E5M2>{});
    }
    throw TensorError("bad_dtype", "there is no dtype with code " + std::to_string(static_cast<std::int32_t>(dtype)));
}

template <class T>
inline constexpr bool is_complex = false;
template <class T>
inline constexpr bool is_complex<std::complex<T>> = true;

// An element as the C++ type that it is computed with.
template <class T>
auto arithmetic_value(T value) {
    if constexpr (std::is_same_v<T, BoolByte>)
        return static_cast<bool>(value);
    else if constexpr (std::is_class_v<T> && !is_complex<T>)
        return static_cast<float>(value);
    else
        return value;
}

template <class T>
using Arithmetic = decltype(arithmetic_value(T{}));

template <class To, class From>
bool fits_integer(From value) {
    using Limits = std::numeric_limits<To>;
    if constexpr (std::is_floating_point_v<From>) {
        const double whole = std::trunc(static_cast<double>(value));
        return whole >= static_cast<double>(Limits::min()) && whole < std::ldexp(1.0, Limits::digits);
    } else if constexpr (std::is_signed_v<From>) {
        if (value < 0) return std::is_signed_v<To> && value >= static_cast<std::intmax_t>(Limits::min());
        return static_cast<std::uintmax_t>(value) <= static_cast<std::uintmax_t>(Limits::max());
    } else {
        return static_cast<std::uintmax_t>(value) <= static_cast<std::uintmax_t>(Limits::max());
    }
}

template <class To, class From>
To convert_integer(From value) {
    if (fits_integer<To>(value)) return static_cast<To>(value);
    std::ostringstream message;
    message << +value << " does not fit into " << dtype_of<To>();
    throw TensorError("bad_dtype", message.str());
}

// Converts like C++ does where that is well defined: fractions are cut off, a nonzero number becomes true, a real
// number becomes complex. Throws TensorError `bad_dtype` otherwise: for a number (or NaN) that an integer type cannot
// hold, or a complex number as a real one.
template <class To, class From>
To convert(From from) {
    const auto value = arithmetic_value(from);
    using Value = std::remove_const_t<decltype(value)>;
    using Target = Arithmetic<To>;
    if constexpr (is_complex<Target>) {
        using Part = typename Target::value_type;
        if constexpr (is_complex<Value>)
            return To(static_cast<Part>(value.real()), static_cast<Part>(value.imag()));
        else
            return To(static_cast<Part>(value));
    } else if constexpr (is_complex<Value>) {
        throw TensorError("bad_dtype", "a complex number cannot become a real one");
    } else if constexpr (std::is_same_v<Target, bool>) {
        return To(value != Value{});
    } else if constexpr (std::is_integral_v<Target>) {
        return convert_integer<To>(value);
    } else {
        return To(static_cast<Target>(value));
    }
}

}  // namespace tr::detail
