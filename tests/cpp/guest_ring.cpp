// The C++ side of spec/vectors/ring, as a process contract: a line of JSON in, a line of JSON out.
//
//     {"hex": <a frame>}                  answered with {"meaning": as in the vectors} or {"code"}
//     {"meaning": as in the vectors}      answered with {"hex": <the frame>}
//
// As a host: it reads what workers send, and writes what hosts send.
#include <cstdint>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "hex.h"
#include "tech_renaissance/detail/transport/shm/call_frame.h"
#include "tech_renaissance/detail/transport/shm/frame.h"

namespace {

using namespace tr::detail;

json::Value number(std::uint64_t value) { return json::Value(static_cast<std::int64_t>(value)); }
json::Value meaning_of(Dialect dialect) { return dialect == Dialect::Short ? "short" : "long"; }

std::uint64_t to_number(const json::Value& value) { return std::stoull(json::write(value)); }
std::uint64_t number_of(const json::Object& object, const char* key) { return to_number(*find_member(object, key)); }

json::Object meaning_of_body_in_block(const std::string& bytes, const shm::FrameHeader& header) {
    const auto [lent, nbytes] = shm::decode_body_in_block(bytes);
    return json::Object{{"kind", "body in block"},
                        {"of", header.kind == shm::Kind::request ? "request" : "response"},
                        {"flags", number(header.flags ^ shm::flag_body_in_block)},
                        {"id", number(header.id)},
                        {"offset", number(lent.offset)},
                        {"lease", number(lent.lease)},
                        {"nbytes", number(nbytes)}};
}

json::Object meaning_of_response(const std::string& bytes) {
    const auto [response, attached] = shm::decode_response_frame(bytes);
    json::Array attachments;
    for (const shm::LentAttachment& one : attached) {
        const auto kind = static_cast<std::uint64_t>(one.kind);
        attachments.push_back(json::Array{number(kind), number(one.lent.offset), number(one.lent.lease)});
    }
    const json::Value form = number(static_cast<std::uint64_t>(response.form));
    if (shm::read_frame_header(bytes).kind == shm::Kind::item) {
        return json::Object{{"kind", "item"},
                            {"id", response.id ? json::Value(*response.id) : json::Value()},
                            {"result", response.result},
                            {"form", form},
                            {"attachments", std::move(attachments)}};
    }
    return json::Object{{"kind", "response"},
                        {"dialect", meaning_of(response.dialect)},
                        {"id", response.id ? json::Value(*response.id) : json::Value()},
                        {"command", response.command},
                        {"result", response.result},
                        {"message", response.message},
                        {"error", response.error ? json::Value(encode_failure(*response.error)) : json::Value()},
                        {"form", form},
                        {"attachments", std::move(attachments)}};
}

json::Value meaning_of_id(std::optional<std::int64_t> id) { return id ? json::Value(*id) : json::Value(); }

json::Object meaning_of_progress(const std::string& bytes) {
    const auto [id, progress] = shm::decode_progress(bytes);
    return json::Object{{"kind", "progress"},
                        {"id", meaning_of_id(id)},
                        {"done", json::Number(progress.done)},
                        {"total", progress.total ? json::Value(json::Number(*progress.total)) : json::Value()},
                        {"message", progress.message}};
}

json::Object meaning_of_ask(const std::string& bytes) {
    const shm::AskFrame ask = shm::decode_ask(bytes);
    json::Array attachments;
    for (const shm::LentAttachment& one : ask.attachments) {
        const auto kind = static_cast<std::uint64_t>(one.kind);
        attachments.push_back(json::Array{number(kind), number(one.lent.offset), number(one.lent.lease)});
    }
    return json::Object{{"kind", "ask"},
                        {"id", meaning_of_id(ask.id)},
                        {"command", ask.name},
                        {"parameters", ask.parameters},
                        {"form", number(static_cast<std::uint64_t>(ask.form))},
                        {"attachments", std::move(attachments)},
                        {"waiting", ask.waiting}};
}

json::Object meaning_of_credit(const std::string& bytes) {
    const auto [id, count] = shm::decode_input_credit(bytes);
    return json::Object{{"kind", "input credit"}, {"id", meaning_of_id(id)}, {"count", number(count)}};
}

json::Object meaning_of_frame(const std::string& bytes) {
    const shm::FrameHeader header = shm::read_frame_header(bytes);
    if ((header.flags & shm::flag_body_in_block) != 0) return meaning_of_body_in_block(bytes, header);
    if (header.kind == shm::Kind::progress) return meaning_of_progress(bytes);
    if (header.kind == shm::Kind::ask) return meaning_of_ask(bytes);
    if (header.kind == shm::Kind::input_credit) return meaning_of_credit(bytes);
    return meaning_of_response(bytes);
}

std::string encode(const json::Object& meaning) {
    const std::string kind = required_string(meaning, "kind");
    if (kind == "exit") return shm::encode_exit();
    if (kind == "credit") {
        return shm::encode_credit(static_cast<std::int64_t>(number_of(meaning, "id")),
                                  static_cast<std::uint32_t>(number_of(meaning, "count")));
    }
    if (kind == "drop") return shm::encode_drop(required_string(meaning, "tag"));
    const auto lent = [&] { return shm::Lent{number_of(meaning, "offset"), number_of(meaning, "lease")}; };
    if (kind == "put") return shm::encode_put(required_string(meaning, "tag"), lent());
    if (kind == "body in block") {
        const bool is_request = required_string(meaning, "of") == "request";
        const shm::FrameHeader header{is_request ? shm::Kind::request : shm::Kind::response,
                                      static_cast<std::uint16_t>(number_of(meaning, "flags")),
                                      number_of(meaning, "id")};
        return shm::encode_body_in_block(header, lent(), number_of(meaning, "nbytes"));
    }
    std::vector<shm::LentAttachment> attachments;
    for (const json::Value& value : *find_member(meaning, "attachments")->get_if<json::Array>()) {
        const json::Array& one = *value.get_if<json::Array>();
        attachments.push_back({static_cast<AttachmentKind>(to_number(one[0])), {to_number(one[1]), to_number(one[2])}});
    }
    const auto form = static_cast<BodyForm>(number_of(meaning, "form"));
    const auto id = static_cast<std::int64_t>(number_of(meaning, "id"));
    if (kind == "answer") {
        return shm::encode_answer(id, form, required_string(meaning, "result"), required_string(meaning, "message"),
                                  decode_failure(meaning), attachments);
    }
    if (kind == "input item") {
        const bool is_last = *find_member(meaning, "last")->get_if<bool>();
        return shm::encode_input_item(id, form, required_string(meaning, "result"), is_last, attachments);
    }
    Request request{required_string(meaning, "command"), required_string(meaning, "parameters"),
                    static_cast<std::int64_t>(number_of(meaning, "id")),
                    required_string(meaning, "dialect") == "short" ? Dialect::Short : Dialect::Long};
    if (find_member(meaning, "deadline"))
        request.deadline_ns = static_cast<std::int64_t>(number_of(meaning, "deadline"));
    request.typed = *find_member(meaning, "typed")->get_if<bool>();
    request.streams = *find_member(meaning, "streams")->get_if<bool>();
    request.input = *find_member(meaning, "input")->get_if<bool>();
    request.form = form;
    return shm::encode_request_frame(request, attachments);
}

json::Object answer(const json::Object& question) {
    if (const json::Value* meaning = find_member(question, "meaning")) {
        return json::Object{{"hex", to_hex(encode(as_object(*meaning, "a meaning")))}};
    }
    try {
        return json::Object{{"meaning", meaning_of_frame(from_hex(required_string(question, "hex")))}};
    } catch (const tr::ProtocolError& error) {
        return json::Object{{"code", error.code()}};
    }
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        const json::Value question = json::parse(line);
        std::cout << json::write(answer(as_object(question, "a question"))) << std::endl;
    }
}
