#include "check.h"

#include <clocale>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <locale>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tech_renaissance/detail/protocol/json.h"

using namespace tr::detail;
using tr::RemoteProtocolError;

namespace {

std::string rewritten(const std::string& text) { return json::write(json::parse(text)); }

std::string string_in(const std::string& text) { return *json::parse(text).get_if<std::string>(); }

json::Number number_in(const std::string& text) { return *json::parse(text).get_if<json::Number>(); }

std::string message_of(const std::string& text) {
    try {
        json::parse(text);
    } catch (const RemoteProtocolError& error) {
        return error.what();
    }
    return "accepted";
}

std::string repeated(const std::string& piece, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += piece;
    return text;
}

struct CommaLocale : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
};

}  // namespace

TEST("a value of every kind is read and written") {
    const std::string text = R"({"null":null,"yes":true,"no":false,"n":-1.50e+7,"s":"é","a":[1,[],{}],"o":{"k":"v"}})";
    CHECK_EQ(text, rewritten(text));
    CHECK_EQ("null", json::write(json::Value()));
    CHECK_EQ("true", rewritten(" \t\r\n true \t\r\n "));
}

TEST("an object keeps the order of its members, and of equal keys the last counts") {
    CHECK_EQ(R"({"z":1,"m":3,"a":4})", rewritten(R"({"z":1,"a":2,"m":3,"a":4})"));
}

TEST("an object finds its members and lets them be replaced") {
    json::Object object{{"a", 1}, {"b", "two"}};
    object.set("a", true);
    object.set("c", nullptr);
    CHECK_EQ(R"({"a":true,"b":"two","c":null})", json::write(object));
    CHECK_EQ("two", *object.find("b")->get_if<std::string>());
    CHECK(object.find("d") == nullptr);
    CHECK(object.find("c")->is_null());
}

TEST("an object with very many equal or different keys is read in reasonable time") {
    std::string text = "{";
    for (int i = 0; i < 200000; ++i) text += "\"" + std::to_string(i % 100000) + "\":0,";
    text.back() = '}';
    const json::Value value = json::parse(text);
    const auto* object = value.get_if<json::Object>();
    CHECK_EQ(100000, object->end() - object->begin());
}

TEST("integers of 64 bits are exact") {
    CHECK_EQ(std::numeric_limits<std::int64_t>::max(), *number_in("9223372036854775807").as_int64());
    CHECK_EQ(std::numeric_limits<std::int64_t>::min(), *number_in("-9223372036854775808").as_int64());
    CHECK_EQ(std::numeric_limits<std::uint64_t>::max(), *number_in("18446744073709551615").as_uint64());
    CHECK_EQ("-9223372036854775808", json::write(std::numeric_limits<std::int64_t>::min()));
    CHECK_EQ("18446744073709551615", json::write(std::numeric_limits<std::uint64_t>::max()));
}

TEST("a number that is no integer of that type is none") {
    for (const char* text : {"9223372036854775808", "-9223372036854775809", "1.0", "1e3", "1E0"}) {
        CHECK(!number_in(text).as_int64());
    }
    for (const char* text : {"18446744073709551616", "-1", "0.5"}) CHECK(!number_in(text).as_uint64());
}

TEST("a number keeps its text") {
    for (const char* text : {"-0", "1.500", "1E5", "1e+05", "1e999", "123456789012345678901234567890", "0.1e-7"}) {
        CHECK_EQ(text, rewritten(text));
    }
}

TEST("doubles survive writing and reading") {
    std::mt19937_64 bits(7);
    for (int i = 0; i < 20000; ++i) {
        const std::uint64_t pattern = bits();
        double value = 0;
        std::memcpy(&value, &pattern, sizeof value);
        if (std::isfinite(value)) CHECK_EQ(value, number_in(json::write(value)).as_double());
    }
    using Limits = std::numeric_limits<double>;
    for (const double value : {0.1, 1.0 / 3, Limits::max(), Limits::min(), Limits::denorm_min(), 0.0, -2.5e-300}) {
        CHECK_EQ(value, number_in(json::write(value)).as_double());
    }
    CHECK_EQ("0.1", json::write(0.1));
    CHECK_EQ("3", json::write(3.0));
    CHECK(std::signbit(number_in(json::write(-0.0)).as_double()));
}

TEST("a number beyond the range of double is infinite, one too close to zero is zero") {
    CHECK_EQ(std::numeric_limits<double>::infinity(), number_in("1e999").as_double());
    CHECK_EQ(-std::numeric_limits<double>::infinity(), number_in("-1e999").as_double());
    CHECK_EQ(0.0, number_in("1e-999").as_double());
}

TEST("NaN and infinity cannot be written") {
    for (const double value : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
        bool refused = false;
        try {
            json::write(value);
        } catch (const std::domain_error&) {
            refused = true;
        }
        CHECK(refused);
    }
}

TEST("numbers do not depend on the locale of the program") {
    const std::locale before = std::locale::global(std::locale(std::locale::classic(), new CommaLocale));
    std::setlocale(LC_ALL, "de_DE.UTF-8");
    CHECK_EQ("1234567.5", json::write(1234567.5));
    CHECK_EQ("1234567", json::write(1234567));
    CHECK_EQ(1234567.5, number_in("1234567.5").as_double());
    std::setlocale(LC_ALL, "C");
    std::locale::global(before);
}

TEST("escapes are read, surrogate pairs become one character") {
    CHECK_EQ(std::string("\"\\/\b\f\n\r\t\0A", 10), string_in(R"("\"\\\/\b\f\n\r\t\u0000\u0041")"));
    CHECK_EQ("é中\xF0\x9F\x98\x80", string_in(R"("\u00e9\u4E2D\ud83d\uDE00")"));
}

TEST("a lone surrogate becomes U+FFFD and what follows it stands for itself") {
    const std::string replaced = "\xEF\xBF\xBD";
    CHECK_EQ(replaced, string_in(R"("\ud800")"));
    CHECK_EQ(replaced, string_in(R"("\udfff")"));
    CHECK_EQ(replaced + "A", string_in(R"("\ud800\u0041")"));
    CHECK_EQ(replaced + "\n", string_in(R"("\ud800\n")"));
    CHECK_EQ(replaced + "\xF0\x90\x80\x80", string_in(R"("\ud800\ud800\udc00")"));
    CHECK_EQ(replaced + replaced, string_in(R"("\udc00\ud800")"));
}

TEST("strings are written raw but for control characters, quotes and backslashes") {
    CHECK_EQ(R"("\"\\/\b\f\n\r\t\u0000\u001f")", json::write(std::string("\"\\/\b\f\n\r\t\0\x1F", 10)));
    CHECK_EQ("\"\x7F é中\xF0\x9F\x98\x80\xE2\x80\xA8\"", json::write("\x7F é中\xF0\x9F\x98\x80\xE2\x80\xA8"));
}

TEST("every string is read as it was written") {
    std::string all;
    for (char32_t c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 97) {
        if (!utf8::is_surrogate(c)) utf8::append(all, c);
    }
    CHECK(all == string_in(json::write(all)));
}

TEST("bytes that are not UTF-8 are written as U+FFFD, so that what is written can be read") {
    CHECK_EQ("\"caf\xEF\xBF\xBD\"", json::write("caf\xE9"));
    CHECK_EQ("\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"", json::write("\xED\xA0\x80"));
}

TEST("texts that are not JSON are refused") {
    for (const char* text : {"",
                             " ",
                             "{",
                             "[",
                             "\"",
                             "[1,]",
                             "{\"a\":1,}",
                             "{,}",
                             "[1 2]",
                             "{\"a\" 1}",
                             "{a:1}",
                             "{1:1}",
                             "01",
                             "-01",
                             "+1",
                             ".5",
                             "1.",
                             "1.e1",
                             "1e",
                             "1e+",
                             "-",
                             "0x1",
                             "NaN",
                             "Infinity",
                             "-Infinity",
                             "nul",
                             "nulls",
                             "True",
                             "'a'",
                             "\"\n\"",
                             "\"\\x\"",
                             "\"\\u12\"",
                             "\"\\u123g\"",
                             "\"\\u-123\"",
                             "1 1",
                             "[]]",
                             "[}",
                             "{]",
                             "//",
                             "\v1",
                             "\xC2\xA0"
                             "1"}) {
        CHECK_THROWS(RemoteProtocolError, "bad_json", json::parse(text));
    }
    CHECK_THROWS(RemoteProtocolError, "bad_json", json::parse(std::string_view("1\0", 2)));
    CHECK_THROWS(RemoteProtocolError, "bad_json", json::parse(std::string_view("\"\0\"", 3)));
}

TEST("bytes that are not UTF-8 are refused, also where no string is") {
    for (const char* text : {"\"\x80\"", "\"\xC0\xAF\"", "\"\xE0\x80\xAF\"", "\"\xF0\x80\x80\xAF\"", "\"\xED\xA0\x80\"",
                             "\"\xF4\x90\x80\x80\"", "\"\xF5\x80\x80\x80\"", "\"\xE4\xB8\"", "1\xFF", "\"\xC3"}) {
        CHECK_THROWS(RemoteProtocolError, "bad_json", json::parse(text));
    }
}

TEST("one byte order mark is skipped at the beginning only") {
    CHECK_EQ("1", rewritten("\xEF\xBB\xBF"
                            "1"));
    CHECK_THROWS(RemoteProtocolError, "bad_json",
                 json::parse("\xEF\xBB\xBF\xEF\xBB\xBF"
                             "1"));
    CHECK_THROWS(RemoteProtocolError, "bad_json",
                 json::parse(" \xEF\xBB\xBF"
                             "1"));
}

TEST("64 levels are read, 65 are refused, and a million do no harm") {
    CHECK_EQ(repeated("[", 64) + repeated("]", 64), rewritten(repeated("[", 64) + repeated("]", 64)));
    CHECK_THROWS(RemoteProtocolError, "bad_json", json::parse(repeated("[", 65) + repeated("]", 65)));
    CHECK_THROWS(RemoteProtocolError, "bad_json", json::parse(repeated("[{\"a\":", 33)));
    CHECK_THROWS(RemoteProtocolError, "bad_json", json::parse(repeated("[", 1000000)));
}

TEST("siblings do not count as levels") {
    CHECK_EQ("[" + repeated("[],", 99) + "[]]", rewritten("[" + repeated("[],", 99) + "[]]"));
}

TEST("the message says what is wrong at which byte") {
    CHECK_EQ("not a JSON text: a control character in a string at byte 2", message_of("\"a\n\""));
    CHECK_EQ("not a JSON text: a byte that is not UTF-8 at byte 1", message_of("\"\xFF\""));
    CHECK_EQ("not a JSON text: something after the value at byte 5", message_of("\xEF\xBB\xBF"
                                                                                "1 2"));
    CHECK_EQ("not a JSON text: the end of the text at byte 1", message_of("["));
}
