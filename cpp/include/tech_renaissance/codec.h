// Which C++ types are values, and how. For a type of your own: TR_FIELDS (fields.h), or a Codec like these.
//
//     template <>
//     struct tr::Codec<Angle> {
//         static void put(Encoder& encoder, const Angle& angle) { encoder.number(angle.degrees()); }
//         static Angle get(Decoder& decoder) { return Angle(decoder.number()); }
//     };
//
// It must be declared before its first use.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "tech_renaissance/body.h"
#include "tech_renaissance/bytes.h"
#include "tech_renaissance/decoder.h"
#include "tech_renaissance/dtype.h"
#include "tech_renaissance/encoder.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/fields.h"
#include "tech_renaissance/tensor.h"

namespace tr {

namespace detail {

template <class T>
inline constexpr bool is_character =
    std::is_same_v<T, char> || std::is_same_v<T, wchar_t> || std::is_same_v<T, char16_t> || std::is_same_v<T, char32_t>;
template <class T>
inline constexpr bool is_integer = std::is_integral_v<T> && !std::is_same_v<T, bool> && !is_character<T>;

template <class T, class = void>
struct IsSequence : std::false_type {};
template <class T>
struct IsSequence<
    T, std::void_t<typename T::value_type, decltype(std::declval<T&>().insert(std::declval<T&>().end(),
                                                                              std::declval<typename T::value_type>()))>>
    : std::true_type {};

template <class T, class = void>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<T, std::void_t<typename T::key_type, typename T::mapped_type>> : std::true_type {};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

// Says why a type is no value, and what to use instead.
template <class T>
constexpr bool has_no_values() {
    if constexpr (is_character<T>) {
        static_assert(always_false<T>, "a character is no value: use std::string, or std::int8_t for a number");
    } else if constexpr (std::is_pointer_v<T>) {
        static_assert(always_false<T>, "a pointer is no value: pass what it points to");
    } else if constexpr (std::is_array_v<T>) {
        static_assert(always_false<T>,
                      "an array of C is no value: use std::array or std::vector, std::string for text");
    } else if constexpr (std::is_same_v<T, long double>) {
        static_assert(always_false<T>, "a long double is no value: use double");
    } else {
        static_assert(always_false<T>, "this type is no value: give it TR_FIELDS, or a tr::Codec");
    }
    return true;
}

template <class T>
std::string integer_name() {
    return (std::is_signed_v<T> ? "int" : "uint") + std::to_string(8 * sizeof(T));
}

}  // namespace detail

// put writes one value, get reads one. A codec may have two more: is_kind says whether a kind of value is just what the
// type holds, which decides between the alternatives of a variant; text_of gives the text of a value that is one, which
// travels without quotes if it is alone.
template <class T, class Enable = void>
struct Codec {
    static_assert(detail::has_no_values<T>());
};

// ----------------------------------------------------------------------------------------------------------- scalars

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

// Its number.
template <class T>
struct Codec<T, std::enable_if_t<std::is_enum_v<T> && !std::is_same_v<T, std::byte>>> {
    using Number = std::underlying_type_t<T>;
    static void put(Encoder& encoder, T value) { Codec<Number>::put(encoder, static_cast<Number>(value)); }
    static T get(Decoder& decoder) { return static_cast<T>(Codec<Number>::get(decoder)); }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::Int; }
};

template <class T>
struct Codec<T, std::enable_if_t<std::is_same_v<T, double> || std::is_same_v<T, float>>> {
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

// ------------------------------------------------------------------------------------------- text, bytes and tensors

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

// ------------------------------------------------------------------------------------------------------------- lists

namespace detail {

// Whether all fit 64 bits with a sign. If not, the one that does not is refused with its place.
template <class Element, class List>
bool are_int64(const List& list) {
    if constexpr (std::is_unsigned_v<Element> && sizeof(Element) == sizeof(std::uint64_t)) {
        for (const Element element : list) {
            if (element > static_cast<Element>(std::numeric_limits<std::int64_t>::max())) return false;
        }
    }
    return true;
}

template <class Element, class List>
void put_list(Encoder& encoder, const List& list) {
    if (list.size() > Encoder::longest_json_list) {
        if constexpr (std::is_same_v<Element, double> || std::is_same_v<Element, float>) {
            return encoder.numbers(std::vector<double>(list.begin(), list.end()));
        } else if constexpr (is_integer<Element>) {
            if (are_int64<Element>(list)) {
                return encoder.integers(std::vector<std::int64_t>(list.begin(), list.end()));
            }
        }
    }
    encoder.begin_list();
    for (const Element& element : list) Codec<Element>::put(encoder, element);
    encoder.end_list();
}

inline void require_length(const Decoder& decoder, std::size_t place, std::size_t actual, std::size_t wanted) {
    if (actual == wanted) return;
    decoder.refuse(place,
                   "a list of " + std::to_string(actual) + " where one of " + std::to_string(wanted) + " is wanted");
}

inline void skip_elements(Decoder& decoder, std::size_t& count) {
    for (; decoder.next_element(); ++count) decoder.skip();
}

}  // namespace detail

// std::vector, std::deque, std::set and their like.
template <class T>
struct Codec<T, std::enable_if_t<detail::IsSequence<T>::value && !detail::IsMap<T>::value>> {
    using Element = typename T::value_type;

    static void put(Encoder& encoder, const T& value) { detail::put_list<Element>(encoder, value); }

    static T get(Decoder& decoder) {
        T value;
        if constexpr (std::is_same_v<Element, std::uint8_t>) {
            if (decoder.kind() == Decoder::Kind::Bytes) {
                for (const std::byte byte : decoder.bytes().data) {
                    value.insert(value.end(), std::to_integer<std::uint8_t>(byte));
                }
                return value;
            }
        }
        decoder.begin_list();
        while (decoder.next_element()) value.insert(value.end(), Codec<Element>::get(decoder));
        return value;
    }

    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::List; }
};

template <class T, std::size_t size>
struct Codec<std::array<T, size>> {
    static void put(Encoder& encoder, const std::array<T, size>& value) { detail::put_list<T>(encoder, value); }
    static std::array<T, size> get(Decoder& decoder) {
        std::array<T, size> value{};
        decoder.begin_list();
        const std::size_t place = decoder.place();
        std::size_t count = 0;
        while (count < size && decoder.next_element()) value[count++] = Codec<T>::get(decoder);
        if (count == size) detail::skip_elements(decoder, count);
        detail::require_length(decoder, place, count, size);
        return value;
    }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::List; }
};

template <class... T>
struct Codec<std::tuple<T...>> {
    static void put(Encoder& encoder, const std::tuple<T...>& value) {
        encoder.begin_list();
        std::apply([&](const T&... element) { (Codec<T>::put(encoder, element), ...); }, value);
        encoder.end_list();
    }
    static std::tuple<T...> get(Decoder& decoder) {
        std::tuple<T...> value;
        decoder.begin_list();
        const std::size_t place = decoder.place();
        std::size_t count = 0;
        const auto get_next = [&](auto& element, std::size_t index) {
            if (count != index || !decoder.next_element()) return;
            element = Codec<std::decay_t<decltype(element)>>::get(decoder);
            ++count;
        };
        std::size_t index = 0;
        std::apply([&](T&... element) { (get_next(element, index++), ...); }, value);
        if (count == sizeof...(T)) detail::skip_elements(decoder, count);
        detail::require_length(decoder, place, count, sizeof...(T));
        return value;
    }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::List; }
};

template <class A, class B>
struct Codec<std::pair<A, B>> {
    static void put(Encoder& encoder, const std::pair<A, B>& value) {
        Codec<std::tuple<A, B>>::put(encoder, std::tuple<A, B>(value));
    }
    static std::pair<A, B> get(Decoder& decoder) {
        auto [first, second] = Codec<std::tuple<A, B>>::get(decoder);
        return {std::move(first), std::move(second)};
    }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::List; }
};

// ------------------------------------------------------------------------------------------------- dicts and records

// std::map and std::unordered_map.
template <class T>
struct Codec<T, std::enable_if_t<detail::IsMap<T>::value>> {
    static_assert(std::is_same_v<typename T::key_type, std::string>, "the keys of a dict are std::string");
    using Mapped = typename T::mapped_type;

    static void put(Encoder& encoder, const T& value) {
        encoder.begin_dict();
        for (const auto& [key, mapped] : value) {
            encoder.key(key);
            Codec<Mapped>::put(encoder, mapped);
        }
        encoder.end_dict();
    }
    static T get(Decoder& decoder) {
        T value;
        std::string key;
        decoder.begin_dict();
        while (decoder.next_key(key)) value.insert_or_assign(key, Codec<Mapped>::get(decoder));
        return value;
    }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::Dict; }
};

namespace detail {

struct FieldWriter {
    Encoder& encoder;

    template <class Field>
    void operator()(std::string_view name, const Field& field) const {
        encoder.key(name);
        Codec<Field>::put(encoder, field);
    }
};

// Reads the field of a name. Fields usually come in their order, so one place is looked at before all others.
struct FieldReader {
    Decoder& decoder;
    std::string_view key;
    std::size_t expected;
    std::size_t index = 0;
    bool only_expected = true;
    bool is_found = false;

    template <class Field>
    void operator()(std::string_view name, Field& field) {
        const bool is_candidate = !is_found && (index == expected || !only_expected);
        ++index;
        if (!is_candidate || name != key) return;
        is_found = true;
        expected = index;
        field = Codec<Field>::get(decoder);
    }
};

struct FieldNames {
    std::string names;

    template <class Field>
    void operator()(std::string_view name, const Field&) {
        (names += names.empty() ? "" : ", ") += name;
    }
};

}  // namespace detail

// Structs that name their fields.
template <class T>
struct Codec<T, std::enable_if_t<detail::is_record<T>>> {
    static void put(Encoder& encoder, const T& value) {
        encoder.begin_dict();
        // A visitor takes what it may change; this one does not.
        detail::visit_fields(const_cast<T&>(value), detail::FieldWriter{encoder});
        encoder.end_dict();
    }

    static T get(Decoder& decoder) {
        T value{};
        std::string key;
        std::size_t expected = 0;
        decoder.begin_dict();
        const std::size_t place = decoder.place();
        while (decoder.next_key(key)) {
            detail::FieldReader reader{decoder, key, expected};
            detail::visit_fields(value, reader);
            if (!reader.is_found) {
                reader.index = 0;
                reader.only_expected = false;
                detail::visit_fields(value, reader);
            }
            if (!reader.is_found) refuse_key(decoder, place, key, value);
            expected = reader.expected;
        }
        return value;
    }

    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::Dict; }

private:
    [[noreturn]] static void refuse_key(const Decoder& decoder, std::size_t place, const std::string& key, T& value) {
        detail::FieldNames known;
        detail::visit_fields(value, known);
        decoder.refuse(place, "no field '" + key + "'; the fields are " + known.names);
    }
};

// ------------------------------------------------------------------------------------------- optionals and variants

template <class T>
struct Codec<std::optional<T>> {
    static_assert(!detail::IsOptional<T>::value, "null cannot tell which of two std::optional is empty");

    static void put(Encoder& encoder, const std::optional<T>& value) {
        if (value) {
            Codec<T>::put(encoder, *value);
        } else {
            encoder.null();
        }
    }
    static std::optional<T> get(Decoder& decoder) {
        if (decoder.kind() == Decoder::Kind::Null) return decoder.null(), std::nullopt;
        return Codec<T>::get(decoder);
    }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::Null || Codec<T>::is_kind(kind); }
};

namespace detail {

template <class T, class = void>
struct KindOf {
    static bool is(Decoder::Kind) { return true; }
};
template <class T>
struct KindOf<T, std::void_t<decltype(Codec<T>::is_kind(Decoder::Kind::Null))>> {
    static bool is(Decoder::Kind kind) { return Codec<T>::is_kind(kind); }
};

}  // namespace detail

// The first alternative that is just of the value's kind and takes it; without one, the first that takes it.
template <class... T>
struct Codec<std::variant<T...>> {
    using Variant = std::variant<T...>;

    static void put(Encoder& encoder, const Variant& value) {
        std::visit([&](const auto& held) { Codec<std::decay_t<decltype(held)>>::put(encoder, held); }, value);
    }

    static Variant get(Decoder& decoder) {
        const Decoder::Kind kind = decoder.kind();
        const std::size_t place = decoder.place();
        std::optional<Variant> value;
        std::string reasons;
        (take<T>(decoder, kind, true, value, reasons), ...);
        (take<T>(decoder, kind, false, value, reasons), ...);
        if (!value) decoder.refuse(place, "no alternative takes it" + reasons);
        return std::move(*value);
    }

    static bool is_kind(Decoder::Kind kind) { return (detail::KindOf<T>::is(kind) || ...); }

private:
    template <class Alternative>
    static void take(Decoder& decoder, Decoder::Kind kind, bool is_kind, std::optional<Variant>& value,
                     std::string& reasons) {
        if (value || detail::KindOf<Alternative>::is(kind) != is_kind) return;
        const Decoder before = decoder;
        try {
            value.emplace(std::in_place_type<Alternative>, Codec<Alternative>::get(decoder));
        } catch (const CommandError& error) {
            decoder = before;
            reasons += std::string("; ") + error.what();
        }
    }
};

// ------------------------------------------------------------------------------------------------------------ bodies

namespace detail {

template <class T, class = void>
struct TextOf {
    static std::optional<std::string_view> get(const T&) { return std::nullopt; }
};
template <class T>
struct TextOf<T, std::void_t<decltype(Codec<T>::text_of(std::declval<const T&>()))>> {
    static std::optional<std::string_view> get(const T& value) { return Codec<T>::text_of(value); }
};

}  // namespace detail

// The body of one value. LocalProtocolError `bad_value` and `too_large`. It holds views of the value's tensors and
// bytes: send it before they change.
template <class T>
Body encode_result(const T& value) {
    if (const auto text = detail::TextOf<T>::get(value)) return encode_text(*text, Body::Role::Result);
    Encoder encoder;
    Codec<T>::put(encoder, value);
    return encoder.finish();
}

// The value of a body. RemoteProtocolError if the body breaks a rule, CommandError `wrong_type` if T does not take it.
template <class T>
T decode_result(const Body& body) {
    const ExpandedBody expanded(body);
    Decoder decoder(expanded.json, *expanded.attachments);
    T value = Codec<T>::get(decoder);
    decoder.finish();
    return value;
}

}  // namespace tr
