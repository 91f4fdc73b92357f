// What a codec is.
#pragma once

#include <cstdint>
#include <type_traits>

#include "tech_renaissance/decoder.h"
#include "tech_renaissance/dtype.h"
#include "tech_renaissance/encoder.h"
#include "tech_renaissance/fields.h"

namespace tr {

namespace detail {

template <class T>
inline constexpr bool is_character =
    std::is_same_v<T, char> || std::is_same_v<T, wchar_t> || std::is_same_v<T, char16_t> || std::is_same_v<T, char32_t>;
#if defined(__cpp_char8_t)
template <>
inline constexpr bool is_character<char8_t> = true;
#endif

// Of 64 bits at most: with GNU extensions __int128 is integral, too.
template <class T>
inline constexpr bool is_integer =
    std::is_integral_v<T> && !std::is_same_v<T, bool> && !is_character<T> && sizeof(T) <= sizeof(std::int64_t);
template <class T>
inline constexpr bool is_float = std::is_same_v<T, double> || std::is_same_v<T, float>;
// Numbers and characters that are no values.
template <class T>
inline constexpr bool is_foreign_arithmetic =
    std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && !is_integer<T> && !is_float<T>;

template <class T, class = void>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<T, std::void_t<typename T::key_type, typename T::mapped_type>> : std::true_type {};

// Says why a type is no value, and what to use instead.
template <class T>
constexpr bool has_no_values() {
    if constexpr (is_character<T>) {
        static_assert(always_false<T>, "a character is no value: use std::string, or std::int8_t for a number");
    } else if constexpr (std::is_integral_v<T>) {
        static_assert(always_false<T>, "an integer of more than 64 bits is no value: send it as text, or as a double");
    } else if constexpr (std::is_pointer_v<T>) {
        static_assert(always_false<T>, "a pointer is no value: pass what it points to");
    } else if constexpr (std::is_array_v<T>) {
        static_assert(always_false<T>,
                      "an array of C is no value: use std::array or std::vector, std::string for text");
    } else if constexpr (std::is_same_v<T, long double>) {
        static_assert(always_false<T>, "a long double is no value: use double");
    } else if constexpr (inherits_fields<T>) {
        static_assert(always_false<T>,
                      "only the base class has TR_FIELDS: give this class its own, which names the fields of both");
    } else {
        static_assert(always_false<T>, "this type is no value: give it TR_FIELDS, or a tr::Codec");
    }
    return true;
}

}  // namespace detail

// put writes one value, get reads one. A codec may have two more: is_kind says whether a kind of value is just what the
// type holds, which decides between the alternatives of a variant; text_of gives the text of a value that is one, which
// travels without quotes if it is alone.
template <class T, class Enable = void>
struct Codec {
    static_assert(detail::has_no_values<T>());
};

}  // namespace tr
