// How bodies become values.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "tech_renaissance/body.h"
#include "tech_renaissance/bytes.h"
#include "tech_renaissance/config.h"
#include "tech_renaissance/decoder.h"
#include "tech_renaissance/detail/base/utf8.h"
#include "tech_renaissance/detail/protocol/float_text.h"
#include "tech_renaissance/detail/protocol/value_path.h"
#include "tech_renaissance/detail/surface/decoder_tokens.h"
#include "tech_renaissance/detail/surface/encoder.h"
#include "tech_renaissance/detail/surface/refusal.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/tensor.h"

namespace tr {

namespace detail {

// Up to here every int is a double.
inline constexpr std::int64_t largest_int_of_doubles = std::int64_t{1} << 53;

inline const char* name_of(Decoder::Kind kind) {
    switch (kind) {
        case Decoder::Kind::Null: return "null";
        case Decoder::Kind::Bool: return "a bool";
        case Decoder::Kind::Int: return "an int";
        case Decoder::Kind::Float: return "a float";
        case Decoder::Kind::Text: return "a string";
        case Decoder::Kind::Bytes: return "bytes";
        case Decoder::Kind::Tensor: return "a tensor";
        case Decoder::Kind::List: return "a list";
        case Decoder::Kind::Dict: return "a dict";
    }
    return "";
}

}  // namespace detail

TR_INLINE Decoder::Decoder(std::string_view json, const std::vector<Attachment>& attachments, Body::Role role)
    : text_(json), attachments_(&attachments), used_(attachments.size()), role_(role) {}

// ------------------------------------------------------------------------------------------------------------ errors

TR_INLINE std::string Decoder::where(std::size_t place, const std::string& element) const {
    const std::string path = detail::path_after(text_.substr(0, place), role_) + element;
    return path.empty() ? "the value" : path;
}

TR_INLINE std::string Decoder::element_at(std::size_t place) const {
    return packed_ != nullptr && place == value_begin_ ? "[" + std::to_string(value_index_) + "]" : "";
}

TR_INLINE std::size_t Decoder::levels_between(std::size_t begin, std::size_t end) const {
    return begin < end ? detail::path_levels(text_.substr(begin, end - begin)).size() : 0;
}

TR_INLINE void Decoder::refuse(const detail::Refusal& refusal) const {
    if (outermost_trial_ != nullptr) throw detail::Refused(refusal);
    throw CommandError("wrong_type", where(refusal.place, refusal.element) + ": " + refusal.problem);
}

TR_INLINE void Decoder::refuse(std::size_t place, const std::string& problem) const {
    refuse(detail::Refusal{place, element_at(place), problem});
}

TR_INLINE void Decoder::refuse_kind(const char* wanted) {
    position_ = value_begin_;
    refuse(detail::name_of(kind()) + std::string(" where ") + wanted + " is wanted");
}

TR_INLINE void Decoder::fail_json(const std::string& defect) const {
    throw RemoteProtocolError("bad_json", "not a JSON text: " + defect + " at byte " + std::to_string(position_));
}

TR_INLINE void Decoder::fail_value(const std::string& defect) const {
    throw RemoteProtocolError("bad_value", where(value_begin_, element_at(value_begin_)) + ": " + defect);
}

// ------------------------------------------------------------------------------------------------------------ values

TR_INLINE void Decoder::begin_value() {
    if (packed_ != nullptr) {
        value_index_ = packed_index_;
        return;
    }
    skip_white_space();
    value_begin_ = position_;
}

TR_INLINE Decoder::Kind Decoder::kind() {
    begin_value();
    if (packed_ != nullptr) return packed_->kind == Attachment::Kind::Int64List ? Kind::Int : Kind::Float;
    switch (peek()) {
        case 'n': return Kind::Null;
        case 't':
        case 'f': return Kind::Bool;
        case '"': return Kind::Text;
        case '[': return Kind::List;
        case '{': break;
        default: {
            if (!is_at_number()) fail_json("no value");
            bool is_int = false;
            number_token(is_int);
            position_ = value_begin_;
            return is_int ? Kind::Int : Kind::Float;
        }
    }
    const Special what = special();
    if (what == Special::None) return Kind::Dict;
    if (what == Special::Float) return Kind::Float;
    const Attachment::Kind attached = (*attachments_)[referred_to()].kind;
    position_ = value_begin_;
    if (attached == Attachment::Kind::Tensor) return Kind::Tensor;
    return attached == Attachment::Kind::Bytes ? Kind::Bytes : Kind::List;
}

TR_INLINE void Decoder::null() {
    if (kind() != Kind::Null) refuse_kind("null");
    expect_word("null");
}

TR_INLINE bool Decoder::boolean() {
    if (kind() != Kind::Bool) refuse_kind("a bool");
    const bool value = peek() == 't';
    expect_word(value ? "true" : "false");
    return value;
}

TR_INLINE std::int64_t Decoder::integer() {
    begin_value();
    if (packed_ != nullptr) {
        if (packed_->kind == Attachment::Kind::Int64List) return packed_number<std::int64_t>();
        return without_fraction(packed_number<double>());
    }
    if (!is_at_number()) refuse_kind("an int");
    bool is_int = false;
    const std::string_view token = number_token(is_int);
    return is_int ? parse_int(token) : without_fraction(parse_float(token));
}

TR_INLINE double Decoder::number() {
    begin_value();
    if (packed_ != nullptr) {
        if (packed_->kind == Attachment::Kind::Float64List) return packed_number<double>();
        return without_loss(packed_number<std::int64_t>());
    }
    if (peek() == '{' && special() == Special::Float) return special_float();
    if (!is_at_number()) refuse_kind("a float");
    bool is_int = false;
    const std::string_view token = number_token(is_int);
    return is_int ? without_loss(parse_int(token)) : parse_float(token);
}

TR_INLINE std::int64_t Decoder::without_fraction(double value) const {
    constexpr auto limit = static_cast<double>(detail::largest_int_of_doubles);
    if (std::abs(value) <= limit && std::trunc(value) - value == 0) return static_cast<std::int64_t>(value);
    std::string shown;
    if (std::isfinite(value)) detail::append_double(shown, value);
    refuse((shown.empty() ? "a float that is not finite" : shown) + " where an int is wanted");
}

TR_INLINE double Decoder::without_loss(std::int64_t value) const {
    if (value > detail::largest_int_of_doubles || value < -detail::largest_int_of_doubles) {
        refuse(std::to_string(value) + " where a float is wanted: as one it would not be exact");
    }
    return static_cast<double>(value);
}

TR_INLINE std::string Decoder::text() {
    if (kind() != Kind::Text) refuse_kind("a string");
    std::string value;
    parse_string(value);
    return value;
}

TR_INLINE Bytes Decoder::bytes() {
    const Tensor& data = attachment(Attachment::Kind::Bytes, "bytes").data;
    return {data.data_ptr(), data.memory_size()};
}

TR_INLINE Tensor Decoder::tensor() { return attachment(Attachment::Kind::Tensor, "a tensor").data; }

TR_INLINE const Attachment& Decoder::attachment(Attachment::Kind kind, const char* wanted) {
    begin_value();
    if (packed_ == nullptr && peek() == '{' && special() == Special::Attachment) {
        const std::size_t index = referred_to();
        if ((*attachments_)[index].kind == kind) return use(index);
    }
    refuse_kind(wanted);
}

// ------------------------------------------------------------------------------------------------------------- parts

TR_INLINE void Decoder::require_level() const {
    if (depth_ < detail::deepest_body_level) return;
    fail_json("nesting deeper than " + std::to_string(detail::deepest_body_level) + " levels");
}

TR_INLINE void Decoder::begin_parts() {
    require_level();
    ++depth_;
    ++position_;
    is_first_ = true;
}

// Whether there is one more part of a list or dict; leaves it after the last.
TR_INLINE bool Decoder::next_part(char end) {
    if (is_first_) {
        is_first_ = false;
        if (!skip_character(end)) return true;
    } else {
        if (skip_character(',')) return true;
        if (!skip_character(end)) fail_json("no comma, and no end");
    }
    --depth_;
    return false;
}

TR_INLINE void Decoder::begin_list() {
    if (kind() != Kind::List) refuse_kind("a list");
    if (peek() == '[') return begin_parts();
    packed_ = &use(referred_to());
    packed_index_ = 0;
}

TR_INLINE bool Decoder::next_element() {
    if (packed_ == nullptr) return next_part(']');
    if (packed_index_ < static_cast<std::size_t>(packed_->data.numel())) return true;
    packed_ = nullptr;
    return false;
}

TR_INLINE void Decoder::begin_dict() {
    if (kind() != Kind::Dict) refuse_kind("a dict");
    begin_parts();
}

TR_INLINE bool Decoder::next_key(std::string& key) {
    if (!next_part('}')) return false;
    skip_white_space();
    if (peek() != '"') fail_json("no key");
    parse_string(key);
    if (!key.empty() && key[0] == '$') {
        if (key.size() < 2 || key[1] != '$') fail_value("the key " + key + ", which begins with a single $");
        key.erase(0, 1);
    }
    if (!skip_character(':')) fail_json("no colon");
    return true;
}

// At a brace: whether the first key makes the object something else than a dict.
TR_INLINE Decoder::Special Decoder::special() {
    const std::size_t begin = position_++;
    skip_white_space();
    std::string key;
    const std::string_view start = text_.substr(position_, 2);
    if (start == "\"$" || start == "\"\\") parse_string(key);
    position_ = begin;
    return key == "$" ? Special::Attachment : key == "$f" ? Special::Float : Special::None;
}

TR_INLINE void Decoder::enter_special() {
    begin_parts();
    is_first_ = false;
    skip_white_space();
    std::string key;
    parse_string(key);
    if (!skip_character(':')) fail_json("no colon");
    skip_white_space();
}

TR_INLINE void Decoder::leave_special() {
    std::string key;
    if (!next_key(key)) return;
    do {
        skip();
    } while (next_key(key));
    fail_value("an object with a key that begins with $, and others");
}

TR_INLINE double Decoder::special_float() {
    enter_special();
    std::string name;
    if (peek() == '"') {
        parse_string(name);
    } else {
        skip();
    }
    leave_special();
    if (name == "nan") return std::numeric_limits<double>::quiet_NaN();
    const bool is_negative = name == "-inf";
    if (name != "inf" && !is_negative) fail_value("a float that does not exist");
    return is_negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
}

// Reads a reference; the index is that of an attachment.
TR_INLINE std::size_t Decoder::referred_to() {
    const std::size_t begin = value_begin_;
    enter_special();
    bool is_int = false;
    std::string_view token;
    if (is_at_number()) {
        token = number_token(is_int);
    } else {
        skip();
    }
    leave_special();
    value_begin_ = begin;
    std::size_t index = 0;
    const std::errc error = std::from_chars(token.data(), token.data() + token.size(), index).ec;
    if (!is_int || error != std::errc() || index >= attachments_->size()) {
        fail_value("a reference to an attachment that is not there");
    }
    return index;
}

TR_INLINE const Attachment& Decoder::use(std::size_t index) {
    const Attachment& attachment = (*attachments_)[index];
    // What is copied wherever it occurs could become as large as the sender likes.
    const bool is_too_often = used_[index] && attachment.kind != Attachment::Kind::Tensor;
    if (is_too_often) fail_value("two references to an attachment that is no tensor");
    used_[index] = true;
    return attachment;
}

TR_INLINE void Decoder::skip() {
    switch (kind()) {
        case Kind::Null: return null();
        case Kind::Bool: return static_cast<void>(boolean());
        case Kind::Int: return static_cast<void>(integer());
        case Kind::Float: return static_cast<void>(number());
        case Kind::Text: return static_cast<void>(text());
        case Kind::Bytes:
        case Kind::Tensor: return static_cast<void>(use(referred_to()));
        case Kind::List:
            begin_list();
            while (next_element()) skip();
            return;
        case Kind::Dict: {
            std::string key;
            begin_dict();
            while (next_key(key)) skip();
        }
    }
}

TR_INLINE void Decoder::finish() {
    skip_white_space();
    if (position_ != text_.size()) fail_json("something after the value");
    value_begin_ = 0;
    for (const bool is_used : used_) {
        if (!is_used) fail_value("an attachment that nothing refers to");
    }
}

TR_INLINE ExpandedBody::ExpandedBody(const Body& body, Body::Role role)
    : json(body.text), attachments(&body.attachments) {
    if (body.text.size() > detail::longest_body_text) {
        throw RemoteProtocolError("too_large", "a text of " + std::to_string(body.text.size()) + " bytes");
    }
    if (body.form == Body::Form::Json) return;
    if (body.form == Body::Form::Attachments) {
        if (!body.text.empty()) throw RemoteProtocolError("bad_value", "a text beside attachments alone");
        expanded = detail::json_of_attachments(body.attachments.size(), role);
    } else if (body.form == Body::Form::Text) {
        if (detail::utf8::find_invalid(body.text) != std::string_view::npos) {
            throw RemoteProtocolError("bad_json", "a text that is not UTF-8");
        }
        attachments = &no_attachments;
        detail::json::write_string(expanded, body.text);
        if (role == Body::Role::Call) expanded = "[[" + expanded + "]]";
    } else {
        throw RemoteProtocolError("bad_value", "a body of a form that does not exist");
    }
    json = expanded;
}

}  // namespace tr
