// Codecs of values without parts: numbers, bools and null, text, bytes, tensors.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "tech_renaissance/bytes.h"
#include "tech_renaissance/decoder.h"
#include "tech_renaissance/detail/surface/codec.h"
#include "tech_renaissance/encoder.h"
#include "tech_renaissance/tensor.h"

namespace tr {

namespace detail {

template <class T>
std::string integer_name() {
    return (std::is_signed_v<T> ? "int" : "uint") + std::to_string(8 * sizeof(T));
}

// What the values of an enum are: integers, or bools. Those of an enum of characters are integers of that size.
template <class T, class = void>
struct NumberOf {
    using Type = T;
};
template <class T>
struct NumberOf<T, std::enable_if_t<is_character<T>>> {
    using Type = std::conditional_t<std::is_signed_v<T>, std::make_signed_t<T>, std::make_unsigned_t<T>>;
};

}  // namespace detail

template <>
struct Codec<bool> {
    static void put(Encoder& encoder, bool value) { encoder.boolean(value); }
    static bool get(Decoder& decoder) { return decoder.boolean(); }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::Bool; }
};

template <class T>
struct Codec<T, std::enable_if_t<detail::is_integer<T>>> {
    static void put(Encoder& encoder, T value) {
        if constexpr (std::is_unsigned_v<T>) {
            encoder.integer_unsigned(value);
        } else {
            encoder.integer(value);
        }
    }
    static T get(Decoder& decoder) {
        const std::int64_t value = decoder.integer();
        if constexpr (std::is_unsigned_v<T>) {
            if (value >= 0 && static_cast<std::uint64_t>(value) <= std::numeric_limits<T>::max()) return T(value);
        } else {
            if (value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max()) return T(value);
        }
        decoder.refuse(std::to_string(value) + " does not fit " + detail::integer_name<T>());
    }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::Int; }
};

// An enum is sent as its number.
template <class T>
struct Codec<T, std::enable_if_t<std::is_enum_v<T> && !std::is_same_v<T, std::byte>>> {
    using Number = typename detail::NumberOf<std::underlying_type_t<T>>::Type;
    static void put(Encoder& encoder, T value) { Codec<Number>::put(encoder, static_cast<Number>(value)); }
    static T get(Decoder& decoder) { return static_cast<T>(Codec<Number>::get(decoder)); }
    static bool is_kind(Decoder::Kind kind) { return Codec<Number>::is_kind(kind); }
};

template <class T>
struct Codec<T, std::enable_if_t<detail::is_float<T>>> {
    static void put(Encoder& encoder, T value) { encoder.number(static_cast<double>(value)); }
    static T get(Decoder& decoder) {
        const double value = decoder.number();
        const T narrow = static_cast<T>(value);
        if (std::isinf(narrow) && !std::isinf(value)) decoder.refuse("a float that is too large for 32 bits");
        return narrow;
    }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::Float; }
};

template <class T>
struct Codec<T, std::enable_if_t<std::is_same_v<T, std::nullptr_t> || std::is_same_v<T, std::nullopt_t> ||
                                 std::is_same_v<T, std::monostate>>> {
    static void put(Encoder& encoder, T) { encoder.null(); }
    static T get(Decoder& decoder) { return decoder.null(), T{}; }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::Null; }
};

template <>
struct Codec<std::string> {
    static void put(Encoder& encoder, const std::string& value) { encoder.text(value); }
    static std::string get(Decoder& decoder) { return decoder.text(); }
    static std::optional<std::string_view> text_of(const std::string& value) { return value; }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::Text; }
};

// Arguments only.
template <>
struct Codec<std::string_view> {
    static void put(Encoder& encoder, std::string_view value) { encoder.text(value); }
    static std::optional<std::string_view> text_of(std::string_view value) { return value; }
};

template <>
struct Codec<const char*> {
    static void put(Encoder& encoder, const char* value) {
        if (value == nullptr) encoder.refuse("is a text that is a null pointer");
        encoder.text(value);
    }
    static std::optional<std::string_view> text_of(const char* value) {
        if (value == nullptr) return std::nullopt;
        return value;
    }
};
template <>
struct Codec<char*> : Codec<const char*> {};

// To the first NUL, as C++ reads a literal.
template <std::size_t size>
struct Codec<char[size]> : Codec<const char*> {};

template <>
struct Codec<Bytes> {
    static void put(Encoder& encoder, const Bytes& value) { encoder.bytes(value); }
    static Bytes get(Decoder& decoder) { return decoder.bytes(); }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::Bytes; }
};

template <>
struct Codec<BytesView> {
    static void put(Encoder& encoder, BytesView value) { encoder.bytes(value); }
};

template <>
struct Codec<std::vector<std::byte>> {
    static void put(Encoder& encoder, const std::vector<std::byte>& value) {
        encoder.bytes({value.data(), value.size()});
    }
    static std::vector<std::byte> get(Decoder& decoder) { return decoder.bytes().data; }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::Bytes; }
};

template <>
struct Codec<Tensor> {
    static void put(Encoder& encoder, const Tensor& value) { encoder.tensor(value); }
    static Tensor get(Decoder& decoder) { return decoder.tensor(); }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::Tensor; }
};

}  // namespace tr
