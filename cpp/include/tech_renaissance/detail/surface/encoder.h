// How values become bodies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tech_renaissance/body.h"
#include "tech_renaissance/bytes.h"
#include "tech_renaissance/config.h"
#include "tech_renaissance/detail/base/utf8.h"
#include "tech_renaissance/detail/protocol/float_text.h"
#include "tech_renaissance/detail/protocol/value_path.h"
#include "tech_renaissance/dtype.h"
#include "tech_renaissance/encoder.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/shape.h"
#include "tech_renaissance/tensor.h"

namespace tr {

namespace detail {

template <class T>
Tensor packed_list(std::vector<T> values) {
    const auto owner = std::make_shared<std::vector<T>>(std::move(values));
    const auto count = static_cast<std::int64_t>(owner->size());
    return Tensor::from_storage(owner, owner->data(), Shape({count}), dtype_of<T>());
}

inline std::string not_utf8(std::size_t position) {
    return "is text that is not UTF-8, at byte " + std::to_string(position) + ": send tr::Bytes, or convert it";
}

inline void require_short(std::size_t nbytes) {
    if (nbytes <= longest_body_text) return;
    throw LocalProtocolError("too_large", "the value makes a text of " + std::to_string(nbytes) +
                                              " bytes, which may have " + std::to_string(longest_body_text) +
                                              ": send tr::Bytes, a tensor, or several calls");
}

// What the JSON of attachments alone, or of nothing, looks like.
inline std::string json_of_attachments(std::size_t count, Body::Role role) {
    std::string json;
    for (std::size_t i = 0; i < count; ++i) json += (i ? ",{\"$\":" : "{\"$\":") + std::to_string(i) + "}";
    if (role == Body::Role::Call) return "[[" + json + "]]";
    return count == 0 ? "null" : count == 1 ? json : "[" + json + "]";
}

inline bool is_only_attachments(const Body& body, Body::Role role) {
    for (const Attachment& attachment : body.attachments) {
        const bool is_list =
            attachment.kind == Attachment::Kind::Int64List || attachment.kind == Attachment::Kind::Float64List;
        if (is_list) return false;
    }
    return body.text == json_of_attachments(body.attachments.size(), role);
}

}  // namespace detail

TR_INLINE void Encoder::refuse(const std::string& problem) const {
    const std::string path = detail::path_after(text_, role_);
    throw LocalProtocolError("bad_value", (path.empty() ? "the value" : path) + " " + problem);
}

TR_INLINE void Encoder::require_level() const {
    if (depth_ < detail::deepest_body_level) return;
    refuse(detail::nested_too_deeply());
}

TR_INLINE void Encoder::open(char bracket) {
    require_level();
    ++depth_;
    text_ += bracket;
}

TR_INLINE void Encoder::close(char bracket) {
    --depth_;
    if (text_.back() == ',') {
        text_.back() = bracket;
    } else {
        text_ += bracket;
    }
    text_ += ',';
}

TR_INLINE void Encoder::integer(std::int64_t value) {
    char digits[24];
    text_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
    text_ += ',';
}

TR_INLINE void Encoder::integer_unsigned(std::uint64_t value) {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        refuse("is an int that does not fit 64 bits with a sign: send it as text, or as a double");
    }
    integer(static_cast<std::int64_t>(value));
}

TR_INLINE void Encoder::number(double value) {
    if (value - value == 0) {  // neither NaN nor infinite
        detail::append_double(text_, value);
        text_ += ',';
        return;
    }
    require_level();
    put(value > 0 ? R"({"$f":"inf"})" : value < 0 ? R"({"$f":"-inf"})" : R"({"$f":"nan"})");
}

TR_INLINE void Encoder::text(std::string_view value) {
    const std::size_t invalid = write_string(value);
    if (invalid != std::string_view::npos) refuse(detail::not_utf8(invalid));
    text_ += ',';
}

TR_INLINE void Encoder::key(std::string_view key) {
    const bool is_escaped = !key.empty() && key[0] == '$';
    const std::size_t invalid = is_escaped ? write_string("$" + std::string(key)) : write_string(key);
    if (invalid != std::string_view::npos) {
        refuse("has the key " + detail::utf8::for_display(key) + ", which is not UTF-8: convert it");
    }
    text_ += ':';
}

TR_INLINE std::size_t Encoder::write_string(std::string_view value) {
    const std::size_t begin = text_.size();
    text_ += '"';
    std::size_t written = 0;
    for (std::size_t at = 0; at < value.size();) {
        const auto next = static_cast<unsigned char>(value[at]);
        if (next >= 0x20 && next < 0x80 && next != '"' && next != '\\') {
            ++at;
        } else if (next >= 0x80) {
            const std::size_t nbytes = detail::utf8::decode(value.substr(at)).nbytes;
            if (nbytes == 0) {
                text_.resize(begin);
                return at;
            }
            at += nbytes;
        } else {
            text_.append(value, written, at - written);
            detail::json::append_escape(text_, static_cast<char>(next));
            written = ++at;
        }
    }
    text_.append(value, written, value.size() - written);
    text_ += '"';
    return std::string_view::npos;
}

TR_INLINE void Encoder::attach(Attachment::Kind kind, const Tensor& data) {
    require_level();
    put(R"({"$":)" + std::to_string(attachments_.size()) + "}");
    attachments_.push_back({kind, data});
}

TR_INLINE void Encoder::bytes(BytesView value) {
    // Nobody writes to what is only sent.
    const Shape row({static_cast<std::int64_t>(value.nbytes)});
    attach(Attachment::Kind::Bytes, Tensor::from_blob(const_cast<void*>(value.data), row, DType::UINT8));
}

TR_INLINE void Encoder::tensor(const Tensor& value) { attach(Attachment::Kind::Tensor, value); }

TR_INLINE void Encoder::integers(std::vector<std::int64_t> values) {
    if (values.size() > longest_json_list) {
        return attach(Attachment::Kind::Int64List, detail::packed_list(std::move(values)));
    }
    begin_list();
    for (const std::int64_t value : values) integer(value);
    end_list();
}

TR_INLINE void Encoder::numbers(std::vector<double> values) {
    if (values.size() > longest_json_list) {
        return attach(Attachment::Kind::Float64List, detail::packed_list(std::move(values)));
    }
    begin_list();
    for (const double value : values) number(value);
    end_list();
}

TR_INLINE Body Encoder::finish() {
    text_.pop_back();  // the comma after the value
    detail::require_short(text_.size());
    Body body{Body::Form::Json, std::exchange(text_, {}), std::exchange(attachments_, {})};
    if (detail::is_only_attachments(body, role_)) {
        body.form = Body::Form::Attachments;
        body.text.clear();
    }
    return body;
}

TR_INLINE Body encode_text(std::string_view text, Body::Role role) {
    const std::size_t invalid = detail::utf8::find_invalid(text);
    if (invalid != std::string_view::npos) {
        const char* const path = role == Body::Role::Call ? "args[0] " : "the value ";
        throw LocalProtocolError("bad_value", path + detail::not_utf8(invalid));
    }
    detail::require_short(text.size());
    return {Body::Form::Text, std::string(text), {}};
}

}  // namespace tr
