// What two_forms asks of its other half.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tech_renaissance.h"

namespace header_only_form {

using Sizes = std::vector<std::size_t>;

// Static: of the form that the including file is compiled in.
static inline Sizes sizes_here() {
    return {sizeof(tr::Tensor),         sizeof(tr::Shape),      sizeof(tr::TsrHeader),
            sizeof(tr::PythonSession),  sizeof(tr::PostMortem), sizeof(tr::CallOptions),
            sizeof(tr::SessionOptions), sizeof(tr::Output),     sizeof(tr::CommandError)};
}

Sizes sizes();
tr::Tensor ones();
std::string text_of(const tr::Tensor& tensor);
std::unique_ptr<tr::PythonSession> session(const tr::SessionOptions& options);
std::string state_of(const tr::PythonSession& session);
[[noreturn]] void fail();

}  // namespace header_only_form
