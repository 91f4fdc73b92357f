// What is wrong with a value that a Decoder reads.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "tech_renaissance/error.h"

namespace tr::detail {

// What is wrong with a value, without the value's path: to find that out takes reading all that stands before it.
struct Refusal {
    std::size_t place = 0;  // Decoder::place
    std::string element;    // "[2]", of a packed list at that place
    std::string problem;
};

// What Decoder::refuse throws while alternatives are tried. Most often another one takes the value, and nobody needs
// the path.
class Refused : public CommandError {
public:
    explicit Refused(Refusal refusal) : CommandError("wrong_type", refusal.problem), refusal_(std::move(refusal)) {}

    const Refusal& refusal() const noexcept { return refusal_; }

private:
    Refusal refusal_;
};

}  // namespace tr::detail
