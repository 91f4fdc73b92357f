// Values as C++ types. What both languages read and write is in spec/vectors/values, by guest_value.
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "check.h"
#include "tech_renaissance/detail/base/wrong_arguments.h"
#include "tech_renaissance/detail/protocol/float_text.h"
#include "tech_renaissance/exposed.h"
#include "tech_renaissance/keyword.h"
#include "tech_renaissance/progress.h"
#include "tech_renaissance/value.h"
#include "value_checks.h"

namespace {

using namespace tr;
using namespace value_checks;

struct Net {
    std::vector<Layer> layers;
    std::string name;
    TR_FIELDS(layers,  //
              name)
};

struct Point3 : Point {
    double z = 0;
};
template <class Visitor>
void tr_fields(Visitor&& visit, Point3& point) {
    tr_fields(visit, static_cast<Point&>(point));
    visit("z", point.z);
}

class Angle {
public:
    explicit Angle(double degrees) : degrees_(degrees) {}
    double degrees() const { return degrees_; }

private:
    double degrees_;
};

enum class Color : std::uint8_t { Red = 1, Blue = 2 };
enum class Letter : char { A = 'a', B = 'b' };
enum class WideLetter : char32_t { Last = 0x10FFFF };
enum class Switch : bool { Off, On };

// Like a handle: it can be moved, and not be copied.
struct Handle {
    explicit Handle(int of = 0) : number(of) {}
    Handle(Handle&&) = default;
    Handle& operator=(Handle&&) = default;
    int number;
    TR_FIELDS(number)
};

struct Numbered {
    int id = 0;
    TR_FIELDS(id)
};
struct Disc : Numbered {
    double radius = 0;
    TR_FIELDS(id, radius)
};
// Another way to say it, which counts.
struct Cube : Numbered {
    double side = 0;
};
template <class Visitor>
void tr_fields(Visitor&& visit, Cube& cube) {
    visit("id", cube.id);
    visit("side", cube.side);
}

}  // namespace

namespace tr {

template <>
struct Codec<Angle> {
    static void put(Encoder& encoder, const Angle& angle) { encoder.number(angle.degrees()); }
    static Angle get(Decoder& decoder) { return Angle(decoder.number()); }
};

}  // namespace tr

// ----------------------------------------------------------------------------------------------------------- scalars

TEST("an integer arrives in any type that it fits") {
    CHECK_EQ(-128, decode_result<std::int8_t>(body("-128")));
    CHECK_EQ(255, decode_result<std::uint8_t>(body("255")));
    CHECK_EQ(std::numeric_limits<std::int64_t>::min(), there_and_back(std::numeric_limits<std::int64_t>::min()));
    CHECK_EQ(std::numeric_limits<std::int64_t>::max(), decode_result<std::uint64_t>(body("9223372036854775807")));
    CHECK_EQ(3, decode_result<int>(body("3.0")));
    CHECK_EQ(std::int64_t{1} << 53, decode_result<std::int64_t>(body("9007199254740992.0")));
}

TEST("an integer that does not fit is refused") {
    CHECK_EQ("the value: 300 does not fit uint8", refusal<std::uint8_t>(body("300")));
    CHECK_EQ("the value: -1 does not fit uint64", refusal<std::uint64_t>(body("-1")));
    CHECK_EQ("the value: 2147483648 does not fit int32", refusal<std::int32_t>(body("2147483648")));
    CHECK_EQ("the value: 2.5 where an int is wanted", refusal<int>(body("2.5")));
    CHECK_EQ("the value: 1e+16 where an int is wanted", refusal<std::int64_t>(body("1e16")));
    CHECK_EQ("the value: a bool where an int is wanted", refusal<int>(body("true")));
    CHECK_EQ("the value: a float where an int is wanted", refusal<int>(body(R"({"$f":"nan"})")));
    CHECK_EQ("the value is an int that does not fit 64 bits with a sign: send it as text, or as a double",
             bad_value([] { encode_result(std::uint64_t{1} << 63); }));
}

TEST("a float arrives exactly, and an int as one only if that is exact") {
    CHECK_EQ("1.0", encode_result(1.0).text);
    CHECK_EQ("0.1", encode_result(0.1).text);
    CHECK_EQ(0.1f, there_and_back(0.1f));
    CHECK_EQ(5e-324, there_and_back(5e-324));
    CHECK(there_and_back(std::numeric_limits<double>::quiet_NaN()) != 0);
    CHECK_EQ(-std::numeric_limits<float>::infinity(), there_and_back(-std::numeric_limits<float>::infinity()));
    CHECK_EQ(9007199254740992.0, decode_result<double>(body("9007199254740992")));
    CHECK_EQ("the value: 9007199254740993 where a float is wanted: as one it would not be exact",
             refusal<double>(body("9007199254740993")));
    CHECK_EQ("the value: a float that is too large for 32 bits", refusal<float>(body("3.5e38")));
    CHECK_EQ("the value: a string where a float is wanted", refusal<double>(body(R"("1")")));
}

TEST("doubles are read and written alike with and without the standard library's functions") {
    for (const double value : {0.1, 1.0, -0.0, 1e22, 1e23, 5e-324, 1.7976931348623157e308, 123456.789, 1e-7}) {
        std::string text;
        detail::append_double(text, value);
        CHECK_EQ(value, detail::read_double_by_stream(text));
        CHECK_EQ(value, detail::read_double(detail::write_double_by_stream(value)));
    }
    CHECK_EQ(std::numeric_limits<double>::infinity(), detail::read_double("1e400"));
    CHECK_EQ(0.0, detail::read_double("1e-400"));
    CHECK_EQ(0.0, detail::read_double("0." + std::string(400, '0') + "1"));
}

TEST("bool, null and enumerations are what they are") {
    CHECK_EQ("true", encode_result(true).text);
    CHECK_EQ("the value: an int where a bool is wanted", refusal<bool>(body("1")));
    CHECK_EQ(Body::Form::Attachments == encode_result(nullptr).form, true);
    decode_result<std::nullptr_t>(encode_result(std::nullopt));
    CHECK(there_and_back(Color::Blue) == Color::Blue);
    CHECK_EQ("the value: 256 does not fit uint8", refusal<Color>(body("256")));
    CHECK_EQ("98", encode_result(Letter::B).text);
    CHECK(there_and_back(Letter::B) == Letter::B);
    CHECK(there_and_back(WideLetter::Last) == WideLetter::Last);
    CHECK_EQ("true", encode_result(Switch::On).text);
    CHECK_EQ(1u, (decode_result<std::variant<int, Switch>>(body("true")).index()));
    CHECK_EQ(0u, (decode_result<std::variant<int, Switch>>(body("1")).index()));
}

TEST("text must be UTF-8, and travels alone without quotes") {
    const Body alone = encode_result("\xE6\x9D\x83");
    CHECK(alone.form == Body::Form::Text);
    CHECK_EQ("\xE6\x9D\x83", decode_result<std::string>(alone));
    CHECK_EQ(std::string("a\0b", 3), there_and_back(std::string("a\0b", 3)));
    CHECK_EQ("the value is text that is not UTF-8, at byte 1: send tr::Bytes, or convert it",
             bad_value([] { encode_result("a\xFF"); }));
    CHECK_EQ("[1] is text that is not UTF-8, at byte 0: send tr::Bytes, or convert it",
             bad_value([] { encode_result(std::vector<std::string>{"", "\xC0\x80"}); }));
    CHECK_EQ("[1] has the key 'a\\xff', which is not UTF-8: convert it",
             bad_value([] { encode_result(std::vector<std::map<std::string, int>>{{{"a", 1}}, {{"a\xFF", 2}}}); }));
    CHECK_EQ("args[0] is a text that is a null pointer",
             bad_value([] { encode_call(static_cast<const char*>(nullptr)); }));
}

TEST("bytes are copied when they arrive, not when they are sent") {
    const std::string memory("\0{\xFF", 3);
    const Body body = encode_result(Bytes::view(memory.data(), memory.size()));
    CHECK(body.attachments[0].data.data_ptr() == memory.data());
    CHECK(decode_result<Bytes>(body) == Bytes(memory.data(), memory.size()));
    CHECK_EQ(3u, decode_result<std::vector<std::byte>>(body).size());
    CHECK_EQ(255, decode_result<std::vector<std::uint8_t>>(body)[2]);
    CHECK_EQ("the value: a list where bytes is wanted", refusal<Bytes>(encode_result(std::vector<std::uint8_t>{1})));
    CHECK(there_and_back(Bytes()) == Bytes());
}

// ---------------------------------------------------------------------------------------------------- lists and dicts

TEST("containers arrive as they were") {
    CHECK((std::vector<int>{1, 2}) == there_and_back(std::vector<int>{1, 2}));
    CHECK((std::vector<bool>{true, false}) == there_and_back(std::vector<bool>{true, false}));
    CHECK((std::list<std::string>{"a", ""}) == there_and_back(std::list<std::string>{"a", ""}));
    CHECK((std::set<int>{3, 1}) == there_and_back(std::set<int>{3, 1}));
    CHECK((std::array<double, 2>{1, 2}) == there_and_back(std::array<double, 2>{1, 2}));
    CHECK((std::map<std::string, int>{{"$", 1}, {"", 2}}) ==
          there_and_back(std::map<std::string, int>{{"$", 1}, {"", 2}}));
    const std::unordered_map<std::string, std::vector<int>> unordered{{"a", {1}}, {"b", {}}};
    CHECK(unordered == there_and_back(unordered));
    CHECK((std::pair<int, std::string>{1, "x"}) == there_and_back(std::pair<int, std::string>{1, "x"}));
    CHECK((std::tuple<>{}) == there_and_back(std::tuple<>{}));
    CHECK_EQ(2, there_and_back(std::pair<int, Handle>{1, 2}).second.number);
    CHECK_EQ(3, std::get<0>(there_and_back(std::tuple<Handle>{3})).number);
    CHECK((std::optional<int>{}) == there_and_back(std::optional<int>{}));
    CHECK((std::vector<std::vector<int>>{{}, {1}}) == there_and_back(std::vector<std::vector<int>>{{}, {1}}));
}

TEST("long lists of numbers are packed, and read as any type") {
    CHECK_EQ("[1,1]", encode_result(std::vector<short>(2, 1)).text);
    CHECK_EQ(0u, encode_result(std::vector<int>(16)).attachments.size());
    CHECK_EQ(0u, encode_result(std::vector<bool>(17)).attachments.size());
    const Body ints = encode_result(std::vector<std::uint64_t>(17, 200));
    CHECK(ints.attachments[0].kind == Attachment::Kind::Int64List);
    CHECK((std::vector<std::uint8_t>(17, 200)) == decode_result<std::vector<std::uint8_t>>(ints));
    CHECK((std::vector<float>(17, 200)) == decode_result<std::vector<float>>(ints));
    CHECK_EQ(17u, (decode_result<std::array<int, 17>>(ints).size()));
    CHECK_EQ("[0]: 200 does not fit int8", refusal<std::vector<std::int8_t>>(ints));
    CHECK_EQ("[0]: an int where a string is wanted", refusal<std::vector<std::string>>(ints));
    CHECK_EQ("[0]: an int where a list is wanted", refusal<std::vector<std::vector<int>>>(ints));
    const Body floats = encode_result(std::array<float, 18>{0.5f});
    CHECK(floats.attachments[0].kind == Attachment::Kind::Float64List);
    CHECK_EQ("[0]: 0.5 where an int is wanted", refusal<std::vector<int>>(floats));
    std::vector<std::uint64_t> large(20, 1);
    large[19] = ~std::uint64_t{0};
    CHECK_EQ("[19] is an int that does not fit 64 bits with a sign: send it as text, or as a double",
             bad_value([&] { encode_result(large); }));
    CHECK((std::vector<int>{}) ==
          decode_result<std::vector<int>>(body(R"({"$":0})", {{Attachment::Kind::Int64List, Tensor()}})));
}

TEST("a list of another length is refused where the length is part of the type") {
    CHECK_EQ("a: a list of 3 where one of 2 is wanted",
             (refusal<std::map<std::string, std::array<int, 2>>>(body(R"({"a":[1,2,{"x":[]}]})"))));
    CHECK_EQ("the value: a list of 1 where one of 2 is wanted", (refusal<std::pair<int, int>>(body("[1]"))));
    CHECK_EQ("[1]: a list of 0 where one of 1 is wanted", (refusal<std::tuple<int, std::tuple<int>>>(body("[1,[]]"))));
}

TEST("tensors share their memory") {
    const Tensor tensor = Tensor::ones({2, 3});
    const Tensor arrived = decode_result<std::vector<Tensor>>(encode_result(std::vector<Tensor>{tensor}))[0];
    CHECK(arrived.data_ptr() == tensor.data_ptr());
    CHECK_EQ("the value: a tensor where a list is wanted", refusal<std::vector<float>>(encode_result(tensor)));
    CHECK_EQ("the value: a list where a tensor is wanted", refusal<Tensor>(encode_result(std::vector<double>(20))));
}

// ------------------------------------------------------------------------------------------------ structs and variants

TEST("a struct is a dict of its fields") {
    const Net net{{{3, 0.5, 1}, {}}, "n"};
    CHECK_EQ(R"({"layers":[{"width":3,"rate":0.5,"kind":1},{"width":1,"rate":null,"kind":7}],"name":"n"})",
             encode_result(net).text);
    const Net arrived = there_and_back(net);
    CHECK_EQ(3, arrived.layers[0].width);
    CHECK_EQ(0.5, *arrived.layers[0].rate);
    CHECK_EQ("n", arrived.name);
}

TEST("fields may come in any order, and those that are missing keep their initialisers") {
    const auto layer = decode_result<Layer>(body(R"({"kind":2,"width":5})"));
    CHECK_EQ(5, layer.width);
    CHECK_EQ(2, layer.kind);
    CHECK(!layer.rate);
    CHECK_EQ(7, decode_result<Layer>(body("{}")).kind);
    CHECK_EQ(2, decode_result<Layer>(body(R"({"width":1,"width":2})")).width);
}

TEST("what is wrong with a struct is told with its path") {
    CHECK_EQ("layers[2].kind: 300 does not fit uint8",
             refusal<Net>(body(R"({"layers":[{},{"width":2},{"width":3,"kind":300}]})")));
    CHECK_EQ("layers[0]: no field 'widht'; the fields are width, rate, kind",
             refusal<Net>(body(R"({"layers":[{"widht":1}]})")));
    CHECK_EQ("layers[1]: a list where a dict is wanted", refusal<Net>(body(R"({"name":"x","layers":[{},[]]})")));
    CHECK_EQ("[\"two words\"].width: a string where an int is wanted",
             (refusal<std::map<std::string, Layer>>(body(R"({"a":{"width":1},"two words":{"width":"1"}})"))));
}

TEST("classes of others, base classes and local classes have fields, too") {
    Point3 point;
    point.x = 1;
    point.z = 3;
    CHECK_EQ(R"({"x":1.0,"y":0.0,"z":3.0})", encode_result(point).text);
    CHECK_EQ(3.0, there_and_back(point).z);
    Disc disc;
    disc.radius = 2;
    CHECK_EQ(R"({"id":0,"radius":2.0})", encode_result(disc).text);
    CHECK_EQ(R"({"id":0,"side":0.0})", encode_result(Cube{}).text);
    struct Local {
        int a = 4;
        std::string b;
        TR_FIELDS(a, b)
    };
    CHECK_EQ(R"({"a":5,"b":"x"})", encode_result(Local{5, "x"}).text);
    CHECK_EQ(4, decode_result<Local>(body(R"({"b":"y"})")).a);
    CHECK_EQ(90.0, there_and_back(std::vector<Angle>{Angle(90)})[0].degrees());
}

// -------------------------------------------------------------------------------------------------------------- calls

TEST("arguments are written by place, then by name") {
    CHECK_EQ(R"([[1,"x"],{"scale":2.0,"$$name":"n"}])", encode_call(1, "x", kw("scale", 2.0), kw("$name", "n")).text);
    CHECK(encode_call("hello").form == Body::Form::Text);
    CHECK(encode_call().form == Body::Form::Attachments);
    CHECK(encode_call(Tensor(), Tensor()).form == Body::Form::Attachments);
    CHECK_EQ(R"([[{"$":0}],{"mask":{"$":1}}])", encode_call(Tensor(), kw("mask", Tensor())).text);
    const Arguments arguments = decode_call(encode_call(1, kw("k", std::vector<int>{2})));
    CHECK_EQ(1, arguments.positional[0].as<int>());
    CHECK_EQ(2, arguments.keywords[0].value[0].as<int>());
}

TEST("what is wrong with an argument is told with its place or name") {
    CHECK_EQ("args[1][0] is text that is not UTF-8, at byte 0: send tr::Bytes, or convert it",
             bad_value([] { encode_call(1, std::vector<std::string>{"\xFF"}); }));
    CHECK_EQ("config[\"a b\"] is text that is not UTF-8, at byte 0: send tr::Bytes, or convert it",
             bad_value([] { encode_call(kw("config", std::map<std::string, std::string>{{"a b", "\xFF"}})); }));
}

template <class... Arguments>
std::string refusal_of(const std::function<int(int)>& function, const Arguments&... arguments) {
    try {
        detail::exposed_function(function)(encode_call(arguments...));
    } catch (const detail::WrongArguments& error) {
        return error.what();
    }
    return "";
}

TEST("what is wrong with a call of a function of the host is told") {
    const std::function<int(int)> function = [](int item) { return item; };
    CHECK_EQ("", refusal_of(function, 1));
    CHECK_EQ("it takes 1 argument, not 0", refusal_of(function));
    CHECK_EQ("it takes no more than 1 argument", refusal_of(function, 1, 2));
    CHECK_EQ("argument 1: args[0]: a string where an int is wanted", refusal_of(function, "one"));
    const std::string by_name = "a C++ function takes arguments by place alone, not 'item' by name";
    CHECK_EQ(by_name, refusal_of(function, kw("item", 1)));
    CHECK_EQ(by_name, refusal_of(function, 1, kw("item", 1)));
}

TEST("a function whose parameters cannot be read off it is told from others") {
    const auto plain = [](int item) { return item; };
    const auto generic = [](auto item) { return item; };
    static_assert(detail::HasOneSignature<decltype(plain)>::value);
    static_assert(detail::HasOneSignature<int (*)(int)>::value);
    static_assert(!detail::HasOneSignature<decltype(generic)>::value);
    CHECK_EQ(generic(1), plain(1));
}

TEST("a fraction needs a total that is not 0") {
    CHECK_EQ(0.25, *Progress({1, 4}).fraction());
    CHECK(!Progress({1}).fraction());
    CHECK(!Progress({0, 0}).fraction());
}

TEST("nesting beyond the limit is refused by the writer") {
    Value value = "x";
    for (int i = 0; i < 64; ++i) value = Value::list(value);
    CHECK(there_and_back(value) == value);
    CHECK_EQ("[0][0][0][0][0][0][0][0]... is nested deeper than 64 levels",
             bad_value([&] { encode_result(Value::list(value)); }));
    CHECK_EQ("value[0][0][0][0][0][0][0]... is nested deeper than 64 levels",
             bad_value([&] { encode_call(kw("value", value)); }));
}

TEST("a text that is too large is refused by writer and reader") {
    const std::string large((std::size_t{64} << 20) + 1, ' ');
    CHECK_THROWS(LocalProtocolError, "too_large", encode_result(large));
    CHECK_THROWS(RemoteProtocolError, "too_large", decode_result<Value>(body(large)));
}
