// The header of a TSR tensor, as bytes and as values. The format: spec/tsr.md; the errors and their order:
// spec/errors.md.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "tech_renaissance/dtype.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/shape.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "TSR elements are little-endian, and so must be the elements in memory."
#endif

namespace tr {

// What a header says, with the sizes of the header itself and of the elements after it.
struct TsrHeader {
    int version;
    DType dtype;
    Shape shape;
    std::int64_t header_nbytes;
    std::int64_t data_nbytes;
};

namespace detail {

inline constexpr std::array<unsigned char, 4> tsr_magic = {'T', 'S', 'R', '!'};
inline constexpr std::int64_t tsr_min_header_nbytes = 16;  // what all versions have in common
inline constexpr std::int64_t tsr_max_header_nbytes = 128;

// A field of a header: a little-endian integer of 4 or 8 bytes.
struct TsrField {
    std::int64_t offset;
    std::int64_t nbytes;
};

inline constexpr TsrField tsr_version_field = {4, 4};
inline constexpr TsrField tsr_header_size_field = {8, 4};
inline constexpr TsrField tsr_dtype_field = {16, 4};
inline constexpr TsrField tsr_ndim_field = {20, 4};

struct TsrLayout {
    int version;
    std::int64_t header_nbytes;
    int max_ndim;
    TsrField first_dim;
    TsrField count;
    std::array<TsrField, 5> reserved;  // a field of 0 bytes does not exist

    constexpr TsrField dim(int i) const { return {first_dim.offset + i * first_dim.nbytes, first_dim.nbytes}; }
};

inline constexpr TsrLayout tsr_layouts[] = {
    {1, 64, 4, {24, 4}, {40, 8}, {{{12, 4}, {48, 8}, {56, 8}, {0, 0}, {0, 0}}}},
    {2, 128, 8, {32, 8}, {96, 8}, {{{12, 4}, {24, 8}, {104, 8}, {112, 8}, {120, 8}}}},
};

inline std::int64_t read_field(const unsigned char* bytes, TsrField field) {
    std::uint64_t value = 0;
    for (std::int64_t i = field.nbytes; i-- > 0;) value = value << 8 | bytes[field.offset + i];
    return field.nbytes == 4 ? static_cast<std::int32_t>(value) : static_cast<std::int64_t>(value);
}

inline void write_field(unsigned char* bytes, TsrField field, std::int64_t value) {
    for (std::int64_t i = 0; i < field.nbytes; ++i)
        bytes[field.offset + i] = static_cast<unsigned char>(static_cast<std::uint64_t>(value) >> (8 * i));
}

[[noreturn]] inline void throw_format(const char* code, std::int64_t offset, const std::string& what) {
    throw FormatError(code, what, offset);
}

[[noreturn]] inline void throw_short_header(std::int64_t available, const std::string& what) {
    throw_format("short_header", available, std::to_string(available) + " bytes; " + what);
}

// The layout of that version, or nullptr.
inline const TsrLayout* find_layout(std::int64_t version) {
    for (const TsrLayout& layout : tsr_layouts)
        if (layout.version == version) return &layout;
    return nullptr;
}

// A header that is cut short is reported first, whatever its magic.
inline const TsrLayout& read_layout(const unsigned char* bytes, std::int64_t available) {
    if (available < tsr_min_header_nbytes)
        throw_short_header(available, "a header has at least " + std::to_string(tsr_layouts[0].header_nbytes));
    const std::int64_t version = read_field(bytes, tsr_version_field);
    const TsrLayout* layout = find_layout(version);
    if (layout != nullptr && available < layout->header_nbytes)
        throw_short_header(
            available, "a version " + std::to_string(version) + " header has " + std::to_string(layout->header_nbytes));
    if (!std::equal(tsr_magic.begin(), tsr_magic.end(), bytes))
        throw_format("bad_magic", 0, "does not begin with 'TSR!': not a TSR file");
    if (layout != nullptr) return *layout;
    throw_format("unknown_version", tsr_version_field.offset,
                 "version " + std::to_string(version) + "; this reader knows 1 and 2");
}

inline void check_fixed_fields(const unsigned char* bytes, const TsrLayout& layout) {
    const std::int64_t header_size = read_field(bytes, tsr_header_size_field);
    if (header_size != layout.header_nbytes)
        throw_format("bad_header_size", tsr_header_size_field.offset,
                     "header size " + std::to_string(header_size) + "; version " + std::to_string(layout.version) +
                         " has " + std::to_string(layout.header_nbytes));
    for (const TsrField field : layout.reserved)
        if (field.nbytes > 0 && read_field(bytes, field) != 0)
            throw_format("nonzero_reserved", field.offset,
                         "the reserved field at offset " + std::to_string(field.offset) + " is not 0");
}

inline const DTypeInfo& read_dtype(const unsigned char* bytes) {
    const auto code = static_cast<std::int32_t>(read_field(bytes, tsr_dtype_field));
    if (const DTypeInfo* info = find_dtype(code)) return *info;
    throw_format("unknown_dtype", tsr_dtype_field.offset, "dtype code " + std::to_string(code) + " is not known");
}

inline int read_ndim(const unsigned char* bytes, const TsrLayout& layout) {
    const std::int64_t ndim = read_field(bytes, tsr_ndim_field);
    if (ndim >= 0 && ndim <= layout.max_ndim) return static_cast<int>(ndim);
    throw_format("bad_ndim", tsr_ndim_field.offset,
                 std::to_string(ndim) + " dimensions; version " + std::to_string(layout.version) + " holds 0 to " +
                     std::to_string(layout.max_ndim));
}

inline std::vector<std::int64_t> read_dims(const unsigned char* bytes, const TsrLayout& layout) {
    const int unused = layout.max_ndim - read_ndim(bytes, layout);
    std::vector<std::int64_t> dims;
    for (int i = 0; i < layout.max_ndim; ++i) {
        dims.push_back(read_field(bytes, layout.dim(i)));
        if (dims.back() < 0)
            throw_format("negative_dim", layout.dim(i).offset, "a dimension is " + std::to_string(dims.back()));
    }
    for (int i = 0; i < unused; ++i) {
        const std::int64_t dim = dims[static_cast<std::size_t>(i)];
        if (dim == 1) continue;
        throw_format("bad_padding_dim", layout.dim(i).offset,
                     "an unused dimension is " + std::to_string(dim) + ", not 1");
    }
    dims.erase(dims.begin(), dims.begin() + unused);
    return dims;
}

inline Shape read_shape(const unsigned char* bytes, const TsrLayout& layout, const DTypeInfo& dtype) {
    const std::vector<std::int64_t> dims = read_dims(bytes, layout);
    try {
        const Shape shape(dims);
        static_cast<void>(shape.nbytes(dtype.nbytes));
        return shape;
    } catch (const TensorError&) {
        std::string shown;
        for (const std::int64_t dim : dims) shown += (shown.empty() ? "" : ", ") + std::to_string(dim);
        throw_format(
            "count_overflow", layout.count.offset,
            "a tensor of " + std::string(dtype.name) + " and shape (" + shown + ") has more than 2^63-1 bytes");
    }
}

// Reads the header at the beginning of `nbytes` bytes. The elements may be missing; 128 bytes are always enough. Throws
// FormatError for the first defect, in the order of spec/errors.md up to `count_mismatch`.
inline TsrHeader read_tsr_header(const void* data, std::size_t nbytes) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    const TsrLayout& layout = read_layout(bytes, static_cast<std::int64_t>(nbytes));
    check_fixed_fields(bytes, layout);
    const DTypeInfo& dtype = read_dtype(bytes);
    const Shape shape = read_shape(bytes, layout, dtype);
    const std::int64_t count = read_field(bytes, layout.count);
    if (count != shape.numel())
        throw_format("count_mismatch", layout.count.offset,
                     "the header says " + std::to_string(count) + " elements, the shape " + shape.to_string() +
                         " has " + std::to_string(shape.numel()));
    return {layout.version, dtype.dtype, shape, layout.header_nbytes, shape.nbytes(dtype.nbytes)};
}

// Throws FormatError `short_data` or `trailing_bytes` unless the length is exactly that of header and elements.
inline void check_tsr_length(const TsrHeader& header, std::uint64_t file_nbytes) {
    const std::uint64_t expected =
        static_cast<std::uint64_t>(header.header_nbytes) + static_cast<std::uint64_t>(header.data_nbytes);
    if (file_nbytes == expected) return;
    const std::string sizes = std::to_string(file_nbytes) + " bytes; the header asks for " + std::to_string(expected);
    if (file_nbytes < expected) throw_format("short_data", static_cast<std::int64_t>(file_nbytes), sizes);
    throw_format("trailing_bytes", static_cast<std::int64_t>(expected), sizes);
}

// The bytes of a header, and how many of them there are.
struct TsrHeaderBytes {
    std::array<unsigned char, tsr_max_header_nbytes> bytes{};
    std::size_t nbytes = 0;
};

// The only header that a writer may write for such a tensor.
inline TsrHeaderBytes write_tsr_header(DType dtype, const Shape& shape) {
    bool in_version_1 = shape.ndim() <= 4 && (dtype == DType::FP32 || dtype == DType::INT8 || dtype == DType::INT32);
    for (const std::int64_t dim : shape) in_version_1 = in_version_1 && dim <= std::numeric_limits<std::int32_t>::max();
    const TsrLayout& layout = tsr_layouts[in_version_1 ? 0 : 1];

    TsrHeaderBytes header;
    header.nbytes = static_cast<std::size_t>(layout.header_nbytes);
    unsigned char* bytes = header.bytes.data();
    std::copy(tsr_magic.begin(), tsr_magic.end(), bytes);
    write_field(bytes, tsr_version_field, layout.version);
    write_field(bytes, tsr_header_size_field, layout.header_nbytes);
    write_field(bytes, tsr_dtype_field, static_cast<std::int64_t>(dtype));
    write_field(bytes, tsr_ndim_field, shape.ndim());
    const int unused = layout.max_ndim - shape.ndim();
    for (int i = 0; i < layout.max_ndim; ++i) write_field(bytes, layout.dim(i), i < unused ? 1 : shape[i - unused]);
    write_field(bytes, layout.count, shape.numel());
    return header;
}

}  // namespace detail

}  // namespace tr
