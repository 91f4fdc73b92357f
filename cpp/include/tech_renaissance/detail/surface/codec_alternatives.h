// Codecs of what may be absent, or of one type or another.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "tech_renaissance/decoder.h"
#include "tech_renaissance/detail/surface/codec.h"
#include "tech_renaissance/detail/surface/trial.h"
#include "tech_renaissance/encoder.h"

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
        detail::Trial trial(decoder);
        std::optional<Variant> value;
        if (!(take<T>(decoder, trial, true, value) || ...) && !(take<T>(decoder, trial, false, value) || ...))
            trial.refuse();
        return std::move(*value);
    }

    static bool is_kind(Decoder::Kind kind) { return (detail::KindOf<T>::is(kind) || ...); }

private:
    template <class Alternative>
    static bool take(Decoder& decoder, detail::Trial& trial, bool is_kind, std::optional<Variant>& value) {
        return detail::KindOf<Alternative>::is(trial.kind()) == is_kind && trial.takes<Alternative>([&] {
            value.emplace(std::in_place_type<Alternative>, Codec<Alternative>::get(decoder));
        });
    }
};

}  // namespace tr
