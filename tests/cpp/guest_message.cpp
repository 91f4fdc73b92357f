// The C++ side of spec/vectors, as a process contract: a line of JSON in, a line of JSON out.
//
//     {"kind": "request" | "response" | "message" | "name", "hex": <the bytes>}
//
// A request, response or message is answered with {"meaning": as in spec/vectors/README.md, "encoded": its text in
// hex}, a name with {"reserved": bool}. What is refused is answered with {"code", "text": what the error says}, a
// request with "dialect" and "id" besides.
#include <cstdint>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "hex.h"
#include "tech_renaissance/detail/protocol/call_text.h"
#include "tech_renaissance/detail/protocol/frame.h"

namespace {

using namespace tr::detail;

constexpr std::int64_t timestamp_ms = 1699123456789;

json::Value meaning_of(std::optional<std::int64_t> number) { return number ? json::Value(*number) : json::Value(); }
json::Value meaning_of(Dialect dialect) { return dialect == Dialect::Short ? "short" : "long"; }

json::Value meaning_of(const std::optional<Failure>& failure) {
    return failure ? json::Value(encode_failure(*failure)) : json::Value();
}

json::Value meaning_of(BodyForm form) { return static_cast<std::int64_t>(form); }

json::Array meaning_of(const std::vector<NamedAttachment>& attachments) {
    json::Array pairs;
    for (const NamedAttachment& one : attachments)
        pairs.push_back(json::Array{static_cast<std::int64_t>(one.kind), one.name});
    return pairs;
}

json::Object meaning_of(const Request& request) {
    if (request.is_exit()) return json::Object{{"kind", "exit"}};
    return json::Object{{"kind", "request"},
                        {"dialect", meaning_of(request.dialect)},
                        {"id", meaning_of(request.id)},
                        {"command", request.command},
                        {"parameters", request.parameters},
                        {"deadline", meaning_of(request.deadline_ns)},
                        {"typed", request.typed},
                        {"form", meaning_of(request.form)},
                        {"attachments", meaning_of(request.attachments)},
                        {"streams", request.streams},
                        {"input", request.input}};
}

json::Object meaning_of(const Response& response) {
    return json::Object{{"kind", "response"},
                        {"dialect", meaning_of(response.dialect)},
                        {"id", meaning_of(response.id)},
                        {"command", response.command},
                        {"result", response.result},
                        {"message", response.message},
                        {"form", meaning_of(response.form)},
                        {"attachments", meaning_of(response.attachments)},
                        {"error", meaning_of(response.error)}};
}

template <class Frame>
json::Object accepted(const Frame& frame, const std::string& encoded) {
    return json::Object{{"meaning", meaning_of(frame)}, {"encoded", to_hex(encoded)}};
}

json::Object answer_name(const std::string& name) {
    check_name(name, "tag");
    bool reserved = false;
    try {
        check_tag_to_send(name);
    } catch (const tr::LocalProtocolError& error) {
        reserved = error.code() == "reserved_name";
    }
    return json::Object{{"reserved", reserved}};
}

json::Object meaning_of_progress(const std::string& bytes) {
    const auto [id, progress] = decode_progress_text(bytes);
    return json::Object{{"id", meaning_of(id)},
                        {"done", progress.done},
                        {"total", progress.total ? json::Value(*progress.total) : json::Value()},
                        {"message", progress.message}};
}

json::Object meaning_of_ask(const std::string& bytes) {
    const AskText ask = decode_ask_text(bytes);
    return json::Object{{"id", meaning_of(ask.id)},
                        {"command", ask.name},
                        {"parameters", ask.parameters},
                        {"form", meaning_of(ask.form)},
                        {"attachments", meaning_of(ask.attachments)},
                        {"waiting", ask.waiting}};
}

// What this host writes as an Answer of a meaning.
std::string answer_text(const std::string& meaning) {
    const json::Value value = json::parse(meaning);
    const json::Object& object = as_object(value, "a meaning");
    std::vector<NamedAttachment> attachments;
    for (const json::Value& one : *find_member(object, "attachments")->get_if<json::Array>()) {
        const json::Array& named = *one.get_if<json::Array>();
        const std::int64_t kind = named[0].get_if<json::Number>()->as_int64().value();
        attachments.push_back({static_cast<AttachmentKind>(kind), *named[1].get_if<std::string>()});
    }
    return encode_answer_text(*decode_positive(object, "id"), decode_form(object), required_string(object, "result"),
                              decode_failure(object), attachments);
}

json::Object answer(const std::string& kind, const std::string& bytes) {
    if (kind == "answer to write") return json::Object{{"encoded", to_hex(answer_text(bytes))}};
    if (kind == "name") return answer_name(bytes);
    if (kind == "progress") return json::Object{{"meaning", meaning_of_progress(bytes)}};
    if (kind == "ask") return json::Object{{"meaning", meaning_of_ask(bytes)}};
    if (kind == "response") {
        const Response response = decode_response(bytes);
        return accepted(response, encode_response(response, timestamp_ms));
    }
    const Request request = kind == "message" ? parse_message(bytes) : decode_request(bytes);
    return accepted(request, encode_request(request, timestamp_ms));
}

json::Object answer_or_refuse(const std::string& kind, const std::string& bytes) {
    try {
        return answer(kind, bytes);
    } catch (const MalformedRequest& error) {
        return json::Object{{"code", error.code()},
                            {"text", error.what()},
                            {"dialect", meaning_of(error.dialect())},
                            {"id", meaning_of(error.id())}};
    } catch (const tr::ProtocolError& error) {
        return json::Object{{"code", error.code()}, {"text", error.what()}};
    }
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        const json::Value question = json::parse(line);
        const json::Object& object = as_object(question, "a question");
        const std::string bytes = from_hex(required_string(object, "hex"));
        std::cout << json::write(answer_or_refuse(required_string(object, "kind"), bytes)) << std::endl;
    }
}
