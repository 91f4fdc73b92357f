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
    value.attachments = {{AttachmentKind::Tensor, "result_0"}, {AttachmentKind::Tensor, "result_1"}};
    value.dialect = dialect;
    value.id = id;
    return value;
}

Response failed(Dialect dialect, std::optional<std::int64_t> id) {
    Response value = response(dialect, id);
    value.attachments.clear();
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

TEST("a body and that a call is typed stand behind the deadline") {
    Request request{"a", "[[{\"$\":0}]]", 1, Dialect::Long, 7};
    request.typed = true;
    request.form = BodyForm::Json;
    request.attachments = {{AttachmentKind::Bytes, "_1_0"}};
    const std::string text = encode_request(request, 5);
    CHECK_EQ(
        R"({"command":"a","parameters":"[[{\"$\":0}]]","timestamp":5,"id":1,"deadline":7,"typed":true,"form":2,"attachments":[{"kind":1,"name":"_1_0"}]})",
        text);
    const Request read = decode_request(text);
    CHECK(read.typed);
    CHECK(read.form == BodyForm::Json);
    CHECK(read.attachments == request.attachments);
    CHECK(!parse_message(text).typed);
    CHECK(parse_message(text).form == BodyForm::Text);
    CHECK(parse_message(text).attachments.empty());
}

TEST("a form or an attachment that does not exist is refused") {
    for (const char* wrong : {R"("form":3)", R"("form":-0)", R"("form":"1")", R"("form":1.0)", R"("attachments":{})",
                              R"("attachments":[{"kind":4,"name":"a"}])", R"("attachments":[{"name":"a"}])",
                              R"("attachments":[{"kind":0}])", R"("attachments":[{"kind":0,"name":"../a"}])"}) {
        CHECK_THROWS(RemoteProtocolError, "bad_frame", decode_request(R"({"cmd":"a",)" + std::string(wrong) + "}"));
    }
    for (const char* wrong : {R"("form":3)", R"("kinds":[0])", R"("tensors":["a"],"kinds":[])",
                              R"("tensors":["a"],"kinds":[4])", R"("tensors":["a"],"kinds":{})"}) {
        const std::string text = R"({"command":"a","result":"","id":1,)" + std::string(wrong) + "}";
        CHECK_THROWS(RemoteProtocolError, "bad_frame", decode_response(text));
    }
}

TEST("a response says of what kinds its attachments are if they are not all tensors") {
    Response written = response(Dialect::Long, 1);
    written.form = BodyForm::Json;
    written.attachments[1].kind = AttachmentKind::Float64List;
    const std::string text = encode_response(written, 5);
    CHECK(text.find(R"("tensors":["result_0","result_1"],"form":2,"kinds":[0,3]})") != std::string::npos);
    CHECK(decode_response(text).attachments == written.attachments);
    CHECK(decode_response(text).form == BodyForm::Json);
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
        CHECK(written.attachments == read.attachments);
        CHECK_EQ(9, read.id.value_or(0));
        CHECK(dialect == read.dialect);
        CHECK(!read.error);
    }
}

TEST("a response cannot name a tensor outside the session directory") {
    for (const char* name : {"../x", "a/b", "", "nul"}) {
        Response written = response(Dialect::Long, 1);
        written.attachments = {{AttachmentKind::Tensor, "result_0"}, {AttachmentKind::Tensor, name}};
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
