// tr::Value: what it takes, and what is taken of it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "check.h"
#include "tech_renaissance/value.h"
#include "value_checks.h"

namespace {

using namespace tr;
using namespace value_checks;

}  // namespace

TEST("a Value takes what it is made of, and no pointer is a bool") {
    CHECK(Value(true).kind() == Value::Kind::Bool);
    CHECK(Value(1).kind() == Value::Kind::Int);
    CHECK(Value(1u).kind() == Value::Kind::Int);
    CHECK(Value(1.0f).kind() == Value::Kind::Float);
    CHECK(Value("x").kind() == Value::Kind::Text);
    CHECK(Value(std::string_view("x")) == Value(std::string("x")));
    CHECK(Value(Bytes()).kind() == Value::Kind::Bytes);
    CHECK(Value(Tensor()).kind() == Value::Kind::Tensor);
    CHECK(Value().is_null());
    CHECK(Value::of(Layer{3, 0.5, 1}) == Value::dict({{"width", 3}, {"rate", 0.5}, {"kind", 1}}));
    CHECK(Value(1) != Value(1.0));
    CHECK_THROWS(LocalProtocolError, "bad_value", Value(~std::uint64_t{0}));
    CHECK_THROWS(LocalProtocolError, "bad_value", Value(static_cast<const char*>(nullptr)));
    CHECK(!(std::is_constructible_v<Value, char> || std::is_constructible_v<Value, int*>));
    CHECK(!std::is_constructible_v<Value, long double>);
    CHECK(Value::list(std::vector<int>{1, 2}, Layer{}) == Value::list(Value::list(1, 2), Value::of(Layer{})));
}

TEST("what is in a Value is taken by name and place") {
    const Tensor weights = Tensor::ones({2});
    const Value answer = Value::dict({{"loss", 0.5}, {"log", "done"}, {"layers", Value::list(weights, 2)}});
    CHECK_EQ(0.5, answer["loss"].as<double>());
    CHECK_EQ("done", answer["log"].text());
    CHECK(answer["layers"][0].tensor() == weights);
    CHECK_EQ(2, answer["layers"][1].as<std::uint8_t>());
    CHECK_EQ(3u, answer.size());
    CHECK(answer.find("none") == nullptr);
    CHECK(there_and_back(answer) == answer);
}

TEST("what is taken of a Value that ends with the expression does not end with it") {
    const auto answer = [] { return Value::dict({{"list", Value::list("long enough to need memory of its own", 2)}}); };
    const std::string& text = answer()["list"][0].text();
    CHECK_EQ("long enough to need memory of its own", text);
    const Value& list = answer()["list"];
    CHECK_EQ(2u, list.size());
    std::size_t count = 0;
    for (const Value& element : answer()["list"].elements()) count += element.is_null() ? 0u : 1u;
    CHECK_EQ(2u, count);
}

TEST("a Value can become one of its own parts") {
    const Value list = Value::list(11, "long enough to need memory of its own", Value::list(2.5));
    Value value = Value::list(list, "another one that needs memory of its own");
    value = value[0];
    CHECK(value == list);
    value = Value::dict({{"count", 12345678}, {"list", list}});
    value = value["list"];
    CHECK(value == list);
    value = std::move(const_cast<Value&>(value[2]));
    CHECK(value == Value::list(2.5));
    value = value[0];
    CHECK(value == Value(2.5));
    Value chain;
    for (int i = 5; i > 0; --i) chain = Value::dict({{"value", i}, {"next", chain}});
    int steps = 0;
    for (; !chain.is_null(); chain = chain["next"]) CHECK_EQ(++steps, chain["value"].as<int>());
    CHECK_EQ(5, steps);
    value = list;
    Value& same = value;
    value = same;
    value = std::move(same);
    CHECK(value == list);
}

TEST("what is not in a Value is told with what is there") {
    const Value answer = Value::dict({{"a", Value::list(1)}, {"b", 2}});
    CHECK_THROWS(CommandError, "wrong_type", answer["c"]);
    CHECK_THROWS(CommandError, "wrong_type", answer["a"][1]);
    CHECK_EQ("no element -1 in a list of 1", refusal([&] { answer["a"][-1]; }));
    CHECK_EQ("no element 18446744073709551615 in a list of 1", refusal([&] { answer["a"][~std::uint64_t{0}]; }));
    CHECK_THROWS(CommandError, "wrong_type", answer["b"]["x"]);
    CHECK_THROWS(CommandError, "wrong_type", answer["b"].text());
    CHECK_THROWS(CommandError, "wrong_type", answer["a"].as<std::string>());
}

TEST("a dict has each key once") {
    const Value value = Value::dict({{"b", 1}, {"a", 2}, {"b", 3}});
    CHECK_EQ(2u, value.size());
    CHECK_EQ("b", value.members()[0].key);
    CHECK_EQ(3, value["b"].as<int>());
    std::string text = "{";
    for (int i = 0; i < 100; ++i) text += "\"" + std::to_string(i % 30) + "\":" + std::to_string(i) + ",";
    text.back() = '}';
    const Value many = decode_result<Value>(body(text));
    CHECK_EQ(30u, many.size());
    CHECK_EQ("0", many.members()[0].key);
    CHECK_EQ(90, many["0"].as<int>());
}
