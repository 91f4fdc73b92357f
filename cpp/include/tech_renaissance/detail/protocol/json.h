// JSON (RFC 8259): a value, a parser and a writer. Strings are UTF-8.
//
// A number keeps its text, so that reading and writing it loses nothing; it is converted only when asked for.
// Values are ordinary values: not synchronised, but safe to read from several threads.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iomanip>
#include <limits>
#include <locale>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "tech_renaissance/detail/base/utf8.h"
#include "tech_renaissance/error.h"

namespace tr::detail::json {

// Arrays and objects nested deeper than this are refused.
constexpr int max_depth = 64;

class Number {
public:
    template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0>
    explicit Number(T value) : text_(std::to_string(value)) {}
    // Written so that reading it gives the same double. Throws std::domain_error for NaN and infinity.
    explicit Number(double value);

    // REQUIRES: text is a JSON number.
    static Number from_text(std::string_view text) { return Number(std::string(text)); }

    const std::string& text() const noexcept { return text_; }
    // Exact: nullopt for a fraction, an exponent, or a value out of range.
    std::optional<std::int64_t> as_int64() const { return as_integer<std::int64_t>(); }
    std::optional<std::uint64_t> as_uint64() const { return as_integer<std::uint64_t>(); }
    // The nearest double; infinity beyond the range of double.
    double as_double() const;

private:
    explicit Number(std::string text) : text_(std::move(text)) {}

    template <class T>
    std::optional<T> as_integer() const {
        T value{};
        const char* const end = text_.data() + text_.size();
        const auto [stop, error] = std::from_chars(text_.data(), end, value);
        if (error != std::errc() || stop != end) return std::nullopt;
        return value;
    }

    std::string text_;
};

class Value;
struct Member;
using Array = std::vector<Value>;

// Members in the order of their insertion. Each key occurs once.
class Object {
public:
    // Defined below, where a Member is complete.
    Object();
    Object(const Object& other);
    Object(Object&& other) noexcept;
    Object& operator=(const Object& other);
    Object& operator=(Object&& other) noexcept;
    ~Object();
    // If a key occurs twice, the last one counts.
    explicit Object(std::vector<Member> members);
    Object(std::initializer_list<Member> members);

    // The value of key, or nullptr. The pointer is valid until the object changes.
    const Value* find(std::string_view key) const;
    // Appends a member, or replaces the value if the key exists.
    void set(std::string key, Value value);

    std::vector<Member>::const_iterator begin() const { return members_.begin(); }
    std::vector<Member>::const_iterator end() const { return members_.end(); }

private:
    std::vector<Member> members_;
};

class Value {
public:
    Value(std::nullptr_t = nullptr) {}
    template <class T, std::enable_if_t<std::is_same_v<T, bool>, int> = 0>  // not types that merely convert to bool
    Value(T value) : data_(value) {}
    template <class T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, int> = 0>
    Value(T value) : data_(Number(value)) {}
    Value(double value) : data_(Number(value)) {}
    Value(Number value) : data_(std::move(value)) {}
    Value(std::string value) : data_(std::move(value)) {}
    Value(std::string_view value) : data_(std::string(value)) {}
    Value(const char* value) : data_(std::string(value)) {}
    Value(Array value) : data_(std::move(value)) {}
    Value(Object value) : data_(std::move(value)) {}

    bool is_null() const noexcept { return std::holds_alternative<std::nullptr_t>(data_); }
    // T: bool, Number, std::string, Array or Object. nullptr if the value is something else.
    template <class T>
    const T* get_if() const noexcept {
        return std::get_if<T>(&data_);
    }

private:
    std::variant<std::nullptr_t, bool, Number, std::string, Array, Object> data_;
};

struct Member {
    std::string key;
    Value value;
};

inline Object::Object() = default;
inline Object::Object(const Object& other) = default;
inline Object::Object(Object&& other) noexcept = default;
inline Object& Object::operator=(const Object& other) = default;
inline Object& Object::operator=(Object&& other) noexcept = default;
inline Object::~Object() = default;

inline Object::Object(std::vector<Member> members) {
    std::set<std::string_view> seen;
    std::vector<bool> counts(members.size());
    for (std::size_t i = members.size(); i-- > 0;) counts[i] = seen.insert(members[i].key).second;
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (counts[i]) members_.push_back(std::move(members[i]));
    }
}

inline Object::Object(std::initializer_list<Member> members) : Object(std::vector<Member>(members)) {}

inline const Value* Object::find(std::string_view key) const {
    for (const Member& member : members_) {
        if (member.key == key) return &member.value;
    }
    return nullptr;
}

inline void Object::set(std::string key, Value value) {
    for (Member& member : members_) {
        if (member.key != key) continue;
        member.value = std::move(value);
        return;
    }
    members_.push_back({std::move(key), std::move(value)});
}

// Uses streams with the classic locale: strtod and printf follow the program's locale, and older standard libraries
// lack std::from_chars for floating-point numbers.
inline double Number::as_double() const {
    std::istringstream in(text_);
    in.imbue(std::locale::classic());
    double value = 0;
    in >> value;
    const bool overflow = in.fail() && std::abs(value) > 1;  // some libraries also fail on numbers near zero
    return overflow ? std::copysign(std::numeric_limits<double>::infinity(), value) : value;
}

inline Number::Number(double value) {
    if (!std::isfinite(value)) throw std::domain_error("JSON has no NaN and no infinity");
    using Limits = std::numeric_limits<double>;
    for (int digits = Limits::digits10; digits <= Limits::max_digits10; ++digits) {
        std::ostringstream out;
        out.imbue(std::locale::classic());
        out << std::setprecision(digits) << value;
        text_ = out.str();
        if (!(as_double() < value) && !(as_double() > value)) return;
    }
}

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {}

    Value parse_text() {
        constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
        position_ = utf8::find_invalid(text_);
        if (position_ != std::string_view::npos) fail("a byte that is not UTF-8");
        position_ = text_.substr(0, byte_order_mark.size()) == byte_order_mark ? byte_order_mark.size() : 0;
        Value value = parse_value(0);
        skip_white_space();
        if (position_ != text_.size()) fail("something after the value");
        return value;
    }

private:
    [[noreturn]] void fail(const std::string& defect) const {
        throw RemoteProtocolError("bad_json", "not a JSON text: " + defect + " at byte " + std::to_string(position_));
    }

    // The next character, or 0 at the end; JSON does not allow the character 0 anywhere.
    char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }

    bool skip(char expected) {
        if (peek() != expected) return false;
        ++position_;
        return true;
    }

    void skip_white_space() {
        while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++position_;
    }

    Value parse_value(int depth) {
        skip_white_space();
        switch (peek()) {
            case '{': return parse_object(depth + 1);
            case '[': return parse_array(depth + 1);
            case '"': return parse_string();
            case 't': return parse_word("true", true);
            case 'f': return parse_word("false", false);
            case 'n': return parse_word("null", nullptr);
            default: return parse_number();
        }
    }

    void enter(int depth) {
        if (depth > max_depth) fail("nesting deeper than " + std::to_string(max_depth) + " levels");
        ++position_;
        skip_white_space();
    }

    Object parse_object(int depth) {
        enter(depth);
        std::vector<Member> members;
        if (skip('}')) return Object();
        do {
            skip_white_space();
            if (peek() != '"') fail("no key");
            std::string key = parse_string();
            skip_white_space();
            if (!skip(':')) fail("no colon");
            members.push_back({std::move(key), parse_value(depth)});
            skip_white_space();
        } while (skip(','));
        if (!skip('}')) fail("an object that does not end");
        return Object(std::move(members));
    }

    Array parse_array(int depth) {
        enter(depth);
        Array elements;
        if (skip(']')) return elements;
        do {
            elements.push_back(parse_value(depth));
            skip_white_space();
        } while (skip(','));
        if (!skip(']')) fail("an array that does not end");
        return elements;
    }

    Value parse_word(std::string_view word, Value value) {
        if (text_.substr(position_, word.size()) != word) fail("no value");
        position_ += word.size();
        return value;
    }

    void skip_digits() {
        if (peek() < '0' || peek() > '9') fail(position_ == text_.size() ? "the end of the text" : "no value");
        while (peek() >= '0' && peek() <= '9') ++position_;
    }

    Number parse_number() {
        const std::size_t begin = position_;
        skip('-');
        if (!skip('0')) skip_digits();
        if (skip('.')) skip_digits();
        if (skip('e') || skip('E')) {
            if (!skip('+')) skip('-');
            skip_digits();
        }
        return Number::from_text(text_.substr(begin, position_ - begin));
    }

    std::string parse_string() {
        ++position_;
        std::string value;
        for (;;) {
            const std::size_t begin = position_;
            while (static_cast<unsigned char>(peek()) >= 0x20 && peek() != '"' && peek() != '\\') ++position_;
            value.append(text_, begin, position_ - begin);
            if (skip('"')) return value;
            if (position_ == text_.size()) fail("a string that does not end");
            if (!skip('\\')) fail("a control character in a string");
            parse_escape(value);
        }
    }

    void parse_escape(std::string& value) {
        constexpr std::string_view escapes = "\"\\/bfnrt";
        constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
        if (skip('u')) return utf8::append(value, parse_code_point());
        const std::size_t which = escapes.find(peek());
        if (which == std::string_view::npos) fail("an unknown escape");
        ++position_;
        value.push_back(meanings[which]);
    }

    // Reads what follows \u. A surrogate without its other half becomes U+FFFD, because UTF-8 cannot hold it.
    char32_t parse_code_point() {
        const char32_t first = parse_hex();
        if (!utf8::is_surrogate(first)) return first;
        if (first >= 0xDC00 || text_.substr(position_, 2) != "\\u") return utf8::replacement_character;
        const std::size_t after_first = position_;
        position_ += 2;
        const char32_t second = parse_hex();
        if (second >= 0xDC00 && second <= 0xDFFF) return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        position_ = after_first;  // the second escape stands for itself
        return utf8::replacement_character;
    }

    char32_t parse_hex() {
        const std::string_view digits = text_.substr(position_, 4);
        std::uint32_t value = 0;
        const char* const end = digits.data() + digits.size();
        const auto [stop, error] = std::from_chars(digits.data(), end, value, 16);
        if (digits.size() != 4 || error != std::errc() || stop != end) fail("no four hexadecimal digits");
        position_ += 4;
        return value;
    }

    std::string_view text_;
    std::size_t position_ = 0;
};

// Throws RemoteProtocolError "bad_json"; the message says what is wrong and at which byte. Skips a byte order mark.
inline Value parse(std::string_view text) { return Parser(text).parse_text(); }

// A character that JSON has an escape for: a control character, a quote or a backslash.
inline void append_escape(std::string& out, char character) {
    constexpr std::string_view named = "\"\\\b\f\n\r\t";
    constexpr std::string_view names = "\"\\bfnrt";
    constexpr char hexadecimal[] = "0123456789abcdef";
    const std::size_t which = named.find(character);
    if (which != std::string_view::npos) {
        (out += '\\') += names[which];
    } else {
        const auto code = static_cast<unsigned char>(character);
        ((out += "\\u00") += hexadecimal[code >> 4]) += hexadecimal[code & 0xF];
    }
}

inline void write_string(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        const auto [code_point, nbytes] = utf8::decode(text);
        if (nbytes == 0) {
            utf8::append(out, utf8::replacement_character);
        } else if (code_point < 0x20 || code_point == '"' || code_point == '\\') {
            append_escape(out, text[0]);
        } else {
            out.append(text, 0, nbytes);
        }
        text.remove_prefix(nbytes == 0 ? 1 : nbytes);
    }
    out += '"';
}

inline void write_value(std::string& out, const Value& value);

inline void write_array(std::string& out, const Array& elements) {
    out += '[';
    for (const Value& element : elements) {
        if (&element != &elements.front()) out += ',';
        write_value(out, element);
    }
    out += ']';
}

inline void write_object(std::string& out, const Object& object) {
    out += '{';
    for (auto member = object.begin(); member != object.end(); ++member) {
        if (member != object.begin()) out += ',';
        write_string(out, member->key);
        out += ':';
        write_value(out, member->value);
    }
    out += '}';
}

inline void write_value(std::string& out, const Value& value) {
    if (const auto* flag = value.get_if<bool>()) {
        out += *flag ? "true" : "false";
    } else if (const auto* number = value.get_if<Number>()) {
        out += number->text();
    } else if (const auto* string = value.get_if<std::string>()) {
        write_string(out, *string);
    } else if (const auto* elements = value.get_if<Array>()) {
        write_array(out, *elements);
    } else if (const auto* object = value.get_if<Object>()) {
        write_object(out, *object);
    } else {
        out += "null";
    }
}

// One line of UTF-8 without white space between tokens. Bytes of a string that are not UTF-8 become U+FFFD.
inline std::string write(const Value& value) {
    std::string out;
    write_value(out, value);
    return out;
}

}  // namespace tr::detail::json
