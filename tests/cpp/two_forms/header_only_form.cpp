// The part of two_forms that is compiled with the headers alone.
#include "header_only_form.h"

#ifdef TR_COMPILED
#error "this file is for the form without TR_COMPILED"
#endif

namespace header_only_form {

Sizes sizes() { return sizes_here(); }

tr::Tensor ones() { return tr::Tensor::ones(tr::Shape(2, 3), tr::DType::INT32); }

std::string text_of(const tr::Tensor& tensor) { return tensor.to_string(); }

std::unique_ptr<tr::PythonSession> session(const tr::SessionOptions& options) {
    return std::make_unique<tr::PythonSession>(options);
}

std::string state_of(const tr::PythonSession& session) { return session.state().name; }

void fail() { throw tr::FormatError("bad_magic", "from the headers", 7); }

}  // namespace header_only_form
