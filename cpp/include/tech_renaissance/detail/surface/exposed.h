// How the arguments of a call are read.
#pragma once

#include <cstddef>
#include <string>

#include "tech_renaissance/config.h"
#include "tech_renaissance/detail/base/wrong_arguments.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/exposed.h"

namespace tr::detail {

// Arguments that break a rule of values are WrongArguments with the code of that rule.
template <class Read>
auto ArgumentReader::reading(Read read) {
    try {
        return read();
    } catch (const RemoteProtocolError& error) {
        throw WrongArguments(error.what(), error.code());
    } catch (const CommandError& error) {  // it is not what a call looks like
        throw WrongArguments(error.what(), "bad_value");
    }
}

TR_INLINE ArgumentReader::ArgumentReader(const Body& body, std::size_t count)
    : expanded_(reading([&] { return ExpandedBody(body, Body::Role::Call); })),
      decoder_(expanded_.json, *expanded_.attachments, Body::Role::Call),
      count_(count) {
    reading([&] {
        decoder_.begin_list();
        if (!decoder_.next_element()) throw RemoteProtocolError("bad_value", "a call without a list of arguments");
        decoder_.begin_list();
    });
}

TR_INLINE bool ArgumentReader::begin_next(bool is_optional) {
    if (!is_over_) is_over_ = !reading([&] { return decoder_.next_element(); });
    if (is_over_ && !is_optional) throw_missing();
    if (!is_over_) ++read_;
    return !is_over_;
}

TR_INLINE std::string ArgumentReader::number_of_arguments() const {
    return std::to_string(count_) + (count_ == 1 ? " argument" : " arguments");
}

TR_INLINE void ArgumentReader::throw_missing() {
    reading([&] { check_nothing_by_name(); });
    throw WrongArguments("it takes " + number_of_arguments() + ", not " + std::to_string(read_));
}

TR_INLINE void ArgumentReader::refuse(const std::exception& problem) const {
    const std::string text = "argument " + std::to_string(read_) + ": " + problem.what();
    if (const auto* broken_rule = dynamic_cast<const RemoteProtocolError*>(&problem))
        throw WrongArguments(text, broken_rule->code());
    throw WrongArguments(text);
}

TR_INLINE void ArgumentReader::finish() {
    reading([&] {
        if (!is_over_ && decoder_.next_element())
            throw WrongArguments("it takes no more than " + number_of_arguments());
        check_nothing_by_name();
        decoder_.finish();
    });
}

TR_INLINE void ArgumentReader::check_nothing_by_name() {
    if (!decoder_.next_element()) return;
    std::string name;
    decoder_.begin_dict();
    if (decoder_.next_key(name))
        throw WrongArguments("a C++ function takes arguments by place alone, not '" + name + "' by name");
    if (decoder_.next_element()) throw RemoteProtocolError("bad_value", "a call is two lists at most");
}

}  // namespace tr::detail
