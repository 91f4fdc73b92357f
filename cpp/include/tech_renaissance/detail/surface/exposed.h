// How the arguments of a call are read.
#pragma once

#include <cstddef>
#include <string>

#include "tech_renaissance/config.h"
#include "tech_renaissance/detail/base/wrong_arguments.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/exposed.h"

namespace tr::detail {

TR_INLINE ArgumentReader::ArgumentReader(const Body& body, std::size_t count)
    : expanded_(body, Body::Role::Call),
      decoder_(expanded_.json, *expanded_.attachments, Body::Role::Call),
      count_(count) {
    decoder_.begin_list();
    decoder_.next_element();
    decoder_.begin_list();
}

TR_INLINE bool ArgumentReader::begin_next(bool is_optional) {
    if (!is_over_) is_over_ = !decoder_.next_element();
    if (is_over_ && !is_optional) throw_missing();
    if (!is_over_) ++read_;
    return !is_over_;
}

TR_INLINE void ArgumentReader::throw_missing() const {
    throw WrongArguments("it takes " + std::to_string(count_) + " arguments, not " + std::to_string(read_));
}

TR_INLINE void ArgumentReader::refuse(const std::string& problem) const {
    throw WrongArguments("argument " + std::to_string(read_) + ": " + problem);
}

TR_INLINE void ArgumentReader::finish() {
    if (!is_over_ && decoder_.next_element())
        throw WrongArguments("it takes no more than " + std::to_string(count_) + " arguments");
    if (!decoder_.next_element()) return;
    std::string name;
    decoder_.begin_dict();
    if (decoder_.next_key(name))
        throw WrongArguments("a C++ function takes arguments by place alone, not '" + name + "' by name");
}

}  // namespace tr::detail
