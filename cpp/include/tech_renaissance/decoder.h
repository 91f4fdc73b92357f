// Reads the value of a body piece by piece (spec/values.md). Programs need it for a Codec of their own; codec.h has the
// usual ones.
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

namespace detail {
struct Refusal;
class Trial;
}  // namespace detail

// A cursor over the text of a body. Reading a value moves it behind the value.
//
// Errors: RemoteProtocolError (`bad_json`, `bad_value`) if the body breaks a rule, CommandError `wrong_type` if the
// value is not what is asked for. Both say where in the value it stands. After an error nothing more can be read.
class Decoder {
public:
    enum class Kind { Null, Bool, Int, Float, Text, Bytes, Tensor, List, Dict };

    // REQUIRES: both arguments live as long as the decoder and its copies.
    Decoder(std::string_view json, const std::vector<Attachment>& attachments, Body::Role role = Body::Role::Result);

    // The kind of the value that comes next. Does not move.
    Kind kind();

    void null();
    bool boolean();
    // Also reads a float without a fraction, up to 2^53 on both sides of zero.
    std::int64_t integer();
    // Also reads an int, up to 2^53 on both sides of zero.
    double number();
    std::string text();
    Bytes bytes();
    Tensor tensor();

    // A list is read by `begin_list(); while (next_element()) read one value;`.
    void begin_list();
    bool next_element();
    // A dict is read by `begin_dict(); while (next_key(key)) read one value;`.
    void begin_dict();
    bool next_key(std::string& key);

    // The end of the body: nothing may follow, and each attachment must have been read.
    void finish();

    // Reads the next value, whatever it is.
    void skip();

    // Where the value begins that was read last, or after `kind` the next one.
    std::size_t place() const noexcept { return value_begin_; }
    // Throws CommandError `wrong_type`: "layers[2].width: " and the problem of the value that begins at the place.
    [[noreturn]] void refuse(std::size_t place, const std::string& problem) const;
    [[noreturn]] void refuse(const std::string& problem) const { refuse(value_begin_, problem); }

private:
    friend class detail::Trial;

    enum class Special { None, Attachment, Float };

    [[noreturn]] void fail_json(const std::string& defect) const;
    [[noreturn]] void fail_value(const std::string& defect) const;
    [[noreturn]] void refuse_kind(const char* wanted);
    [[noreturn]] void refuse(const detail::Refusal& refusal) const;
    std::string where(std::size_t place, const std::string& element) const;
    // "[2]", which is read of a packed list at the place.
    std::string element_at(std::size_t place) const;
    std::size_t levels_between(std::size_t begin, std::size_t end) const;

    char peek() const noexcept { return position_ < text_.size() ? text_[position_] : '\0'; }
    bool skip_character(char expected);
    void skip_white_space();
    void expect_word(std::string_view word);
    void skip_digits();
    bool is_at_number() const noexcept { return peek() == '-' || (peek() >= '0' && peek() <= '9'); }
    std::string_view number_token(bool& is_int);
    std::int64_t parse_int(std::string_view token) const;
    double parse_float(std::string_view token) const;
    std::int64_t without_fraction(double value) const;
    double without_loss(std::int64_t value) const;
    void parse_string(std::string& value);
    void parse_escape(std::string& value);
    char32_t parse_hexadecimal();
    void require_level() const;
    void begin_value();
    void begin_parts();
    bool next_part(char end);
    Special special();
    void enter_special();
    void leave_special();
    double special_float();
    std::size_t referred_to();
    const Attachment& use(std::size_t index);
    const Attachment& attachment(Attachment::Kind kind, const char* wanted);
    template <class T>
    T packed_number() {
        return static_cast<const T*>(packed_->data.data_ptr())[packed_index_++];
    }

    std::string_view text_;
    const std::vector<Attachment>* attachments_;
    std::vector<bool> used_;
    std::size_t position_ = 0;
    std::size_t value_begin_ = 0;
    const Attachment* packed_ = nullptr;  // the list of numbers that is being read
    std::size_t packed_index_ = 0;
    std::size_t value_index_ = 0;  // in it, for paths
    int depth_ = 0;
    bool has_surrogate_ = false;  // the string that is being read
    bool is_first_ = false;       // what comes next in a list or dict
    detail::Trial* outermost_trial_ = nullptr;
    Body::Role role_;
};

// The JSON that a body means; `expanded` holds it if the body has another form, and what a body of text has beside it
// is left out. RemoteProtocolError `bad_json`, `bad_value`, `too_large`.
struct ExpandedBody {
    explicit ExpandedBody(const Body& body, Body::Role role = Body::Role::Result);
    ExpandedBody(const ExpandedBody&) = delete;
    ExpandedBody& operator=(const ExpandedBody&) = delete;
    ~ExpandedBody() = default;

    std::string expanded;
    std::string_view json;
    std::vector<Attachment> no_attachments;
    const std::vector<Attachment>* attachments;
};

}  // namespace tr

#ifndef TR_COMPILED
#include "tech_renaissance/detail/surface/decoder.h"
#endif
