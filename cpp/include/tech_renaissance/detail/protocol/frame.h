// Requests and responses as values, and their JSON texts in both dialects: spec/protocol.md. No I/O, no clock.
//
// Where the memory of attachments is, is up to the transport; here they only have names.
// Decoders get their input from the other side, so they either decode it or refuse it with a RemoteProtocolError,
// whatever it is. The functions share no state and may be called from any thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/base/body_kinds.h"
#include "tech_renaissance/detail/base/names.h"
#include "tech_renaissance/detail/protocol/json.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

enum class Dialect { Long, Short };

// An attachment, and the name of the tensor that holds it.
struct NamedAttachment {
    AttachmentKind kind;
    std::string name;
};

inline bool operator==(const NamedAttachment& a, const NamedAttachment& b) {
    return a.kind == b.kind && a.name == b.name;
}

// One call. Its body is parameters, form and attachments. Older hosts send no id. deadline_ns: when it must be over, on
// the machine's monotonic clock. streams: whether its host takes items. input: whether it sends some. attachments: only
// if they have names.
struct Request {
    std::string command;
    std::string parameters;
    std::optional<std::int64_t> id;
    Dialect dialect = Dialect::Long;
    std::optional<std::int64_t> deadline_ns = std::nullopt;
    BodyForm form = BodyForm::Text;
    bool typed = false;
    std::vector<NamedAttachment> attachments = {};
    bool streams = false;
    bool input = false;

    // An exit asks the worker to leave and gets no response.
    bool is_exit() const { return command == "exit"; }
};

// Why a call failed: code as in spec/errors.md, and the worker's exception, if there was one.
struct Failure {
    std::string code;
    std::string message;
    std::string type;
    std::string traceback;
};

// The answer to one request. Its body is result, form and attachments.
struct Response {
    std::string command;
    std::string result = "ok";
    std::string message;
    std::optional<Failure> error;
    std::optional<std::int64_t> id;
    Dialect dialect = Dialect::Long;
    BodyForm form = BodyForm::Text;
    std::vector<NamedAttachment> attachments = {};
};

// A request that cannot be read. The error response to it needs id and dialect.
class MalformedRequest : public RemoteProtocolError {
public:
    MalformedRequest(const RemoteProtocolError& error, std::optional<std::int64_t> id, Dialect dialect)
        : RemoteProtocolError(error.code(), error.what()), id_(id), dialect_(dialect) {}

    std::optional<std::int64_t> id() const noexcept { return id_; }
    Dialect dialect() const noexcept { return dialect_; }

private:
    std::optional<std::int64_t> id_;
    Dialect dialect_;
};

[[noreturn]] inline void throw_bad_frame(const std::string& message) {
    throw RemoteProtocolError("bad_frame", message);
}

// A key with the value null counts as missing.
inline const json::Value* find_member(const json::Object& object, std::string_view key) {
    const json::Value* value = object.find(key);
    return value && !value->is_null() ? value : nullptr;
}

inline const json::Object& as_object(const json::Value& value, const char* what) {
    const auto* object = value.get_if<json::Object>();
    if (!object) throw_bad_frame(std::string(what) + " is not a JSON object");
    return *object;
}

inline std::string optional_string(const json::Object& object, const std::string& key) {
    const json::Value* value = find_member(object, key);
    if (!value) return "";
    const auto* text = value->get_if<std::string>();
    if (!text) throw_bad_frame("'" + key + "' is not a string");
    return *text;
}

inline std::string required_string(const json::Object& object, const std::string& key) {
    if (!find_member(object, key)) throw_bad_frame("'" + key + "' is missing");
    return optional_string(object, key);
}

inline Dialect dialect_of(const json::Object& object) {
    return find_member(object, "cmd") && !find_member(object, "command") ? Dialect::Short : Dialect::Long;
}

inline const char* command_key(Dialect dialect) { return dialect == Dialect::Short ? "cmd" : "command"; }
inline const char* parameters_key(Dialect dialect) { return dialect == Dialect::Short ? "params" : "parameters"; }

// An integer from 1 to 2^63-1; nullopt if it is missing.
inline std::optional<std::int64_t> decode_positive(const json::Object& object, const std::string& key) {
    const json::Value* value = find_member(object, key);
    if (!value) return std::nullopt;
    const auto* number = value->get_if<json::Number>();
    const std::optional<std::int64_t> integer = number ? number->as_int64() : std::nullopt;
    if (!integer || *integer < 1) throw_bad_frame("'" + key + "' is not a positive integer of 64 bits");
    return integer;
}

inline std::string decode_scalar(const json::Value& value) {
    if (const auto* text = value.get_if<std::string>()) return *text;
    if (const auto* number = value.get_if<json::Number>()) return number->text();
    if (const auto* flag = value.get_if<bool>()) return *flag ? "true" : "false";
    throw_bad_frame("parameters are a string, a number, a boolean or an array of those");
}

inline std::string decode_parameters(const json::Object& object, Dialect dialect) {
    const json::Value* value = find_member(object, parameters_key(dialect));
    if (!value) return "";
    const auto* elements = value->get_if<json::Array>();
    if (!elements) return decode_scalar(*value);
    std::string joined;
    for (const json::Value& element : *elements) {
        if (&element != &elements->front()) joined += ' ';
        joined += decode_scalar(element);
    }
    return joined;
}

// A number from 0 to count - 1, which is at most 9. value: null if it is missing.
inline int decode_choice(const json::Value* value, int count, const char* what) {
    const auto* number = value ? value->get_if<json::Number>() : nullptr;
    const std::string text = number ? number->text() : "";
    if (text.size() == 1 && text[0] >= '0' && text[0] < '0' + count) return text[0] - '0';
    std::string choices = "0";
    for (int choice = 1; choice < count; ++choice) choices += ", " + std::to_string(choice);
    throw_bad_frame(std::string(what) + " is none of " + choices);
}

inline BodyForm decode_form(const json::Object& object) {
    const json::Value* value = find_member(object, "form");
    return value ? BodyForm(decode_choice(value, body_form_count, "the form of a body")) : BodyForm::Text;
}

inline AttachmentKind decode_kind(const json::Value* value) {
    return AttachmentKind(decode_choice(value, attachment_kind_count, "the kind of an attachment"));
}

// Whether it is true; anything else counts as false.
inline bool decode_flag(const json::Object& object, std::string_view key) {
    const json::Value* value = find_member(object, key);
    const auto* flag = value ? value->get_if<bool>() : nullptr;
    return flag && *flag;
}

// The elements of an array; none if it is missing.
inline const json::Array& decode_array(const json::Object& object, const char* key) {
    static const json::Array none;
    const json::Value* value = find_member(object, key);
    if (!value) return none;
    const auto* elements = value->get_if<json::Array>();
    if (!elements) throw_bad_frame("'" + std::string(key) + "' is not an array");
    return *elements;
}

// Transports turn names into file names. key: of the array that the name is in.
inline std::string decode_name(const json::Value* value, const std::string& key) {
    const auto* name = value ? value->get_if<std::string>() : nullptr;
    if (!name) throw_bad_frame("'" + key + "' has a name that is not a string");
    const std::string defect = defect_of_name(*name);
    if (defect.empty()) return *name;
    throw_bad_frame("'" + key + "' has a name that is none: " + utf8::for_display(*name) + " " + defect);
}

// The attachments of a request.
inline std::vector<NamedAttachment> decode_attachments(const json::Object& object) {
    std::vector<NamedAttachment> attachments;
    for (const json::Value& element : decode_array(object, "attachments")) {
        const json::Object& attachment = as_object(element, "an attachment");
        std::string name = decode_name(find_member(attachment, "name"), "attachments");
        attachments.push_back({decode_kind(find_member(attachment, "kind")), std::move(name)});
    }
    return attachments;
}

// Of a response, whose attachments are all tensors unless their kinds are there.
inline std::vector<NamedAttachment> decode_results(const json::Object& object) {
    std::vector<NamedAttachment> attachments;
    for (const json::Value& element : decode_array(object, "tensors"))
        attachments.push_back({AttachmentKind::Tensor, decode_name(&element, "tensors")});
    if (!find_member(object, "kinds")) return attachments;
    const json::Array& kinds = decode_array(object, "kinds");
    if (kinds.size() != attachments.size()) throw_bad_frame("'kinds' and 'tensors' are not of the same length");
    for (std::size_t i = 0; i < kinds.size(); ++i) attachments[i].kind = decode_kind(&kinds[i]);
    return attachments;
}

inline Failure read_failure(const json::Object& error) {
    Failure failure{required_string(error, "code"), optional_string(error, "message"), optional_string(error, "type"),
                    optional_string(error, "traceback")};
    if (failure.code.empty()) throw_bad_frame("the 'code' of an error is empty");
    return failure;
}

inline std::optional<Failure> decode_failure(const json::Object& object) {
    const json::Value* value = find_member(object, "error");
    if (!value) return std::nullopt;
    return read_failure(as_object(*value, "'error'"));
}

inline void encode_optional(json::Object& object, const char* key, std::optional<std::int64_t> number) {
    if (number) object.set(key, *number);
}

inline void encode_form(json::Object& object, BodyForm form) {
    if (form != BodyForm::Text) object.set("form", static_cast<std::int64_t>(form));
}

inline void encode_attachments(json::Object& object, const std::vector<NamedAttachment>& attachments) {
    if (attachments.empty()) return;
    json::Array elements;
    for (const NamedAttachment& one : attachments)
        elements.push_back(json::Object{{"kind", static_cast<std::int64_t>(one.kind)}, {"name", one.name}});
    object.set("attachments", std::move(elements));
}

inline json::Array names_of(const std::vector<NamedAttachment>& attachments) {
    json::Array names;
    for (const NamedAttachment& one : attachments) names.push_back(one.name);
    return names;
}

inline void encode_kinds(json::Object& object, const std::vector<NamedAttachment>& attachments) {
    json::Array kinds;
    bool are_tensors = true;
    for (const NamedAttachment& one : attachments) {
        kinds.push_back(static_cast<std::int64_t>(one.kind));
        are_tensors = are_tensors && one.kind == AttachmentKind::Tensor;
    }
    if (!are_tensors) object.set("kinds", std::move(kinds));
}

inline json::Object encode_failure(const Failure& failure) {
    return json::Object{
        {"code", failure.code}, {"type", failure.type}, {"message", failure.message}, {"traceback", failure.traceback}};
}

// A response for hosts that know only cmd and params. They also know the word "invalid".
inline std::string short_text(const Response& response) {
    if (response.error && response.error->code != "invalid_tensors") return "error: " + response.error->message;
    if (response.error || response.attachments.empty()) return response.result;
    std::string joined;
    for (const NamedAttachment& one : response.attachments) (joined += joined.empty() ? "" : ",") += one.name;
    return joined;
}

// Throws MalformedRequest ("bad_json" or "bad_frame"). Check is_exit() first: an exit gets no answer.
inline Request decode_request(std::string_view text) {
    std::optional<std::int64_t> id;
    Dialect dialect = Dialect::Long;
    try {
        const json::Value value = json::parse(text);
        const json::Object& object = as_object(value, "the message");
        dialect = dialect_of(object);
        id = decode_positive(object, "id");
        std::string command = required_string(object, command_key(dialect));
        if (command.empty()) throw_bad_frame("the command is empty");
        std::string parameters = decode_parameters(object, dialect);
        return {std::move(command),
                std::move(parameters),
                id,
                dialect,
                decode_positive(object, "deadline"),
                decode_form(object),
                decode_flag(object, "typed"),
                decode_attachments(object),
                decode_flag(object, "streams"),
                decode_flag(object, "input")};
    } catch (const RemoteProtocolError& error) {
        throw MalformedRequest(error, id, dialect);
    }
}

// timestamp_ms: milliseconds since 1970 UTC.
inline std::string encode_request(const Request& request, std::int64_t timestamp_ms) {
    json::Object object;
    object.set(command_key(request.dialect), request.command);
    object.set(parameters_key(request.dialect), request.parameters);
    if (request.dialect == Dialect::Long) object.set("timestamp", timestamp_ms);
    encode_optional(object, "id", request.id);
    encode_optional(object, "deadline", request.deadline_ns);
    if (request.typed) object.set("typed", true);
    if (request.streams) object.set("streams", true);
    if (request.input) object.set("input", true);
    encode_form(object, request.form);
    encode_attachments(object, request.attachments);
    return json::write(std::move(object));
}

// Throws RemoteProtocolError ("bad_json" or "bad_frame").
inline Response decode_response(std::string_view text) {
    const json::Value value = json::parse(text);
    const json::Object& object = as_object(value, "the message");
    Response response;
    response.dialect = dialect_of(object);
    response.id = decode_positive(object, "id");
    response.command = required_string(object, command_key(response.dialect));
    // A short response without an id has its text in params only.
    const bool only_params = response.dialect == Dialect::Short && !find_member(object, "result");
    response.result = required_string(object, only_params ? "params" : "result");
    response.message = optional_string(object, "message");
    response.form = decode_form(object);
    response.attachments = decode_results(object);
    response.error = decode_failure(object);
    return response;
}

// The id of a response that decode_response refuses; nullopt if that cannot be read, either.
inline std::optional<std::int64_t> id_of_response(std::string_view text) {
    try {
        const json::Value value = json::parse(text);
        return decode_positive(as_object(value, "the message"), "id");
    } catch (const RemoteProtocolError&) {
        return std::nullopt;
    }
}

// timestamp_ms: milliseconds since 1970 UTC. Without an id, not everything is written: older hosts get no tensor names
// in the long dialect, and nothing but params in the short one.
inline std::string encode_response(const Response& response, std::int64_t timestamp_ms) {
    const bool is_short = response.dialect == Dialect::Short;
    json::Object object;
    object.set(command_key(response.dialect), response.command);
    if (is_short) object.set("params", short_text(response));
    if (!is_short || response.id) {
        object.set("result", response.result);
        object.set("message", response.message);
    }
    if (!is_short) object.set("timestamp", timestamp_ms);
    encode_optional(object, "id", response.id);
    if (response.id) {
        object.set("tensors", names_of(response.attachments));
        encode_form(object, response.form);
        encode_kinds(object, response.attachments);
    }
    if (response.error) object.set("error", encode_failure(*response.error));
    return json::write(std::move(object));
}

constexpr std::string_view white_space = " \t\r\n\v\f";

inline Request parse_plain_text(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(white_space);
    const bool is_utf8 = utf8::find_invalid(text) == std::string_view::npos;
    if (!is_utf8) throw LocalProtocolError("bad_message", "the message is not UTF-8");
    if (begin == std::string_view::npos) throw LocalProtocolError("bad_message", "the message is empty");
    const std::size_t end = std::min(text.find_first_of(white_space, begin), text.size());
    const std::size_t rest = std::min(text.find_first_not_of(white_space, end), text.size());
    return {std::string(text.substr(begin, end - begin)), std::string(text.substr(rest)), std::nullopt, Dialect::Long};
}

// Turns what a user types into a request, whose body is a text. The session chooses its id and deadline. Throws
// LocalProtocolError "bad_message".
inline Request parse_message(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(white_space);
    if (begin == std::string_view::npos || text[begin] != '{') return parse_plain_text(text);
    try {
        Request request = decode_request(text);
        return {std::move(request.command), std::move(request.parameters), std::nullopt, request.dialect};
    } catch (const RemoteProtocolError& error) {
        throw LocalProtocolError("bad_message", "the message is not a request: " + std::string(error.what()));
    }
}

// Throws LocalProtocolError "bad_message" if this is not the name of a command that can be called with values.
inline void check_command(std::string_view command) {
    const bool is_word = !command.empty() && command.find_first_of(white_space) == std::string_view::npos;
    if (!is_word || command[0] == '{' || utf8::find_invalid(command) != std::string_view::npos) {
        throw LocalProtocolError("bad_message", "'" + std::string(command) +
                                                    "' is not the name of a command: arguments are separate, as in "
                                                    "call(\"add\", 1, 2)");
    }
    if (command == "exit") throw LocalProtocolError("bad_message", "'exit' has no answer: use please_exit");
}

}  // namespace tr::detail
