// The members of Value that are not templates.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tech_renaissance/config.h"
#include "tech_renaissance/decoder.h"
#include "tech_renaissance/detail/base/utf8.h"
#include "tech_renaissance/detail/surface/decoder.h"
#include "tech_renaissance/encoder.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/value.h"

namespace tr {

namespace detail {

// Each key once: the last value counts, in the place of the first.
inline void merge_equal_keys(Value::Dict& members) {
    std::vector<std::size_t> order(members.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return members[a].key < members[b].key; });
    std::vector<bool> is_repeated(members.size());
    std::size_t first = 0;
    for (std::size_t i = 1; i < order.size(); ++i) {
        if (members[order[i]].key != members[order[first]].key) {
            first = i;
            continue;
        }
        members[order[first]].value = std::move(members[order[i]].value);
        is_repeated[order[i]] = true;
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (is_repeated[i]) continue;
        if (kept != i) members[kept] = std::move(members[i]);
        ++kept;
    }
    members.resize(kept);
}

}  // namespace detail

TR_INLINE Value::Value(std::nullptr_t) noexcept {}
TR_INLINE Value::Value(const Value&) = default;
TR_INLINE Value::Value(Value&&) noexcept = default;
// The other may be a part of this one, and end with what this one held: it is copied, or moved, first.
TR_INLINE Value& Value::operator=(const Value& other) { return *this = Value(other); }
TR_INLINE Value& Value::operator=(Value&& other) noexcept {
    Value taken(std::move(other));
    data_ = std::move(taken.data_);
    return *this;
}
TR_INLINE Value::~Value() = default;
TR_INLINE Value::Value(Bool value) noexcept : data_(value.value) {}
TR_INLINE Value::Value(Int value) noexcept : data_(value.value) {}
TR_INLINE Value::Value(Float value) noexcept : data_(value.value) {}
TR_INLINE Value::Value(std::string value) : data_(std::move(value)) {}
TR_INLINE Value::Value(Bytes value) : data_(std::move(value)) {}
TR_INLINE Value::Value(const Tensor& value) : data_(std::make_shared<const Tensor>(value)) {}
TR_INLINE Value::Value(List value) : data_(std::move(value)) {}
TR_INLINE Value::Value(const char* value) {
    if (value == nullptr) throw LocalProtocolError("bad_value", "a text that is a null pointer");
    data_ = std::string(value);
}

TR_INLINE Value::Value(Dict value) : data_(std::move(value)) { detail::merge_equal_keys(std::get<Dict>(data_)); }

template <class T>
const T& Value::get(const char* wanted) const {
    if (const T* value = std::get_if<T>(&data_)) return *value;
    refuse(wanted);
}

TR_INLINE const std::string& Value::text() const& { return get<std::string>("a string"); }
TR_INLINE const Bytes& Value::bytes() const& { return get<Bytes>("bytes"); }
TR_INLINE const Tensor& Value::tensor() const& { return *get<std::shared_ptr<const Tensor>>("a tensor"); }
TR_INLINE const Value::List& Value::elements() const& { return get<List>("a list"); }
TR_INLINE const Value::Dict& Value::members() const& { return get<Dict>("a dict"); }

TR_INLINE Value Value::dict(std::initializer_list<Member> members) { return Dict(members); }

TR_INLINE std::int64_t Value::checked_unsigned(std::uint64_t value) {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        throw LocalProtocolError("bad_value", std::to_string(value) + " does not fit 64 bits with a sign");
    }
    return static_cast<std::int64_t>(value);
}

TR_INLINE Value::Kind Value::kind() const noexcept {
    constexpr Kind kinds[] = {Kind::Null,  Kind::Bool,   Kind::Int,  Kind::Float, Kind::Text,
                              Kind::Bytes, Kind::Tensor, Kind::List, Kind::Dict};
    return kinds[data_.index()];
}

TR_INLINE void Value::refuse(const char* wanted) const {
    throw CommandError("wrong_type", detail::name_of(kind()) + std::string(" where ") + wanted + " is wanted");
}

TR_INLINE std::size_t Value::size() const { return kind() == Kind::Dict ? members().size() : elements().size(); }

TR_INLINE const Value& Value::element(std::uint64_t index, bool is_signed) const {
    const List& list = elements();
    if (index < list.size()) return list[static_cast<std::size_t>(index)];
    const std::string shown = is_signed ? std::to_string(static_cast<std::int64_t>(index)) : std::to_string(index);
    throw CommandError("wrong_type", "no element " + shown + " in a list of " + std::to_string(list.size()));
}

TR_INLINE const Value* Value::find(std::string_view key) const {
    for (const Member& member : members()) {
        if (member.key == key) return &member.value;
    }
    return nullptr;
}

TR_INLINE const Value& Value::member(std::string_view key) const {
    if (const Value* value = find(key)) return *value;
    std::string keys;
    for (const Member& member : members()) keys += (keys.empty() ? "" : ", ") + detail::utf8::for_display(member.key);
    throw CommandError("wrong_type",
                       "no " + detail::utf8::for_display(key) + " in a dict with " + (keys.empty() ? "no keys" : keys));
}

TR_INLINE bool Value::is_equal(const Value& other) const {
    const auto* tensor = std::get_if<std::shared_ptr<const Tensor>>(&data_);
    const auto* other_tensor = std::get_if<std::shared_ptr<const Tensor>>(&other.data_);
    return tensor && other_tensor ? **tensor == **other_tensor : data_ == other.data_;
}

TR_INLINE void Value::write(Encoder& encoder) const {
    switch (kind()) {
        case Kind::Null: return encoder.null();
        case Kind::Bool: return encoder.boolean(std::get<bool>(data_));
        case Kind::Int: return encoder.integer(std::get<std::int64_t>(data_));
        case Kind::Float: return encoder.number(std::get<double>(data_));
        case Kind::Text: return encoder.text(text());
        case Kind::Bytes: return encoder.bytes(bytes());
        case Kind::Tensor: return encoder.tensor(tensor());
        case Kind::List: return write_elements(encoder);
        case Kind::Dict:
            encoder.begin_dict();
            for (const Member& member : members()) {
                encoder.key(member.key);
                member.value.write(encoder);
            }
            encoder.end_dict();
    }
}

// A long list of numbers of one kind is packed.
TR_INLINE void Value::write_elements(Encoder& encoder) const {
    const List& list = elements();
    const auto are_all = [&](Kind kind) {
        return std::all_of(list.begin(), list.end(), [kind](const Value& value) { return value.kind() == kind; });
    };
    const bool is_long = list.size() > Encoder::longest_json_list;
    if (is_long && are_all(Kind::Int)) {
        std::vector<std::int64_t> numbers;
        for (const Value& value : list) numbers.push_back(std::get<std::int64_t>(value.data_));
        return encoder.integers(std::move(numbers));
    }
    if (is_long && are_all(Kind::Float)) {
        std::vector<double> numbers;
        for (const Value& value : list) numbers.push_back(std::get<double>(value.data_));
        return encoder.numbers(std::move(numbers));
    }
    encoder.begin_list();
    for (const Value& value : list) value.write(encoder);
    encoder.end_list();
}

TR_INLINE Value Value::read(Decoder& decoder) {
    switch (decoder.kind()) {
        case Kind::Null: return decoder.null(), Value();
        case Kind::Bool: return decoder.boolean();
        case Kind::Int: return decoder.integer();
        case Kind::Float: return decoder.number();
        case Kind::Text: return decoder.text();
        case Kind::Bytes: return decoder.bytes();
        case Kind::Tensor: return decoder.tensor();
        case Kind::List: {
            List list;
            decoder.begin_list();
            while (decoder.next_element()) list.push_back(read(decoder));
            return list;
        }
        case Kind::Dict: break;
    }
    Dict members;
    std::string key;
    decoder.begin_dict();
    while (decoder.next_key(key)) members.push_back({key, read(decoder)});
    return members;
}

TR_INLINE Body encode_call(const Arguments& arguments) {
    const Value::List& positional = arguments.positional;
    if (arguments.keywords.empty() && positional.size() == 1 && positional[0].kind() == Value::Kind::Text)
        return encode_text(positional[0].text(), Body::Role::Call);
    Encoder encoder(Body::Role::Call);
    encoder.begin_list();
    encoder.begin_list();
    for (const Value& argument : positional) Codec<Value>::put(encoder, argument);
    encoder.end_list();
    if (!arguments.keywords.empty()) {
        encoder.begin_dict();
        for (const Value::Member& keyword : arguments.keywords) {
            encoder.key(keyword.key);
            Codec<Value>::put(encoder, keyword.value);
        }
        encoder.end_dict();
    }
    encoder.end_list();
    return encoder.finish();
}

TR_INLINE Arguments decode_call(const Body& body) {
    const ExpandedBody expanded(body, Body::Role::Call);
    Decoder decoder(expanded.json, *expanded.attachments, Body::Role::Call);
    const auto require = [](bool condition) {
        if (!condition) throw RemoteProtocolError("bad_value", "a call that is not [args] or [args, kwargs]");
    };
    Arguments arguments;
    require(decoder.kind() == Value::Kind::List);
    decoder.begin_list();
    require(decoder.next_element() && decoder.kind() == Value::Kind::List);
    arguments.positional = Codec<Value>::get(decoder).elements();
    if (decoder.next_element()) {
        require(decoder.kind() == Value::Kind::Dict);
        arguments.keywords = Codec<Value>::get(decoder).members();
        require(!decoder.next_element());
    }
    decoder.finish();
    return arguments;
}

}  // namespace tr
