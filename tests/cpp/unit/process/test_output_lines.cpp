// Output cut into lines, each with its stream and its call.
#include "tech_renaissance/detail/process/output_lines.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "children.h"
#include "tech_renaissance/detail/process/output_giver.h"
#include "temporary_directory.h"

using namespace children;
using tr::OutputLine;
using tr::detail::CallText;
using tr::detail::OutputBacklog;
using tr::detail::OutputGiver;
using tr::detail::OutputLines;
using tr::detail::OutputPiece;
using tr::detail::Stream;

namespace {

// Lines as "stream command: text".
class Seen {
public:
    tr::OutputCallback callback() {
        return [this](const OutputLine& line) { add(line); };
    }
    OutputLines::Give give() {
        return [this](const OutputLine& line, std::uint64_t count) {
            add(line);
            nbytes += count;
        };
    }
    std::vector<std::string> lines;
    std::uint64_t nbytes = 0;

private:
    void add(const OutputLine& line) {
        lines.push_back(std::string(line.stream) + " " + std::string(line.message) + ": " + std::string(line.text));
    }
};

using Lines = std::vector<std::string>;
using Kind = OutputPiece::Kind;

CallText call(const std::string& message) { return std::make_shared<const std::string>(message); }

OutputPiece bytes(Stream stream, const std::string& text, const std::string& message) {
    return {Kind::bytes, call(message), stream, text};
}

std::vector<OutputPiece> all_of(OutputBacklog& backlog) {
    std::vector<OutputPiece> pieces;
    while (auto piece = backlog.take()) pieces.push_back(*piece);
    return pieces;
}

const std::string half(OutputBacklog::most_nbytes / 2, 'a');

}  // namespace

TEST("lines are given without their newlines, as soon as they end, however they come") {
    Seen seen;
    OutputLines output(seen.give());
    output.write(bytes(Stream::out, "one\ntw", "a"));
    CHECK((seen.lines == Lines{"stdout a: one"}));
    output.write(bytes(Stream::out, "o", "a"));
    output.write(bytes(Stream::err, "error\n", "a"));
    output.write(bytes(Stream::out, "\n\nthree", "a"));
    CHECK((seen.lines == Lines{"stdout a: one", "stderr a: error", "stdout a: two", "stdout a: "}));
    output.write({Kind::end_of_call, call("a")});
    CHECK_EQ("stdout a: three", seen.lines.back());
    output.write({Kind::end_of_call, call("a")});
    CHECK_EQ(5, seen.lines.size());
    CHECK_EQ(std::string("one\ntwo\nerror\n\nthree").size(), seen.nbytes);
}

TEST("a newline may be CR LF, in one piece or two; any other CR belongs to the line") {
    Seen seen;
    OutputLines output(seen.give());
    output.write(bytes(Stream::out, "one\r\na\rb\r\n\r\ntwo\r", "a"));
    output.write(bytes(Stream::out, "\nthree\r", "a"));
    output.write({Kind::end_of_call, call("a")});
    CHECK((seen.lines == Lines{"stdout a: one", "stdout a: a\rb", "stdout a: ", "stdout a: two", "stdout a: three\r"}));
    CHECK_EQ(std::string("one\r\na\rb\r\n\r\ntwo\r\nthree\r").size(), seen.nbytes);
}

TEST("a line is cut after 64 KiB, wherever the system cut it") {
    const std::string full(OutputLines::longest, 'a');
    const std::vector<std::pair<std::string, std::vector<std::size_t>>> cases{
        {full + "\n", {65'536}},         {full + "\r\n", {65'536}},
        {full + "\rb\n", {65'536, 2}},   {full + "\r", {65'536, 1}},
        {full + full, {65'536, 65'536}}, {full + full + full.substr(0, 9) + "\r\n\r\n", {65'536, 65'536, 9, 0}},
    };
    for (const auto& [text, expected] : cases) {
        for (const std::size_t nbytes :
             {std::size_t{1}, std::size_t{50'000}, full.size(), full.size() + 1, text.size()}) {
            std::vector<std::size_t> sizes;
            std::size_t told = 0;
            OutputLines output([&](const OutputLine& line, std::uint64_t count) {
                sizes.push_back(line.text.size());
                told += count;
            });
            for (std::size_t at = 0; at < text.size(); at += nbytes)
                output.write(bytes(Stream::out, text.substr(at, nbytes), ""));
            output.end();
            CHECK(sizes == expected);
            CHECK_EQ(text.size(), told);
        }
    }
}

TEST("where bytes were dropped, a line says how many, and parts before it are lines") {
    Seen seen;
    OutputLines output(seen.give());
    output.write(bytes(Stream::err, "cut o", "a"));
    output.write({Kind::dropped, call("b"), Stream::out, "", 12345});
    output.write(bytes(Stream::err, "ff\n", "c"));
    CHECK((seen.lines == Lines{"stderr a: cut o",
                               "dropped b: 12345 bytes of output were dropped: the callback was too slow",
                               "stderr c: ff"}));
    CHECK_EQ(5 + 12345 + 3, seen.nbytes);
}

TEST("a backlog is full at 1 MiB, keeps as much again, and then counts what comes until half is taken") {
    OutputBacklog backlog;
    backlog.add(Stream::out, half, call("a"));
    CHECK(!backlog.is_full());
    backlog.add(Stream::out, half, call("a"));
    CHECK(backlog.is_full());
    for (const char* message : {"a", "a", "b", "b", "c"}) backlog.add(Stream::out, half, call(message));
    CHECK(!backlog.is_full());
    for (int i = 0; i < 3; ++i) CHECK(backlog.take()->kind == Kind::bytes);
    backlog.add(Stream::out, half, call("d"));
    backlog.end_call(call("d"));
    const std::vector<OutputPiece> rest = all_of(backlog);
    CHECK_EQ(2, rest.size());
    CHECK(rest[0].kind == Kind::bytes);
    CHECK(rest[1].kind == Kind::dropped);
    CHECK_EQ(4 * half.size(), rest[1].dropped);
    CHECK_EQ("", *rest[1].call);
    backlog.add(Stream::out, half, call("e"));
    CHECK_EQ(1, all_of(backlog).size());
}

TEST("a backlog that drops says of which call that was, if it was only one") {
    OutputBacklog backlog;
    backlog.drop();
    const CallText only = call("a");
    for (int i = 0; i < 3; ++i) backlog.add(Stream::err, "text", only);
    const OutputPiece dropped = *backlog.take();
    CHECK_EQ(12, dropped.dropped);
    CHECK_EQ("a", *dropped.call);
}

TEST("long messages, and calls that write nothing, fill no memory") {
    OutputBacklog backlog;
    for (int i = 0; i < 1000; ++i) backlog.end_call(call("silent"));
    CHECK(backlog.empty());
    backlog.add(Stream::out, "x", call(half + half));
    CHECK(backlog.is_full());
}

TEST("what a process writes belongs to the call in whose time it is taken") {
    Seen seen;
    {
        Launch what = python(
            "import os, sys\n"
            "for word in ('before', 'during', 'after'):\n"
            "    sys.stdout.write(word + '\\n' + word)\n"
            "    sys.stdout.flush()\n"
            "    open(word, 'w').close()\n"
            "    while os.path.exists(word): pass\n");
        const TemporaryDirectory directory;
        what.working_directory = directory.path();
        what.output = seen.callback();
        const Process process(what);
        for (const char* word : {"before", "during", "after"}) {
            while (!std::filesystem::exists(directory / word)) std::this_thread::yield();
            process.switch_output(std::string(word) == "before" ? "call" : "");
            std::error_code busy;  // Windows does not remove what is still open
            while (!std::filesystem::remove(directory / word, busy)) std::this_thread::yield();
        }
        process.wait();
    }
    CHECK((seen.lines == Lines{"stdout : before", "stdout call: beforeduring", "stdout call: during", "stdout : after",
                               "stdout : after"}));
}

TEST("the end of a call that fills the backlog gives its callback as much patience as output does") {
    Seen seen;
    OutputGiver giver(seen.callback());
    giver.switch_call("a");
    const std::string line(OutputBacklog::most_nbytes - 300, 'x');
    giver.add(Stream::out, line);
    CHECK(!giver.is_behind());
    giver.switch_call("");
    CHECK(giver.is_behind());
    giver.wait_for_room(tr::detail::Clock::now());
    giver.add(Stream::out, "kept\n");
    giver.complete();
    giver.run();
    CHECK_EQ("stdout : kept", seen.lines.back());
}
