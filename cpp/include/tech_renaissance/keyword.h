// The arguments of a call as a body.
#pragma once

#include <optional>
#include <string_view>
#include <type_traits>

#include "tech_renaissance/body.h"
#include "tech_renaissance/codec.h"
#include "tech_renaissance/encoder.h"

namespace tr {

// An argument by name: kw("scale", 2.0). Holds a reference: a temporary lives to the end of the call.
template <class T>
struct Keyword {
    const char* name;
    const T& value;
};

template <class T>
Keyword<T> kw(const char* name, const T& value) {
    return {name, value};
}

namespace detail {

template <class T>
inline constexpr bool is_keyword = false;
template <class T>
inline constexpr bool is_keyword<Keyword<T>> = true;

template <class... Arguments>
constexpr bool keywords_are_last() {
    bool is_after_keyword = false;
    bool are_last = true;
    ((are_last = are_last && (is_keyword<Arguments> || !is_after_keyword),
      is_after_keyword = is_after_keyword || is_keyword<Arguments>),
     ...);
    return are_last;
}

template <class T>
void put_positional(Encoder& encoder, const T& argument) {
    if constexpr (!is_keyword<T>) Codec<T>::put(encoder, argument);
}

template <class T>
void put_keyword(Encoder& encoder, const T& argument) {
    if constexpr (is_keyword<T>) {
        encoder.key(argument.name);
        Codec<std::remove_cv_t<std::remove_reference_t<decltype(argument.value)>>>::put(encoder, argument.value);
    }
}

template <class T>
std::optional<std::string_view> lone_text(const T& argument) {
    return TextOf<T>::get(argument);
}
template <class T>
std::optional<std::string_view> lone_text(const Keyword<T>&) {
    return std::nullopt;
}

}  // namespace detail

// The body of a call's arguments, those by name last. Errors and lifetime as for encode_result.
template <class... T>
Body encode_call(const T&... arguments) {
    static_assert(detail::keywords_are_last<T...>(), "an argument without a name stands after one with a name");
    if constexpr (sizeof...(T) == 1) {
        if (const auto text = detail::lone_text(arguments...)) return encode_text(*text, Body::Role::Call);
    }
    Encoder encoder(Body::Role::Call);
    encoder.begin_list();
    encoder.begin_list();
    (detail::put_positional(encoder, arguments), ...);
    encoder.end_list();
    if constexpr ((detail::is_keyword<T> || ...)) {
        encoder.begin_dict();
        (detail::put_keyword(encoder, arguments), ...);
        encoder.end_dict();
    }
    encoder.end_list();
    return encoder.finish();
}

}  // namespace tr
