// The arguments of a call as a body.
#pragma once

#include <optional>
#include <string_view>
#include <type_traits>

#include "tech_renaissance/body.h"
#include "tech_renaissance/call_options.h"
#include "tech_renaissance/codec.h"
#include "tech_renaissance/encoder.h"
#include "tech_renaissance/input.h"

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

// What says how to call, and is no argument.
template <class T>
inline constexpr bool is_option = std::is_same_v<T, CallOptions> || std::is_same_v<T, ProgressCallback>;
template <class T>
inline constexpr bool is_positional = !is_keyword<T> && !is_option<T>;

template <class... T>
constexpr bool positional_are_first() {
    bool are_first = true;
    [[maybe_unused]] bool is_over = false;
    ((are_first = are_first && !(is_over && is_positional<T>), is_over = is_over || !is_positional<T>), ...);
    return are_first;
}

// Whether it is tr::input, or a source, by place or by name.
template <class T>
inline constexpr bool is_input = std::is_same_v<T, Input> || std::is_same_v<T, Keyword<Input>>;
template <class T>
inline constexpr bool is_source = std::is_same_v<T, InputSource> || std::is_same_v<T, Keyword<InputSource>>;

template <class T>
void put_argument(Encoder& encoder, const T& argument) {
    if constexpr (is_input<T> || is_source<T>)
        encoder.input();
    else
        Codec<T>::put(encoder, argument);
}

template <class T>
void put_positional(Encoder& encoder, const T& argument) {
    if constexpr (is_positional<T>) put_argument(encoder, argument);
}

template <class T>
void put_keyword(Encoder& encoder, const T& argument) {
    if constexpr (is_keyword<T>) {
        encoder.key(argument.name);
        put_argument<std::remove_cv_t<std::remove_reference_t<decltype(argument.value)>>>(encoder, argument.value);
    }
}

// The text that is the first argument, if it is one.
template <class First, class... Others>
std::optional<std::string_view> first_text(const First& first, const Others&...) {
    if constexpr (is_positional<First> && !is_input<First> && !is_source<First>) return TextOf<First>::get(first);
    return std::nullopt;
}

template <class T>
void take_options(const T& argument, CallSetup& setup) {
    if constexpr (std::is_same_v<T, CallOptions>) setup.options = argument;
    if constexpr (std::is_same_v<T, ProgressCallback>) setup.on_progress = argument.function;
    if constexpr (std::is_same_v<T, InputSource>) setup.source = argument.next;
    if constexpr (std::is_same_v<T, Keyword<InputSource>>) setup.source = argument.value.next;
}

// Who makes a call: whoever waits for it at once, gets a future, or pushes its input.
enum class Made { Waiting, Submitted, Open };

// How to call.
template <Made made, class... T>
CallSetup setup_among(const T&... arguments) {
    constexpr int inputs = ((is_input<T> ? 1 : 0) + ... + 0);
    constexpr int sources = ((is_source<T> ? 1 : 0) + ... + 0);
    static_assert(made == Made::Open || inputs == 0,
                  "a call with tr::input is made by PythonSession::open, which gives what to push into");
    static_assert(made != Made::Open || (inputs == 1 && sources == 0), "open takes tr::input exactly once");
    static_assert(made != Made::Submitted || sources == 0,
                  "somebody has to wait for a call with an input: use call or stream");
    static_assert(sources <= 1, "a call has one input at most: send others as lists");
    CallSetup setup;
    setup.input = inputs + sources != 0;
    (take_options(arguments, setup), ...);
    return setup;
}

}  // namespace detail

// The body of a call's arguments, those by name last; CallOptions and on_progress are left out. Errors and lifetime as
// for encode_result.
template <class... T>
Body encode_call(const T&... arguments) {
    static_assert(detail::positional_are_first<T...>(),
                  "an argument without a name stands after one with a name, or after CallOptions");
    if constexpr (((detail::is_option<T> ? 0 : 1) + ... + 0) == 1) {
        if (const auto text = detail::first_text(arguments...)) return encode_text(*text, Body::Role::Call);
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
