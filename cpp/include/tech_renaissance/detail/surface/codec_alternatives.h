// Codecs of what may be absent, or of one type or another.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "tech_renaissance/decoder.h"
#include "tech_renaissance/detail/surface/codec.h"
#include "tech_renaissance/encoder.h"
#include "tech_renaissance/error.h"

namespace tr {

namespace detail {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

}  // namespace detail

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

}  // namespace tr
