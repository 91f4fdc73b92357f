// Values and what they mean, as in spec/vectors/values, for programs that speak with Python tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hex.h"
#include "tech_renaissance/value.h"

namespace meanings {

using namespace tr;

inline Value parse(const std::string& json) { return decode_result<Value>({Body::Form::Json, json, {}}); }

inline std::string write(const Value& value) {
    Encoder encoder;
    Codec<Value>::put(encoder, value);
    const Body body = encoder.finish();
    return body.form == Body::Form::Json ? body.text : "null";
}

// --------------------------------------------------------------------------- from meanings, and back

inline std::string bits_of(double value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    if (value != value) bits = 0x7ff8000000000000;
    std::string bytes;
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(bits >> shift & 0xFF));
    return to_hex(bytes);
}

inline double float_of(const std::string& bits) {
    const std::uint64_t number = std::stoull(bits, nullptr, 16);
    double value = 0;
    std::memcpy(&value, &number, sizeof value);
    return value;
}

template <class T>
inline Tensor row_of(const std::vector<T>& values) {
    return Tensor::from_vector(values, Shape({static_cast<std::int64_t>(values.size())}));
}

inline DType dtype_named(const std::string& name) {
    for (const DTypeInfo& info : DTYPES) {
        if (name == info.name) return info.dtype;
    }
    return DType::FP32;
}

inline Tensor tensor_of(const Value& meaning) {
    const std::string bytes = from_hex(meaning["data"].text());
    const Shape shape(meaning["shape"].as<std::vector<std::int64_t>>());
    Tensor tensor = Tensor::empty(shape, dtype_named(meaning["dtype"].text()));
    tensor.from_cpu_data(bytes.data(), bytes.size());
    return tensor;
}

inline Attachment attachment_of(const Value& meaning) {
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

inline Value value_of(const Value& meaning);

inline Value::Dict members_of(const Value& pairs) {
    Value::Dict members;
    for (const Value& pair : pairs.elements()) members.push_back({pair[0].text(), value_of(pair[1])});
    return members;
}

inline Value value_of(const Value& meaning) {
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

inline std::string hex_of(const Tensor& data) {
    return to_hex({static_cast<const char*>(data.data_ptr()), data.memory_size()});
}

inline Value meaning_of(const Tensor& tensor) {
    const Value shape = Value::of(std::vector<std::int64_t>(tensor.shape().begin(), tensor.shape().end()));
    return Value::dict(
        {{"tensor", Value::dict({{"dtype", to_string(tensor.dtype())}, {"shape", shape}, {"data", hex_of(tensor)}})}});
}

inline Value meaning_of(const Attachment& attachment) {
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

inline Value meaning_of(const Value& value);

inline Value meaning_of(const Value::Dict& members) {
    Value::List pairs;
    for (const auto& [key, member] : members) pairs.push_back(Value::list(key, meaning_of(member)));
    return pairs;
}

inline Value meaning_of(const Value& value) {
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

// The arguments of a call: {"args": [...], "kwargs": [[name, value], ...]}.
inline tr::Arguments arguments_of(const Value& meaning) {
    return {value_of(meaning["args"]).elements(), members_of(meaning["kwargs"])};
}

inline Value meaning_of(const tr::Arguments& arguments) {
    return Value::dict({{"args", meaning_of(Value(arguments.positional))}, {"kwargs", meaning_of(arguments.keywords)}});
}

}  // namespace meanings
