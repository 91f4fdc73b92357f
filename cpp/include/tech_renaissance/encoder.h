// Writes a value as a body (spec/values.md). Programs need it for a Codec of their own; codec.h has the usual ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tech_renaissance/body.h"
#include "tech_renaissance/bytes.h"
#include "tech_renaissance/config.h"
#include "tech_renaissance/tensor.h"

namespace tr {

// Each call writes one value, or begins or ends one. What is refused is a LocalProtocolError `bad_value` that says
// where in the value it stands.
//
// Memory is not copied: what tensors, bytes and packed numbers are views of must live until the body has been sent.
class Encoder {
public:
    explicit Encoder(Body::Role role = Body::Role::Result) : role_(role) {}

    void null() { put("null"); }
    void boolean(bool value) { put(value ? "true" : "false"); }
    void integer(std::int64_t value);
    void integer_unsigned(std::uint64_t value);
    void number(double value);
    // Must be UTF-8.
    void text(std::string_view value);
    void bytes(BytesView value);
    void tensor(const Tensor& value);
    // A whole list. Long ones are packed, others written out.
    void integers(std::vector<std::int64_t> values);
    void numbers(std::vector<double> values);

    // Stands for the input of a call: values that are sent later, one after another.
    void input() { put("{\"$in\":0}"); }

    void begin_list() { open('['); }
    void end_list() { close(']'); }
    void begin_dict() { open('{'); }
    // Before each value in a dict.
    void key(std::string_view key);
    void end_dict() { close('}'); }

    // The body of what has been written, in its shortest form. The encoder is empty afterwards.
    // LocalProtocolError `too_large` if its text is.
    Body finish();

    // Throws LocalProtocolError `bad_value`: "layers[2].width " and the problem.
    [[noreturn]] void refuse(const std::string& problem) const;

    // Lists of numbers up to this length are written out.
    static constexpr std::size_t longest_json_list = 16;

private:
    // Each value is followed by a comma, which the end of its container takes away.
    void put(std::string_view word) { (text_ += word) += ','; }
    void open(char bracket);
    void close(char bracket);
    // npos, or where the string is not UTF-8; the text is then as it was, for the path.
    std::size_t write_string(std::string_view value);
    void attach(Attachment::Kind kind, const Tensor& data);
    void require_level() const;

    std::string text_;
    std::vector<Attachment> attachments_;
    int depth_ = 0;
    Body::Role role_;
};

// The body of a text alone. LocalProtocolError `bad_value` if it is not UTF-8, `too_large`.
Body encode_text(std::string_view text, Body::Role role);

}  // namespace tr

#ifndef TR_COMPILED
#include "tech_renaissance/detail/surface/encoder.h"
#endif
