// What the tests of values have in common: some structs, and what is told of values that are refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tech_renaissance/value.h"

namespace value_checks {

using namespace tr;

struct Layer {
    int width = 1;
    std::optional<double> rate;
    std::uint8_t kind = 7;
    TR_FIELDS(width, rate, kind)
};

// A class of somebody else.
struct Point {
    double x = 0;
    double y = 0;
};
template <class Visitor>
void tr_fields(Visitor&& visit, Point& point) {
    visit("x", point.x);
    visit("y", point.y);
}
inline Body body(std::string text, std::vector<Attachment> attachments = {}) {
    return {Body::Form::Json, std::move(text), std::move(attachments)};
}

template <class T>
T there_and_back(const T& value) {
    return decode_result<T>(encode_result(value));
}

template <class Action, std::enable_if_t<std::is_invocable_v<Action>, int> = 0>
std::string refusal(Action&& action) {
    try {
        action();
    } catch (const CommandError& error) {
        return (error.code() == "wrong_type" ? "" : error.code() + " ") + error.what();
    }
    return "accepted";
}
template <class T>
std::string refusal(const Body& body) {
    return refusal([&] { decode_result<T>(body); });
}

template <class Action>
std::string bad_value(Action&& action) {
    try {
        action();
    } catch (const LocalProtocolError& error) {
        return (error.code() == "bad_value" ? "" : error.code() + " ") + error.what();
    }
    return "accepted";
}

}  // namespace value_checks
