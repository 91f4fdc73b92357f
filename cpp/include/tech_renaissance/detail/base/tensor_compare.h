// Whether elements are equal, or nearly so.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>

#include "tech_renaissance/detail/base/dtype_convert.h"
#include "tech_renaissance/dtype.h"

namespace tr::detail {

inline bool all_equal(const void* a, const void* b, DType dtype, std::int64_t count) {
    return visit_dtype(dtype, [&](auto element) {
        using T = typename decltype(element)::type;
        return std::equal(static_cast<const T*>(a), static_cast<const T*>(a) + count, static_cast<const T*>(b));
    });
}

struct Tolerance {
    double relative;
    double absolute;
    bool equal_nan;
};

inline bool is_finite(double x) { return std::isfinite(x); }
inline bool is_finite(std::complex<double> x) { return std::isfinite(x.real()) && std::isfinite(x.imag()); }

inline bool is_nan(double x) { return std::isnan(x); }
inline bool is_nan(std::complex<double> x) { return std::isnan(x.real()) || std::isnan(x.imag()); }

template <class Value>
bool is_close(Value a, Value b, const Tolerance& tolerance) {
    if (a == b) return true;
    if (is_nan(a) && is_nan(b)) return tolerance.equal_nan;
    return is_finite(a) && is_finite(b) && std::abs(a - b) <= tolerance.absolute + tolerance.relative * std::abs(b);
}

struct Elements {
    const void* data;
    DType dtype;
};

// Reads element i as a Value. There is one for each dtype, so that pairs of dtypes need no code of their own.
template <class Value>
using Reader = Value (*)(const void* data, std::int64_t i);

template <class Value>
Reader<Value> reader_of(DType dtype) {
    return visit_dtype(dtype, [](auto element) -> Reader<Value> {
        using T = typename decltype(element)::type;
        return [](const void* data, std::int64_t i) { return convert<Value>(static_cast<const T*>(data)[i]); };
    });
}

template <class Value>
bool all_close_as(const Elements& a, const Elements& b, std::int64_t count, const Tolerance& tolerance) {
    const Reader<Value> read_a = reader_of<Value>(a.dtype);
    const Reader<Value> read_b = reader_of<Value>(b.dtype);
    for (std::int64_t i = 0; i < count; ++i)
        if (!is_close(read_a(a.data, i), read_b(b.data, i), tolerance)) return false;
    return true;
}

inline bool all_close(const Elements& a, const Elements& b, std::int64_t count, const Tolerance& tolerance) {
    const bool complex =
        dtype_info(a.dtype).kind == DTypeKind::Complex || dtype_info(b.dtype).kind == DTypeKind::Complex;
    return complex ? all_close_as<std::complex<double>>(a, b, count, tolerance)
                   : all_close_as<double>(a, b, count, tolerance);
}

}  // namespace tr::detail
