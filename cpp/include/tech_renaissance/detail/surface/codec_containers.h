// Codecs of lists and dicts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tech_renaissance/decoder.h"
#include "tech_renaissance/detail/surface/codec.h"
#include "tech_renaissance/encoder.h"

namespace tr {

namespace detail {

template <class T, class = void>
struct IsSequence : std::false_type {};
template <class T>
struct IsSequence<
    T, std::void_t<typename T::value_type, decltype(std::declval<T&>().insert(std::declval<T&>().end(),
                                                                              std::declval<typename T::value_type>()))>>
    : std::true_type {};

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
        if constexpr (is_float<Element>) {
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
        encoder.begin_list();
        Codec<A>::put(encoder, value.first);
        Codec<B>::put(encoder, value.second);
        encoder.end_list();
    }
    static std::pair<A, B> get(Decoder& decoder) {
        auto [first, second] = Codec<std::tuple<A, B>>::get(decoder);
        return {std::move(first), std::move(second)};
    }
    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::List; }
};

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

}  // namespace tr
