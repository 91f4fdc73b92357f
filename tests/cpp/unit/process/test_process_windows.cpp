// Processes and their output on Windows.
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "children.h"

using namespace children;
using namespace std::chrono_literals;

namespace {

// As Python writes a list of texts.
std::string as_python(const std::vector<std::string>& arguments) {
    std::string text = "[";
    for (const std::string& argument : arguments) {
        text += text.size() > 1 ? ", b'" : "b'";
        for (const char c : argument) {
            constexpr const char* digits = "0123456789abcdef";
            const auto byte = static_cast<unsigned char>(c);
            text += std::string("\\x") + digits[byte / 16] + digits[byte % 16];
        }
        text += "'";
    }
    return text + "]";
}

}  // namespace

TEST("arguments arrive as they are, whatever is in them") {
    const std::vector<std::string> letters{"a", " ", "\t", "\n", "\"", "\\", "'", "%PATH%", "^", "&", "é", "😀"};
    std::mt19937 random(20261127);
    std::vector<std::string> arguments{"", "\\", "\\\\\"", "a b\\", "\"\""};
    for (int i = 0; i < 300; ++i) {
        std::string argument;
        for (auto length = random() % 8; length > 0; --length) argument += letters[random() % letters.size()];
        arguments.push_back(argument);
    }
    Launch echo = python("import sys; print([text.encode() for text in sys.argv[1:-1]] == eval(sys.argv[-1]))");
    echo.argv.insert(echo.argv.end(), arguments.begin(), arguments.end());
    echo.argv.push_back(as_python(arguments));
    CHECK_EQ("True\r\n", output_of(echo));
}

TEST("the output of a process arrives though the thread that started it has ended") {
    std::optional<Process> process;
    std::thread([&] { process.emplace(python("print('x' * 1_000_000); print('the end')")); }).join();
    CHECK(process->wait(60s));
    const std::string tail = process->output_tail();
    CHECK_EQ("xxx\r\nthe end\r\n", tail.substr(tail.size() - 14));
}

TEST("a process that an exception ended has its code as a negative number") {
    const Process process(python("import faulthandler; faulthandler._read_null()"));
    process.wait();
    CHECK_EQ(-1073741819, process.exit_status().value_or(0));
}

TEST("after wait the tail has all that was written, every time") {
    for (int i = 0; i < 20; ++i) CHECK_EQ("1\r\n", output_of(python("print(1)")));
}
