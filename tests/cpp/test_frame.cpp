#include "check.h"

#include <cstdint>
#include <optional>
#include <string>

#include "tech_renaissance/detail/protocol/frame.h"

using namespace tr::detail;
using tr::LocalProtocolError;
using tr::RemoteProtocolError;

namespace {

Response response(Dialect dialect, std::optional<std::int64_t> id) {
    Response value;
    value.command = "svd";
    value.tensors = {"result_0", "result_1"};
    value.dialect = dialect;
    value.id = id;
    return value;
}

Response failed(Dialect dialect, std::optional<std::int64_t> id) {
    Response value = response(dialect, id);
    value.tensors.clear();
    value.result = "error";
    value.message = "ValueError: no";
    value.error = Failure{"command_failed", "no", "ValueError", "Traceback"};
    return value;
}

}  // namespace

TEST("a request is written with the keys of its dialect, in order, without white space") {
    CHECK_EQ(R"({"command":"a","parameters":"b c","timestamp":5,"id":1})",
             encode_request({"a", "b c", 1, Dialect::Long}, 5));
    CHECK_EQ(R"({"cmd":"a","params":"b c","id":1})", encode_request({"a", "b c", 1, Dialect::Short}, 5));
    CHECK_EQ(R"({"cmd":"a","params":""})", encode_request({"a", "", std::nullopt, Dialect::Short}, 5));
}

TEST("a deadline stands behind the id, and is a positive integer or missing") {
    CHECK_EQ(R"({"cmd":"a","params":"","id":1,"deadline":9223372036854775807})",
             encode_request({"a", "", 1, Dialect::Short, 9223372036854775807}, 5));
    CHECK_EQ(7, decode_request(R"({"cmd": "a", "deadline": 7})").deadline_ns.value_or(0));
    CHECK(!decode_request(R"({"cmd": "a", "deadline": null})").deadline_ns.has_value());
    CHECK(!parse_message(R"({"cmd": "a", "deadline": 7})").deadline_ns.has_value());
    for (const char* wrong : {"0", "-1", "1.0", "1e3", "\"1\"", "9223372036854775808"}) {
        const std::string text = R"({"cmd": "a", "deadline": )" + std::string(wrong) + "}";
        CHECK_THROWS(RemoteProtocolError, "bad_frame", decode_request(text));
    }
}

TEST("a request is read as it was written") {
    for (const Dialect dialect : {Dialect::Long, Dialect::Short}) {
        const Request request = decode_request(encode_request({"问\n", "\"params\":\"\\", 7, dialect}, 5));
        CHECK_EQ("问\n", request.command);
        CHECK_EQ("\"params\":\"\\", request.parameters);
        CHECK_EQ(7, request.id.value_or(0));
        CHECK(dialect == request.dialect);
    }
}

TEST("an exit is a request whose command is exit") {
    CHECK(decode_request(R"({"cmd":"exit"})").is_exit());
    CHECK(parse_message("exit").is_exit());
    CHECK(!parse_message("exits").is_exit());
}

TEST("a malformed request carries what its answer needs") {
    try {
        decode_request(R"({"cmd":"","id":3})");
        CHECK(false);
    } catch (const MalformedRequest& error) {
        CHECK_EQ("bad_frame", error.code());
        CHECK_EQ("the command is empty", std::string(error.what()));
        CHECK_EQ(3, error.id().value_or(0));
        CHECK(Dialect::Short == error.dialect());
    }
    CHECK_THROWS(RemoteProtocolError, "bad_json", decode_request("hello"));
}

TEST("a long response is written with the keys of its dialect first") {
    CHECK_EQ(R"({"command":"svd","result":"ok","message":"","timestamp":5,"id":1,"tensors":["result_0","result_1"]})",
             encode_response(response(Dialect::Long, 1), 5));
    CHECK_EQ(R"({"command":"svd","result":"ok","message":"","timestamp":5})",
             encode_response(response(Dialect::Long, std::nullopt), 5));
}

TEST("a short response names its tensors in params, for hosts that know nothing else") {
    CHECK_EQ(
        R"({"cmd":"svd","params":"result_0,result_1","result":"ok","message":"","id":1,"tensors":["result_0","result_1"]})",
        encode_response(response(Dialect::Short, 1), 5));
    CHECK_EQ(R"({"cmd":"svd","params":"result_0,result_1"})",
             encode_response(response(Dialect::Short, std::nullopt), 5));
}

TEST("a short response without tensors has its text in params") {
    Response hello;
    hello.command = "hello";
    hello.result = "Hello World";
    hello.dialect = Dialect::Short;
    CHECK_EQ(R"({"cmd":"hello","params":"Hello World"})", encode_response(hello, 5));
}

TEST("a failure travels in both dialects, with and without an id") {
    for (const Dialect dialect : {Dialect::Long, Dialect::Short}) {
        for (const std::optional<std::int64_t> id : {std::optional<std::int64_t>(), std::optional<std::int64_t>(4)}) {
            const Response read = decode_response(encode_response(failed(dialect, id), 5));
            CHECK(read.error.has_value());
            CHECK_EQ("command_failed", read.error->code);
            CHECK_EQ("no", read.error->message);
            CHECK_EQ("ValueError", read.error->type);
            CHECK_EQ("Traceback", read.error->traceback);
        }
    }
    CHECK_EQ("error: no", decode_response(encode_response(failed(Dialect::Short, std::nullopt), 5)).result);
}

TEST("a response with an id is read as it was written") {
    for (const Dialect dialect : {Dialect::Long, Dialect::Short}) {
        Response written = response(dialect, 9);
        written.result = "fallback";
        written.message = "no tensor 'a'";
        const Response read = decode_response(encode_response(written, 5));
        CHECK_EQ("svd", read.command);
        CHECK_EQ("fallback", read.result);
        CHECK_EQ("no tensor 'a'", read.message);
        CHECK(written.tensors == read.tensors);
        CHECK_EQ(9, read.id.value_or(0));
        CHECK(dialect == read.dialect);
        CHECK(!read.error);
    }
}

TEST("a response cannot name a tensor outside the session directory") {
    for (const char* name : {"../x", "a/b", "", "nul"}) {
        Response written = response(Dialect::Long, 1);
        written.tensors = {"result_0", name};
        CHECK_THROWS(RemoteProtocolError, "bad_frame", decode_response(encode_response(written, 5)));
    }
}

TEST("plain text is a command and, to the last character, its parameters") {
    const Request request = parse_message(" \n matmul \t input_a  input_b \n");
    CHECK_EQ("matmul", request.command);
    CHECK_EQ("input_a  input_b \n", request.parameters);
    CHECK(!request.id);
    CHECK(Dialect::Long == request.dialect);
    CHECK_EQ("", parse_message("hello").parameters);
}

TEST("a typed JSON object keeps its dialect and loses its id") {
    const Request request = parse_message(R"( {"cmd":"x","params":[1,"a"],"id":5})");
    CHECK_EQ("1 a", request.parameters);
    CHECK(!request.id);
    CHECK(Dialect::Short == request.dialect);
}

TEST("a message that is no request is refused before it is sent") {
    for (const char* text :
         {"", " \t\r\n\v\f", "{", "{}", R"({"command":""})", R"({"cmd":"x"} y)", "caf\xE9", "\xFF"}) {
        CHECK_THROWS(LocalProtocolError, "bad_message", parse_message(text));
    }
}
