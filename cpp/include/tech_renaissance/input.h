// The input of a call: values that its command takes one after another while it works.
#pragma once

#include "tech_renaissance/config.h"

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "tech_renaissance/detail/host/owned_body.h"
#include "tech_renaissance/encoder.h"

namespace tr {

// Stands for the argument of a call whose values are pushed: PythonSession::open.
struct Input {};
inline constexpr Input input;

// Stands for the argument of a call whose values the thread that waits for it takes from the program: input_from.
struct InputSource {
    // The next value; nullopt at the end.
    std::function<std::optional<detail::OwnedBody>()> next;
};

// The values of a function, which returns std::optional, until that is empty:
//
//     const auto read = [&]() -> std::optional<double> { return sensor.read(); };
//     double total = session.call<double>("total", input_from(read));
//     auto translated = session.stream<std::string>("translate", input_from(lines.begin(), lines.end()));
//
// It is called in the thread that waits for the call, whenever the command takes more, and is at most 16 values ahead.
// What it throws gives the call up, and is thrown there. It may not wait for the same session (LocalProtocolError
// "would_wait_for_itself"), unless the worker has coroutines. Over files all values are taken before the call is made.
template <class Next>
InputSource input_from(Next next) {
    return {[next = std::move(next)]() mutable -> std::optional<detail::OwnedBody> {
        auto value = std::make_shared<decltype(next())>(next());
        if (!*value) return std::nullopt;
        return detail::OwnedBody{encode_result(**value), value};
    }};
}

// The values of a range, which has to be there until the call is done.
template <class Iterator, class End>
InputSource input_from(Iterator begin, End end) {
    return {[begin, end]() mutable -> std::optional<detail::OwnedBody> {
        if (begin == end) return std::nullopt;
        detail::OwnedBody value{encode_result(*begin), nullptr};
        ++begin;
        return value;
    }};
}

}  // namespace tr
