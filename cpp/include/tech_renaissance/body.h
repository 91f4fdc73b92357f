// Bodies: what carries a value and its attachments (spec/values.md).
#pragma once

#include <string>
#include <vector>

#include "tech_renaissance/detail/base/body_kinds.h"
#include "tech_renaissance/tensor.h"

namespace tr {

// What stands beside the text of a body. Whatever its kind, `data` is its memory: bytes are a row of UINT8, lists of
// numbers are rows of INT64 and FP64.
struct Attachment {
    // Tensor, Bytes, Int64List or Float64List.
    using Kind = detail::AttachmentKind;

    Kind kind;
    Tensor data;
};

struct Body {
    // Text, Attachments or Json.
    using Form = detail::BodyForm;
    // Whether a body of the form Attachments, or Json, means a value or the arguments of a call.
    enum class Role { Result, Call };

    Form form = Form::Attachments;
    std::string text;  // UTF-8
    std::vector<Attachment> attachments;
};

}  // namespace tr
