// Values whose type the program does not name: what a call gives that asks for no type, and what it may be given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "tech_renaissance/bytes.h"
#include "tech_renaissance/call_options.h"
#include "tech_renaissance/codec.h"
#include "tech_renaissance/config.h"
#include "tech_renaissance/decoder.h"
#include "tech_renaissance/encoder.h"
#include "tech_renaissance/keyword.h"
#include "tech_renaissance/tensor.h"

namespace tr {

namespace detail {

// A template, so that it is made when Value is complete.
template <class T>
struct MemberOf {
    std::string key;
    T value;

    friend bool operator==(const MemberOf& a, const MemberOf& b) { return a.key == b.key && a.value == b.value; }
};

}  // namespace detail

// Null, a bool, int, float, text, bytes, a tensor, a list or a dict (spec/values.md).
//
//     Value answer = ...;
//     double loss = answer["loss"].as<double>();
//     Tensor weights = answer["layers"][0]["weights"].tensor();
//
// What is not there, or of another type, is CommandError `wrong_type`. An ordinary value: copies are independent,
// except that tensors share their memory.
class Value {
public:
    using Kind = Decoder::Kind;
    // `key` and `value`.
    using Member = detail::MemberOf<Value>;
    using List = std::vector<Value>;
    // In order; each key is there once.
    using Dict = std::vector<Member>;

    Value(std::nullptr_t = nullptr) noexcept;
    Value(const Value&);
    Value(Value&&) noexcept;
    Value& operator=(const Value&);
    Value& operator=(Value&&) noexcept;
    ~Value();
    // Not of types that merely convert to bool, pointers among them.
    template <class T, std::enable_if_t<std::is_same_v<T, bool>, int> = 0>
    Value(T value) : Value(Bool{value}) {}
    // LocalProtocolError `bad_value` above 2^63 - 1.
    template <class T, std::enable_if_t<detail::is_integer<T>, int> = 0>
    Value(T value) : Value(Int{checked(value)}) {}
    template <class T, std::enable_if_t<detail::is_float<T>, int> = 0>
    Value(T value) : Value(Float{static_cast<double>(value)}) {}
    // Neither a number of 64 bits nor a text: a character, a long double.
    template <class T, std::enable_if_t<detail::is_foreign_arithmetic<T>, int> = 0>
    Value(T value) = delete;
    Value(std::string value);
    Value(std::string_view value) : Value(std::string(value)) {}
    // LocalProtocolError `bad_value` for a null pointer.
    Value(const char* value);
    Value(Bytes value);
    Value(const Tensor& value);
    Value(List value);
    Value(Dict value);

    // Value::list(1, "two", tensor): of anything that can be an argument.
    template <class... T>
    static Value list(const T&... elements) {
        List list;
        list.reserve(sizeof...(elements));
        (list.push_back(of(elements)), ...);
        return list;
    }
    // Value::dict({{"width", 3}, {"name", "x"}}). If a key occurs twice, the last one counts.
    static Value dict(std::initializer_list<Member> members);
    // From anything that can be an argument.
    template <class T>
    static Value of(const T& value);

    Kind kind() const noexcept;
    bool is_null() const noexcept { return kind() == Kind::Null; }

    // Converted as a result of that type would be.
    template <class T>
    T as() const;

    // A reference into the Value; a copy if the Value ends with the expression.
    const std::string& text() const&;
    std::string text() && { return text(); }
    const Bytes& bytes() const&;
    Bytes bytes() && { return bytes(); }
    const Tensor& tensor() const&;
    Tensor tensor() && { return tensor(); }
    const List& elements() const&;
    List elements() && { return elements(); }
    const Dict& members() const&;
    Dict members() && { return members(); }

    // How many elements a list or dict has.
    std::size_t size() const;
    template <class Index, std::enable_if_t<std::is_integral_v<Index>, int> = 0>
    const Value& operator[](Index index) const& {
        return element(static_cast<std::uint64_t>(index), std::is_signed_v<Index>);
    }
    template <class Index, std::enable_if_t<std::is_integral_v<Index>, int> = 0>
    Value operator[](Index index) && {
        return element(static_cast<std::uint64_t>(index), std::is_signed_v<Index>);
    }
    const Value& operator[](std::string_view key) const& { return member(key); }
    Value operator[](std::string_view key) && { return member(key); }
    // The value of a key of a dict; nullptr if there is no such key.
    const Value* find(std::string_view key) const;

    // Tensors are equal if their dtypes, shapes and elements are.
    friend bool operator==(const Value& a, const Value& b) { return a.is_equal(b); }
    friend bool operator!=(const Value& a, const Value& b) { return !(a == b); }

private:
    friend struct Codec<Value, void>;

    // Told apart from what converts to them.
    struct Bool {
        bool value;
    };
    struct Int {
        std::int64_t value;
    };
    struct Float {
        double value;
    };
    explicit Value(Bool value) noexcept;
    explicit Value(Int value) noexcept;
    explicit Value(Float value) noexcept;

    template <class T>
    static std::int64_t checked(T value) {
        if constexpr (std::is_unsigned_v<T> && sizeof(T) >= sizeof(std::int64_t)) return checked_unsigned(value);
        return static_cast<std::int64_t>(value);
    }
    static std::int64_t checked_unsigned(std::uint64_t value);

    template <class T>
    const T& get(const char* wanted) const;
    [[noreturn]] void refuse(const char* wanted) const;
    const Value& element(std::uint64_t index, bool is_signed) const;
    const Value& member(std::string_view key) const;
    bool is_equal(const Value& other) const;
    void write(Encoder& encoder) const;
    void write_elements(Encoder& encoder) const;
    static Value read(Decoder& decoder);

    // A pointer, because a tensor is much larger than the rest.
    std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Bytes, std::shared_ptr<const Tensor>, List,
                 Dict>
        data_;
};

template <>
struct Codec<Value> {
    static void put(Encoder& encoder, const Value& value) { value.write(encoder); }
    static Value get(Decoder& decoder) { return Value::read(decoder); }
    static bool is_kind(Decoder::Kind) { return true; }
    static std::optional<std::string_view> text_of(const Value& value) {
        if (value.kind() != Value::Kind::Text) return std::nullopt;
        return value.text();
    }
};

// The arguments of a call of which a program learns only at run time: session.call("f", Arguments{{1, "two"}, {}}).
struct Arguments {
    Value::List positional;
    Value::Dict keywords;
};

Body encode_call(const Arguments& arguments);
template <class... Options>
Body encode_call(const Arguments& arguments, const Options&...) {
    static_assert((detail::is_option<Options> && ...), "behind Arguments there is only what says how to call");
    return encode_call(arguments);
}

// What a body means as a call. RemoteProtocolError if it breaks a rule.
Arguments decode_call(const Body& body);

template <class T>
Value Value::of(const T& value) {
    if constexpr (std::is_constructible_v<Value, const T&>) {
        return value;
    } else {
        return decode_result<Value>(encode_result(value));
    }
}

template <class T>
T Value::as() const {
    return decode_result<T>(encode_result(*this));
}

}  // namespace tr

#ifndef TR_COMPILED
#include "tech_renaissance/detail/surface/value.h"
#endif
