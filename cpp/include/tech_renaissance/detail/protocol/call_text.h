// What a handler says and asks, and what it is answered, as JSON texts: spec/transport-file.md.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/detail/protocol/json.h"
#include "tech_renaissance/progress.h"

namespace tr::detail {

// A finite number; nullopt if it is missing.
inline std::optional<double> decode_finite(const json::Object& object, const std::string& key) {
    const json::Value* value = find_member(object, key);
    if (!value) return std::nullopt;
    const auto* number = value->get_if<json::Number>();
    if (!number || !std::isfinite(number->as_double())) throw_bad_frame("'" + key + "' is not a number");
    return number->as_double();
}

inline std::pair<std::optional<std::int64_t>, Progress> decode_progress_text(std::string_view text) {
    const json::Value value = json::parse(text);
    const json::Object& object = as_object(value, "a progress");
    const std::optional<double> done = decode_finite(object, "done");
    if (!done) throw_bad_frame("'done' is missing");
    return {decode_positive(object, "id"), {*done, decode_finite(object, "total"), optional_string(object, "message")}};
}

// What a handler asks: the name of a function, and a body whose attachments are where a transport has them.
template <class Attachment>
struct WrittenAsk {
    std::optional<std::int64_t> id;
    std::string name;
    BodyForm form;
    std::string parameters;
    std::vector<Attachment> attachments;
    bool waiting;
};
using AskText = WrittenAsk<NamedAttachment>;

inline AskText decode_ask_text(std::string_view text) {
    const json::Value value = json::parse(text);
    const json::Object& object = as_object(value, "an ask");
    AskText ask{decode_positive(object, "id"), required_string(object, "command"),
                decode_form(object),           optional_string(object, "parameters"),
                decode_attachments(object),    decode_flag(object, "waiting")};
    if (ask.name.empty()) throw_bad_frame("the name is empty");
    return ask;
}

// failure: what came instead of a value, if it did.
inline std::string encode_answer_text(std::int64_t id, BodyForm form, const std::string& result,
                                      const std::optional<Failure>& failure,
                                      const std::vector<NamedAttachment>& attachments) {
    json::Object object;
    object.set("result", result);
    object.set("message", failure ? failure->message : "");
    object.set("id", id);
    object.set("tensors", names_of(attachments));
    encode_form(object, form);
    encode_kinds(object, attachments);
    if (failure) object.set("error", encode_failure(*failure));
    return json::write(std::move(object));
}

}  // namespace tr::detail
