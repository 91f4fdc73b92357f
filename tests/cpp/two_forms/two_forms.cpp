// One program of two halves: this one links the compiled library, the other one has the headers alone. Linkers
// for Windows refuse that.
#include <memory>
#include <string>

#include "check.h"
#include "header_only_form.h"
#include "tech_renaissance.h"
#include "temporary_directory.h"

#ifndef TR_COMPILED
#error "this file is for the form with TR_COMPILED"
#endif

using tr::DType;
using tr::PythonSession;
using tr::SessionOptions;
using tr::Shape;
using tr::Tensor;

namespace {

SessionOptions options_in(const TemporaryDirectory& workspace) {
    SessionOptions options;
    options.workspace = workspace.path();
    options.session_id = "two_forms";
    return options;
}

}  // namespace

TEST("classes are the same in both forms") { CHECK(header_only_form::sizes() == header_only_form::sizes_here()); }

TEST("a tensor passes from one form to the other") {
    CHECK(Tensor::ones(Shape(2, 3), DType::INT32) == header_only_form::ones());
    const Tensor tensor = Tensor::uniform(Shape(3, 4));
    CHECK_EQ(tensor.to_string(), header_only_form::text_of(tensor));
}

TEST("a session made by one form is used by the other, and destroyed") {
    const TemporaryDirectory workspace;
    const std::unique_ptr<PythonSession> session = header_only_form::session(options_in(workspace));
    CHECK_EQ("two_forms", session->session_id());
    CHECK_EQ("none", session->state().name);
    session->send_tensor(Tensor::ones(Shape(2)), "a");
}

TEST("a session made here is used there") {
    const TemporaryDirectory workspace;
    const PythonSession session(options_in(workspace));
    CHECK_EQ("none", header_only_form::state_of(session));
}

TEST("an error thrown by one form is caught by the other") {
    CHECK_THROWS(tr::FormatError, "bad_magic", header_only_form::fail());
}
