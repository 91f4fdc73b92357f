// The C++ side of spec/vectors/values, as a process contract: a line of JSON in, a line of JSON out.
//
//     {"role": "result" | "call", "body": {"form", "text" or "hex", "attachments"}}
//     {"role": ..., "meaning": <JSON in a string, because its nesting may leave no room>}
//
// A body is answered with {"meaning": <in a string>}, or {"code"} if it is refused; a meaning with {"body"}.
#include <iostream>
#include <string>
#include <vector>

#include "hex.h"
#include "tech_renaissance/value.h"
#include "value_meanings.h"

namespace {

using namespace tr;
using namespace meanings;

// ------------------------------------------------------------------------------------------- bodies

const std::vector<std::string> forms = {"text", "attachments", "json"};

Body body_of(const Value& described) {
    Body body;
    const std::string& form = described["form"].text();
    int number = 0;
    while (number < 3 && form != forms[static_cast<std::size_t>(number)]) ++number;
    body.form = static_cast<Body::Form>(number);
    body.text = described.find("hex") ? from_hex(described["hex"].text()) : described["text"].text();
    for (const Value& attachment : described["attachments"].elements()) {
        body.attachments.push_back(attachment_of(attachment));
    }
    return body;
}

Value described(const Body& body) {
    Value::List attachments;
    for (const Attachment& attachment : body.attachments) attachments.push_back(meaning_of(attachment));
    return Value::dict({{"form", forms[static_cast<std::size_t>(body.form)]},
                        {"text", body.text},
                        {"attachments", std::move(attachments)}});
}

Value answer(const Value& question) {
    const bool is_call = question["role"].text() == "call";
    if (const Value* text = question.find("meaning")) {
        const Value meaning = parse(text->text());
        // Bodies have views of values.
        const Value value = is_call ? Value() : value_of(meaning);
        const Arguments arguments = is_call ? arguments_of(meaning) : Arguments();
        return Value::dict({{"body", described(is_call ? encode_call(arguments) : encode_result(value))}});
    }
    const Body body = body_of(question["body"]);
    try {
        const Value meaning = is_call ? meaning_of(decode_call(body)) : meaning_of(decode_result<Value>(body));
        return Value::dict({{"meaning", write(meaning)}});
    } catch (const RemoteProtocolError& error) {
        return Value::dict({{"code", error.code()}});
    }
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) std::cout << write(answer(parse(line))) << std::endl;
}
