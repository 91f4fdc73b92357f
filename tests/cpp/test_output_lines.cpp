// Output cut into lines, each with its stream and its call.
#include "tech_renaissance/detail/process/output_lines.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "children.h"
#include "temporary_directory.h"

using namespace children;
using tr::OutputLine;
using tr::detail::OutputLines;
using tr::detail::Stream;

namespace {

// Lines as "stream command: text".
class Seen {
public:
    tr::OutputCallback callback() {
        return [this](const OutputLine& line) {
            lines.push_back(std::string(line.stream) + " " + std::string(line.command) + ": " + std::string(line.text));
        };
    }
    std::vector<std::string> lines;
};

using Lines = std::vector<std::string>;

}  // namespace

TEST("lines are given without their newlines, as soon as they end, however they come") {
    Seen seen;
    OutputLines output(seen.callback());
    output.write(Stream::out, "one\ntw", "a");
    CHECK((seen.lines == Lines{"stdout a: one"}));
    output.write(Stream::out, "o", "a");
    output.write(Stream::err, "error\n", "a");
    output.write(Stream::out, "\n\nthree", "a");
    CHECK((seen.lines == Lines{"stdout a: one", "stderr a: error", "stdout a: two", "stdout a: "}));
    output.end_call("a");
    CHECK_EQ("stdout a: three", seen.lines.back());
    output.end_call("a");
    CHECK_EQ(5, seen.lines.size());
}

TEST("a line is cut after 64 KiB") {
    std::vector<std::size_t> sizes;
    OutputLines output([&](const OutputLine& line) { sizes.push_back(line.text.size()); });
    output.write(Stream::out, std::string(OutputLines::longest, 'a') + "\n", "");
    CHECK((sizes == std::vector<std::size_t>{OutputLines::longest}));
    sizes.clear();
    for (int i = 0; i < 3; ++i) output.write(Stream::out, std::string(50'000, 'a'), "");
    output.write(Stream::out, "\n", "");
    CHECK((sizes == std::vector<std::size_t>{65'536, 65'536, 150'000 - 2 * 65'536}));
}

TEST("a callback that throws gets the next line, too") {
    int count = 0;
    OutputLines output([&](const OutputLine&) {
        ++count;
        throw std::runtime_error("no");
    });
    output.write(Stream::out, "one\ntwo\n", "");
    CHECK_EQ(2, count);
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
            std::filesystem::remove(directory / word);
        }
        process.wait();
    }
    CHECK((seen.lines == Lines{"stdout : before", "stdout call: beforeduring", "stdout call: during", "stdout : after",
                               "stdout : after"}));
}
