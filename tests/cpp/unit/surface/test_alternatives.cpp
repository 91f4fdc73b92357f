// Variants: the first alternative that takes a value, and what is told if none does.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "check.h"
#include "tech_renaissance/value.h"
#include "value_checks.h"

namespace {

using namespace tr;
using namespace value_checks;

// What takes numbers, but not all.
struct Temperature {
    static inline std::string told;
    double degrees = 0;
};

// Expressions, which contain others.
struct Inverse;
struct Negation {
    static inline int count = 0;
    std::vector<std::variant<Negation, Inverse, std::string>> operands;
    Negation();
    TR_FIELDS(operands)
};
struct Inverse {
    static inline int count = 0;
    std::vector<std::variant<Negation, Inverse, std::string>> operands;
    Inverse() { ++count; }
    TR_FIELDS(operands)
};
Negation::Negation() { ++count; }

}  // namespace

namespace tr {

template <>
struct Codec<Temperature> {
    static Temperature get(Decoder& decoder) {
        const double degrees = decoder.number();
        if (degrees > 1000) throw CommandError("wrong_type", "an error of its own");
        try {
            if (degrees < -273.15) decoder.refuse("too cold");
        } catch (const CommandError& error) {
            Temperature::told = error.what();
            throw;
        }
        return {degrees};
    }
};

}  // namespace tr

TEST("a variant takes the alternative of the value's own kind") {
    using Number = std::variant<double, int, std::string>;
    CHECK_EQ(1u, decode_result<Number>(body("3")).index());
    CHECK_EQ(0u, decode_result<Number>(body("3.0")).index());
    CHECK_EQ(0u, (decode_result<std::variant<double, std::string>>(body("3")).index()));
    CHECK_EQ(1u, (decode_result<std::variant<std::int8_t, int>>(body("300")).index()));
    CHECK_EQ(1u, (decode_result<std::variant<Point, Layer>>(body(R"({"width":2})")).index()));
    CHECK_EQ(1u, (decode_result<std::variant<std::vector<int>, std::vector<std::string>>>(body(R"(["a"])")).index()));
    CHECK_EQ(0u, (decode_result<std::variant<std::monostate, int>>(body("null")).index()));
    CHECK(there_and_back(Number("x")) == Number("x"));
    CHECK_EQ("the value: an attachment that nothing refers to", [] {
        try {
            decode_result<std::variant<int, std::string>>(body("1", {{Attachment::Kind::Tensor, Tensor()}}));
        } catch (const RemoteProtocolError& error) {
            return std::string(error.what());
        }
        return std::string();
    }());
}

TEST("what no alternative of a variant takes is told as the one that comes closest tells it") {
    using Numbers = std::variant<double, std::vector<int>, std::vector<std::int8_t>>;
    CHECK_EQ("the value: a string where a float is wanted; a string where a list is wanted",
             refusal<Numbers>(body(R"("a")")));
    CHECK_EQ("[1]: a string where an int is wanted", refusal<Numbers>(body(R"([1,"a"])")));
    CHECK_EQ(
        "[1].a[2]: an int where a bool is wanted; an int where a string is wanted",
        (refusal<std::vector<std::map<std::string, std::variant<bool, std::vector<std::variant<bool, std::string>>>>>>(
            body(R"([{},{"a":[true,"",3]}])"))));
    CHECK_EQ("[1]: no field 'side'; the fields are width, rate, kind; no field 'side'; the fields are x, y",
             (refusal<std::vector<std::variant<Layer, Point>>>(body(R"([{"x":1},{"side":1}])"))));
    std::vector<std::int64_t> packed(20, 1);
    packed[19] = 300;
    CHECK_EQ("[19]: 300 does not fit int8; an int where a string is wanted",
             (refusal<std::vector<std::variant<std::int8_t, std::string>>>(encode_result(packed))));
    CHECK_EQ("[19]: 300 does not fit int8",
             (refusal<std::variant<std::vector<std::int8_t>, std::string>>(encode_result(packed))));
}

TEST("while the alternatives of a variant are tried, nobody looks for the path of a value") {
    const auto told = [](double degrees) {
        const Body call = encode_call(degrees);
        Decoder decoder(call.text, call.attachments, Body::Role::Call);
        for (int level = 0; level < 2; ++level) {
            decoder.begin_list();
            decoder.next_element();
        }
        return refusal([&] { Codec<std::variant<Temperature, std::string>>::get(decoder); });
    };
    CHECK_EQ("args[0]: too cold; a float where a string is wanted", told(-300));
    CHECK_EQ("too cold", Temperature::told);
    CHECK_EQ("args[0]: an error of its own; a float where a string is wanted", told(1e6));
}

TEST("each alternative of a variant is tried once for a value, however many variants are around it") {
    constexpr int levels = 20;
    std::string text = "1.5";
    for (int i = 0; i < levels; ++i) text = R"({"operands":[)" + text + "]}";
    Negation::count = Inverse::count = 0;
    CHECK_EQ(
        "operands[0].operands[0].operands[0].operands[0]...: a float where a dict is wanted; "
        "a float where a string is wanted",
        refusal<Negation>(body(text)));
    CHECK_EQ(levels + 1, Negation::count);
    CHECK_EQ(levels, Inverse::count);
}
