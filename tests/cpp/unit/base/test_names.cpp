#include "check.h"

#include <string>
#include <string_view>

#include "tech_renaissance/detail/base/names.h"

using namespace tr::detail;
using tr::LocalProtocolError;

namespace {

std::string message_of(const std::string& name) {
    try {
        check_name(name, "session id");
    } catch (const LocalProtocolError& error) {
        return error.what();
    }
    return "accepted";
}

std::string repeated(const std::string& piece, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += piece;
    return text;
}

}  // namespace

TEST("ordinary names pass, in any script") {
    for (const char* name :
         {"a", "input_a", "weights.layer-1", "权重", "é", "\xF0\x9F\x98\x80", "a..b", "con_", "com10"}) {
        CHECK_EQ("accepted", message_of(name));
    }
}

TEST("a name has 1 to 128 bytes, not characters") {
    CHECK_EQ("session id '' is empty", message_of(""));
    CHECK_EQ("accepted", message_of(repeated("é", 64)));
    CHECK_THROWS(LocalProtocolError, "bad_name", check_name(repeated("é", 64) + "a", "tag"));
}

TEST("a name cannot leave its folder") {
    for (const char* name :
         {".", "..", "../a", "a/b", "a\\b", "/", ".hidden", "-rf", "a.", "C:", "a:stream", "a*", "a?"}) {
        CHECK_THROWS(LocalProtocolError, "bad_name", check_name(name, "tag"));
    }
}

TEST("a name holds no control character, no white space, nothing that is not UTF-8") {
    for (const char* name :
         {"a b", "a\n", "\ta", "a\x7F", "a\xC2\x85", "a\xC2\xA0", "a\xE3\x80\x80", "a\xED\xA0\x80", "\xFF"}) {
        CHECK_THROWS(LocalProtocolError, "bad_name", check_name(name, "tag"));
    }
    CHECK_THROWS(LocalProtocolError, "bad_name", check_name(std::string_view("a\0b", 3), "tag"));
}

TEST("devices of Windows are no names, in any case and with any extension") {
    for (const char* name : {"CON", "nul", "Aux.txt", "prn.a.b", "clock$", "CONIN$", "conout$.x", "com0", "LPT9",
                             "com\xC2\xB9", "LPT\xC2\xB3.x"}) {
        CHECK_THROWS(LocalProtocolError, "bad_name", check_name(name, "tag"));
    }
}

TEST("the message shows the name safely and says which rule is broken") {
    CHECK_EQ("session id 'a/b' contains '/', which no name may contain", message_of("a/b"));
    CHECK_EQ("session id 'a\\u001b[31m' contains '\\u001b', which no name may contain", message_of("a\x1B[31m"));
    CHECK_EQ("session id 'a b' contains white space", message_of("a b"));
    CHECK_EQ("session id 'a\\xff' is not UTF-8", message_of("a\xFF"));
    CHECK_EQ("session id 'a\\u202e\"' contains '\"', which no name may contain", message_of("a\xE2\x80\xAE\""));
    CHECK_EQ("session id 'NUL' is a device name on Windows", message_of("NUL"));
    CHECK_EQ("session id '" + repeated("x", 64) + "'... is longer than 128 bytes", message_of(repeated("x", 200)));
}

TEST("tags of the system can be named but not sent") {
    for (const char* tag : {"_", "_x", "result_0", "result_007"}) {
        check_name(tag, "tag");
        CHECK(is_reserved_tag(tag));
        CHECK_THROWS(LocalProtocolError, "reserved_name", check_tag_to_send(tag));
    }
}

TEST("tags that only resemble those of the system can be sent") {
    for (const char* tag : {"result", "result_", "result_x", "result_0x", "results_0", "a_", "x_result_0"}) {
        CHECK(!is_reserved_tag(tag));
        check_tag_to_send(tag);
    }
}

TEST("a tag to send must be a name first") {
    CHECK_THROWS(LocalProtocolError, "bad_name", check_tag_to_send("_a/b"));
    CHECK_THROWS(LocalProtocolError, "bad_name", check_tag_to_send(""));
}
