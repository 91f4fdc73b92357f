// Which Python a worker runs on, and the small print of starting a program.
#include "tech_renaissance/detail/process/interpreter.h"

#include <filesystem>
#include <fstream>

#include "check.h"
#include "tech_renaissance/detail/process/command_line_windows.h"
#include "temporary_directory.h"

using tr::Environment;
using tr::LaunchError;
using tr::detail::command_line;
using tr::detail::current_environment;
using tr::detail::default_python;
using tr::detail::find_interpreter;
using tr::detail::named_version;
using tr::detail::path_separator;
using tr::detail::virtual_environment_python;
using tr::detail::with_executable_suffix;

namespace {

// Makes an executable file with missing parents and returns its absolute path.
std::string make_executable(const std::filesystem::path& path) {
    const std::filesystem::path file = with_executable_suffix(path.string());
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << "#!/bin/sh\n";
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    return file.string();
}

std::string message_of_refusal(const std::string& option, const Environment& environment) {
    try {
        find_interpreter(option, environment);
    } catch (const LaunchError& error) {
        return error.what();
    }
    return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST("an interpreter's name tells its version, links followed") {
    const TemporaryDirectory directory;
    const std::string file = make_executable(directory / "bin" / "python3.7");
    std::error_code refused;  // Windows lets only some users make links
    std::filesystem::create_symlink(file, directory / "bin" / "python", refused);
    if (!refused) CHECK_EQ("3.7", named_version((directory / "bin" / "python").string()));
    CHECK_EQ("3.11", named_version("/no/such/Python311/python.exe"));
    CHECK_EQ("2.7", named_version("/no/such/python-2.7m"));
    CHECK_EQ("", named_version("/no/such/python3"));
    CHECK_EQ("", named_version("/python27/bin/pypy"));
}

TEST("the option comes before TR_PYTHON, that before the virtual environment, that before PATH") {
    const TemporaryDirectory directory;
    const std::string option = make_executable(directory / "option" / "python");
    const std::string wish = make_executable(directory / "wish" / "python");
    const std::string active = make_executable(directory / "active" / virtual_environment_python);
    const std::string installed = make_executable(directory / "bin" / default_python);
    Environment environment{
        {"TR_PYTHON", wish}, {"VIRTUAL_ENV", (directory / "active").string()}, {"PATH", (directory / "bin").string()}};
    CHECK_EQ(option, find_interpreter(option, environment));
    CHECK_EQ(wish, find_interpreter("", environment));
    environment["TR_PYTHON"] = "";
    CHECK_EQ(active, find_interpreter("", environment));
    environment.erase("VIRTUAL_ENV");
    CHECK_EQ(installed, find_interpreter("", environment));
}

TEST("a bare name is looked for on PATH, first directory first") {
    const TemporaryDirectory directory;
    const std::string first = make_executable(directory / "b" / "python3.11");
    make_executable(directory / "c" / "python3.11");
    const std::string path = (directory / "a").string() + path_separator + path_separator + (directory / "b").string() +
                             path_separator + (directory / "c").string();
    CHECK_EQ(first, find_interpreter("python3.11", {{"PATH", path}}));
    CHECK_EQ(first, find_interpreter("", {{"PATH", path}, {"TR_PYTHON", "python3.11"}}));
}

TEST("a wish that cannot be met has no substitute, and the error says what was tried and what to do") {
    const TemporaryDirectory directory;
    make_executable(directory / default_python);
    const Environment environment{{"PATH", directory.path()}, {"TR_PYTHON", "/no/such/python"}};
    CHECK_THROWS(LaunchError, "interpreter_not_found", find_interpreter("", environment));
    CHECK_THROWS(LaunchError, "interpreter_not_found", find_interpreter("no-such-python", environment));
    CHECK(contains(message_of_refusal("", environment), "there is no Python interpreter '/no/such/python': "));
    CHECK(contains(message_of_refusal("no-such-python", environment), "'no-such-python': "));
    CHECK(contains(message_of_refusal("no-such-python", environment), "set the option python, or TR_PYTHON,"));
}

TEST("a virtual environment that is gone is passed over, and named if there is nothing else") {
    const TemporaryDirectory directory;
    const std::string installed = make_executable(directory / default_python);
    const std::string gone = (directory / "gone").string();
    CHECK_EQ(installed, find_interpreter("", {{"PATH", directory.path()}, {"VIRTUAL_ENV", gone}}));
    CHECK(contains(message_of_refusal("", {{"VIRTUAL_ENV", gone}}), "' or '" + std::string(default_python) + "': "));
}

TEST("a directory or a missing file is no interpreter") {
    const TemporaryDirectory directory;
    CHECK_THROWS(LaunchError, "interpreter_not_found", find_interpreter(directory.path(), {}));
    CHECK_THROWS(LaunchError, "interpreter_not_found", find_interpreter((directory / "missing").string(), {}));
}

TEST("a relative path is that of the current directory, and becomes absolute") {
    const TemporaryDirectory directory;
    const std::string python = make_executable(directory / "bin" / "python");
    const std::filesystem::path before = std::filesystem::current_path();
    std::filesystem::current_path(directory.path());
    CHECK_EQ(python, find_interpreter(std::filesystem::path("bin/python").make_preferred().string(), {}));
    std::filesystem::current_path(before);
}

#if !defined(_WIN32)
TEST("a file that may not be run is no interpreter") {
    const TemporaryDirectory directory;
    std::filesystem::permissions(make_executable(directory / "python"), std::filesystem::perms::owner_read);
    CHECK_THROWS(LaunchError, "interpreter_not_found", find_interpreter((directory / "python").string(), {}));
}

TEST("the link of a virtual environment is not resolved") {
    const TemporaryDirectory directory;
    std::filesystem::create_directories(directory / "bin");
    std::filesystem::create_symlink(make_executable(directory / "real"), directory / "bin" / "python");
    CHECK_EQ((directory / "bin" / "python").string(), find_interpreter("", {{"VIRTUAL_ENV", directory.path()}}));
}

TEST("the current environment is that of the process, values with '=' included") {
    ::setenv("TR_TEST_VARIABLE", "a=b", 1);
    CHECK_EQ("a=b", current_environment().at("TR_TEST_VARIABLE"));
    ::unsetenv("TR_TEST_VARIABLE");
    CHECK_EQ(0, current_environment().count("TR_TEST_VARIABLE"));
}
#endif

TEST("a command line for Windows is quoted where its runtime would cut or change it") {
    CHECK(command_line({L"python.exe", L"-c", L"a"}) == L"python.exe -c a");
    CHECK(command_line({L"a b", L"", L"\t"}) == L"\"a b\" \"\" \"\t\"");
    CHECK(command_line({LR"(C:\dir\)", LR"(C:\a b\)"}) == LR"(C:\dir\ "C:\a b\\")");
    CHECK(command_line({LR"(say "hi")", LR"(\")", LR"(\\" x)"}) == LR"("say \"hi\"" "\\\"" "\\\\\" x")");
}
