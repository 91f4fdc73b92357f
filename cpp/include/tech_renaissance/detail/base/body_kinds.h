// The forms of bodies and the kinds of attachments, by number: spec/values.md.
#pragma once

namespace tr::detail {

enum class BodyForm { Text, Attachments, Json };
inline constexpr int body_form_count = 3;

enum class AttachmentKind { Tensor, Bytes, Int64List, Float64List };
inline constexpr int attachment_kind_count = 4;

}  // namespace tr::detail
