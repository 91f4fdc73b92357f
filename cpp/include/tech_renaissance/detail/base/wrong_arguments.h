// A function of the host that cannot take its arguments.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace tr::detail {

struct WrongArguments : std::runtime_error {
    // code: of spec/errors.md; another one if they cannot even be read.
    explicit WrongArguments(const std::string& text, std::string its_code = "wrong_arguments")
        : runtime_error(text), code(std::move(its_code)) {}

    std::string code;
};

}  // namespace tr::detail
