// The C++ side of spec/vectors/values, as a process contract: a line of JSON in, a line of JSON out.
//
//     {"role": "result" | "call", "body": {"form", "text" or "hex", "attachments"}}
//     {"role": ..., "meaning": <JSON in a string, because its nesting may leave no room>}
//
// A body is answered with {"meaning": <in a string>}, or {"code"} if it is refused; a meaning with {"body"}.
#include <cstdint>
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "hex.h"
#include "tech_renaissance/value.h"

namespace {

using namespace tr;

Value parse(const std::string& json) { return decode_result<Value>({Body::Form::Json, json, {}}); }

std::string write(const Value& value) {
    Encoder encoder;
    Codec<Value>::put(encoder, value);
    const Body body = encoder.finish();
    return body.form == Body::Form::Json ? body.text : "null";
}

// --------------------------------------------------------------------------- from meanings, and back

std::string bits_of(double value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    if (value != value) bits = 0x7ff8000000000000;
    std::string bytes;
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(bits >> shift & 0xFF));
    return to_hex(bytes);
}

double float_of(const std::string& bits) {
    const std::uint64_t number = std::stoull(bits, nullptr, 16);
    double value = 0;
    std::memcpy(&value, &number, sizeof value);
    return value;
}

template <class T>
Tensor row_of(const std::vector<T>& values) {
    return Tensor::from_vector(values, Shape({static_cast<std::int64_t>(values.size())}));
}

DType dtype_named(const std::string& name) {
    for (const DTypeInfo& info : DTYPES) {
        if (name == info.name) return info.dtype;
    }
    return DType::FP32;
}

Tensor tensor_of(const Value& meaning) {
    const std::string bytes = from_hex(meaning["data"].text());
    const Shape shape(meaning["shape"].as<std::vector<std::int64_t>>());
    Tensor tensor = Tensor::empty(shape, dtype_named(meaning["dtype"].text()));
    tensor.from_cpu_data(bytes.data(), bytes.size());
    return tensor;
}

Attachment attachment_of(const Value& meaning) {
    const auto& [kind, content] = meaning.members().front();
    if (kind == "tensor") return {Attachment::Kind::Tensor, tensor_of(content)};
    if (kind == "bytes") {
        const std::string bytes = from_hex(content.text());
        return {Attachment::Kind::Bytes, row_of(std::vector<std::uint8_t>(bytes.begin(), bytes.end()))};
    }
    std::vector<std::int64_t> integers;
    std::vector<double> floats;
    for (const Value& number : content.elements()) {
        if (kind == "int64 list") {
            integers.push_back(std::stoll(number.text()));
        } else {
            floats.push_back(float_of(number.text()));
        }
    }
    if (kind == "int64 list") return {Attachment::Kind::Int64List, row_of(integers)};
    return {Attachment::Kind::Float64List, row_of(floats)};
}

Value value_of(const Value& meaning);

Value::Dict members_of(const Value& pairs) {
    Value::Dict members;
    for (const Value& pair : pairs.elements()) members.push_back({pair[0].text(), value_of(pair[1])});
    return members;
}

Value value_of(const Value& meaning) {
    if (meaning.kind() == Value::Kind::List) {
        Value::List list;
        for (const Value& element : meaning.elements()) list.push_back(value_of(element));
        return list;
    }
    if (meaning.kind() != Value::Kind::Dict) return meaning;
    const auto& [kind, content] = meaning.members().front();
    if (kind == "dict") return members_of(content);
    if (kind == "int") return std::stoll(content.text());
    if (kind == "float") return float_of(content.text());
    if (kind == "tensor") return tensor_of(content);
    const std::string bytes = from_hex(content.text());
    return Bytes(bytes.data(), bytes.size());
}

std::string hex_of(const Tensor& data) {
    return to_hex({static_cast<const char*>(data.data_ptr()), data.memory_size()});
}

Value meaning_of(const Tensor& tensor) {
    const Value shape = Value::of(std::vector<std::int64_t>(tensor.shape().begin(), tensor.shape().end()));
    return Value::dict(
        {{"tensor", Value::dict({{"dtype", to_string(tensor.dtype())}, {"shape", shape}, {"data", hex_of(tensor)}})}});
}

Value meaning_of(const Attachment& attachment) {
    if (attachment.kind == Attachment::Kind::Tensor) return meaning_of(attachment.data);
    if (attachment.kind == Attachment::Kind::Bytes) return Value::dict({{"bytes", hex_of(attachment.data)}});
    Value::List numbers;
    if (attachment.kind == Attachment::Kind::Int64List) {
        for (const std::int64_t number : attachment.data.to_vector<std::int64_t>()) {
            numbers.push_back(std::to_string(number));
        }
        return Value::dict({{"int64 list", numbers}});
    }
    for (const double number : attachment.data.to_vector<double>()) numbers.push_back(bits_of(number));
    return Value::dict({{"float64 list", numbers}});
}

Value meaning_of(const Value& value);

Value meaning_of(const Value::Dict& members) {
    Value::List pairs;
    for (const auto& [key, member] : members) pairs.push_back(Value::list(key, meaning_of(member)));
    return pairs;
}

Value meaning_of(const Value& value) {
    switch (value.kind()) {
        case Value::Kind::Int: return Value::dict({{"int", std::to_string(value.as<std::int64_t>())}});
        case Value::Kind::Float: return Value::dict({{"float", bits_of(value.as<double>())}});
        case Value::Kind::Bytes: {
            const std::vector<std::byte>& data = value.bytes().data;
            return Value::dict({{"bytes", to_hex({reinterpret_cast<const char*>(data.data()), data.size()})}});
        }
        case Value::Kind::Tensor: return meaning_of(value.tensor());
        case Value::Kind::Dict: return Value::dict({{"dict", meaning_of(value.members())}});
        case Value::Kind::List: {
            Value::List list;
            for (const Value& element : value.elements()) list.push_back(meaning_of(element));
            return list;
        }
        default: return value;
    }
}

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

Body call_body(const Value& positional, const Value::Dict& keywords) {
    if (keywords.empty() && positional.size() == 1 && positional[0].kind() == Value::Kind::Text) {
        return encode_text(positional[0].text(), Body::Role::Call);
    }
    Encoder encoder(Body::Role::Call);
    encoder.begin_list();
    encoder.begin_list();
    for (const Value& argument : positional.elements()) Codec<Value>::put(encoder, argument);
    encoder.end_list();
    if (!keywords.empty()) Codec<Value>::put(encoder, keywords);
    encoder.end_list();
    return encoder.finish();
}

Value answer(const Value& question) {
    const bool is_call = question["role"].text() == "call";
    if (const Value* meaning = question.find("meaning")) {
        const Value parsed = parse(meaning->text());
        // Bodies have views of values.
        const Value value = value_of(is_call ? parsed["args"] : parsed);
        const Value::Dict keywords = is_call ? members_of(parsed["kwargs"]) : Value::Dict();
        return Value::dict({{"body", described(is_call ? call_body(value, keywords) : encode_result(value))}});
    }
    const Body body = body_of(question["body"]);
    try {
        if (!is_call) return Value::dict({{"meaning", write(meaning_of(decode_result<Value>(body)))}});
        const Arguments arguments = decode_call(body);
        const Value meaning = Value::dict(
            {{"args", meaning_of(Value(arguments.positional))}, {"kwargs", meaning_of(arguments.keywords)}});
        return Value::dict({{"meaning", write(meaning)}});
    } catch (const RemoteProtocolError& error) {
        return Value::dict({{"code", error.code()}});
    }
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) std::cout << write(answer(parse(line))) << std::endl;
}
