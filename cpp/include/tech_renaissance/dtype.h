// Element types. The values of DType are the codes of TSR files (spec/tsr.md): never change one.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <type_traits>

#include "tech_renaissance/detail/base/small_float.h"
#include "tech_renaissance/error.h"

namespace tr {

enum class DType : std::int32_t {
    FP32 = 1,
    INT8 = 2,
    INT32 = 3,
    FP16 = 4,
    BF16 = 5,
    FP64 = 6,
    INT16 = 7,
    UINT8 = 8,
    INT64 = 9,
    BOOL = 10,
    UINT16 = 11,
    UINT32 = 12,
    UINT64 = 13,
    COMPLEX64 = 14,
    COMPLEX128 = 15,
    FP8_E4M3 = 16,
    FP8_E5M2 = 17,
};

// Elements that C++17 has no type for. They convert implicitly from float (to nearest, ties to even) and to float
// (exactly).
using Half = detail::SmallFloat<std::uint16_t, 5, 10, true>;
using BFloat16 = detail::SmallFloat<std::uint16_t, 8, 7, true>;
using Float8E4M3 = detail::SmallFloat<std::uint8_t, 4, 3, false>;
using Float8E5M2 = detail::SmallFloat<std::uint8_t, 5, 2, true>;

enum class DTypeKind { Bool, Integer, Float, Complex };

struct DTypeInfo {
    DType dtype;
    const char* name;
    std::size_t nbytes;  // of one element
    DTypeKind kind;
    const char* torch_name;
};

inline constexpr DTypeInfo DTYPES[] = {
    {DType::FP32, "FP32", 4, DTypeKind::Float, "torch.float32"},
    {DType::INT8, "INT8", 1, DTypeKind::Integer, "torch.int8"},
    {DType::INT32, "INT32", 4, DTypeKind::Integer, "torch.int32"},
    {DType::FP16, "FP16", 2, DTypeKind::Float, "torch.float16"},
    {DType::BF16, "BF16", 2, DTypeKind::Float, "torch.bfloat16"},
    {DType::FP64, "FP64", 8, DTypeKind::Float, "torch.float64"},
    {DType::INT16, "INT16", 2, DTypeKind::Integer, "torch.int16"},
    {DType::UINT8, "UINT8", 1, DTypeKind::Integer, "torch.uint8"},
    {DType::INT64, "INT64", 8, DTypeKind::Integer, "torch.int64"},
    {DType::BOOL, "BOOL", 1, DTypeKind::Bool, "torch.bool"},
    {DType::UINT16, "UINT16", 2, DTypeKind::Integer, "torch.uint16"},
    {DType::UINT32, "UINT32", 4, DTypeKind::Integer, "torch.uint32"},
    {DType::UINT64, "UINT64", 8, DTypeKind::Integer, "torch.uint64"},
    {DType::COMPLEX64, "COMPLEX64", 8, DTypeKind::Complex, "torch.complex64"},
    {DType::COMPLEX128, "COMPLEX128", 16, DTypeKind::Complex, "torch.complex128"},
    {DType::FP8_E4M3, "FP8_E4M3", 1, DTypeKind::Float, "torch.float8_e4m3fn"},
    {DType::FP8_E5M2, "FP8_E5M2", 1, DTypeKind::Float, "torch.float8_e5m2"},
};

// The row with this code, or nullptr.
inline const DTypeInfo* find_dtype(std::int32_t code) noexcept {
    for (const DTypeInfo& info : DTYPES)
        if (static_cast<std::int32_t>(info.dtype) == code) return &info;
    return nullptr;
}

// Throws TensorError `bad_dtype` if the value is not one of the enumerators.
inline const DTypeInfo& dtype_info(DType dtype) {
    const auto code = static_cast<std::int32_t>(dtype);
    if (const DTypeInfo* info = find_dtype(code)) return *info;
    throw TensorError("bad_dtype", "there is no dtype with code " + std::to_string(code));
}

inline std::string to_string(DType dtype) { return dtype_info(dtype).name; }

inline std::ostream& operator<<(std::ostream& out, DType dtype) { return out << to_string(dtype); }

namespace detail {

template <class T>
inline constexpr bool always_false = false;

template <class T>
constexpr DType integer_dtype() {
    constexpr bool is_signed = std::is_signed_v<T>;
    if constexpr (sizeof(T) == 1) return is_signed ? DType::INT8 : DType::UINT8;
    if constexpr (sizeof(T) == 2) return is_signed ? DType::INT16 : DType::UINT16;
    if constexpr (sizeof(T) == 4) return is_signed ? DType::INT32 : DType::UINT32;
    if constexpr (sizeof(T) == 8) return is_signed ? DType::INT64 : DType::UINT64;
}

}  // namespace detail

// The dtype whose elements are of type T. Does not compile if there is none.
template <class T>
constexpr DType dtype_of() {
    if constexpr (std::is_same_v<T, float>)
        return DType::FP32;
    else if constexpr (std::is_same_v<T, double>)
        return DType::FP64;
    else if constexpr (std::is_same_v<T, bool>)
        return DType::BOOL;
    else if constexpr (std::is_integral_v<T>)
        return detail::integer_dtype<T>();
    else if constexpr (std::is_same_v<T, Half>)
        return DType::FP16;
    else if constexpr (std::is_same_v<T, BFloat16>)
        return DType::BF16;
    else if constexpr (std::is_same_v<T, Float8E4M3>)
        return DType::FP8_E4M3;
    else if constexpr (std::is_same_v<T, Float8E5M2>)
        return DType::FP8_E5M2;
    else if constexpr (std::is_same_v<T, std::complex<float>>)
        return DType::COMPLEX64;
    else if constexpr (std::is_same_v<T, std::complex<double>>)
        return DType::COMPLEX128;
    else
        static_assert(detail::always_false<T>, "no dtype has elements of this type");
}

}  // namespace tr
