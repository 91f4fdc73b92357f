// How a worker's end is read and recorded.
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "check.h"
#include "children.h"
#include "tech_renaissance/detail/host/coroner.h"
#include "temporary_directory.h"

using namespace children;
using tr::PostMortem;
using tr::detail::Call;
using tr::detail::Coroner;
using tr::detail::describe_exit;
using tr::detail::explain;
using tr::detail::last_traceback;
using tr::detail::native_fault;
using tr::detail::ProcessEnd;
using tr::detail::SessionPlace;
using tr::detail::shortened;
namespace json = tr::detail::json;

namespace {

// How the platform names ends.
#if defined(_WIN32)
constexpr const char* abort_signal = "";  // abort() exits with status 3
constexpr const char* fault_signal = "access violation";
constexpr const char* fault_words = "Windows fatal exception: access violation";
constexpr const char* kill_signal = "";
#else
constexpr const char* abort_signal = "SIGABRT";
constexpr const char* fault_signal = "SIGSEGV";
constexpr const char* fault_words = "Fatal Python error: Segmentation fault";
constexpr const char* kill_signal = "SIGKILL";
#endif

Launch exits(int status) { return python("raise SystemExit(" + std::to_string(status) + ")"); }

std::shared_ptr<const PostMortem> record_of(const Launch& what, const std::string& directory,
                                            const std::shared_ptr<Call>& call = nullptr, bool has_begun = true) {
    const auto coroner = std::make_shared<Coroner>(
        SessionPlace(directory), "/the/python",
        [has_begun](const std::vector<std::int64_t>& ids) {
            std::vector<tr::detail::Begun> begun;
            for (const std::int64_t id : ids) {
                if (has_begun) begun.push_back({id});
            }
            return begun;
        },
        nullptr);
    coroner->work().set_ready();
    if (call) tr::detail::WorkRecord::Entry(coroner->work(), call).keep();
    const Process process(what, [coroner](const ProcessEnd& end) { coroner->process_ended(end); });
    process.wait();
    return coroner->post_mortem();
}

std::shared_ptr<const PostMortem> record_of(const Launch& what) {
    const TemporaryDirectory directory;
    return record_of(what, directory.path());
}

std::shared_ptr<Call> call(const std::string& command, const std::string& parameters) {
    auto call = std::make_shared<Call>();
    call->request.command = command;
    call->request.parameters = parameters;
    call->request.id = 1;
    return call;
}

}  // namespace

TEST("the last traceback is the one that ended the process, with what it came from") {
    const std::string head = "Traceback (most recent call last):\n";
    const std::string one = head + "  File \"a\"\nKeyError: 1\n";
    const std::string link = "\nDuring handling of the above exception, another exception occurred:\n\n";
    const std::string two = head + "  File \"b\"\nValueError: 2\n";
    CHECK_EQ(two, last_traceback("warning\n" + two, 1));
    CHECK_EQ(two, last_traceback(one + "other text\n" + two, 1));
    CHECK_EQ(one + link + two, last_traceback("text\n" + one + link + two, 1));
    CHECK_EQ("", last_traceback(two, 0));
    CHECK_EQ("", last_traceback(two, -9));
    CHECK_EQ("", last_traceback("nothing", 1));
}

TEST("a native fault is what faulthandler wrote") {
    CHECK_EQ("Fatal Python error: Aborted\n\nstack\n", native_fault("before\nFatal Python error: Aborted\n\nstack\n"));
    CHECK_EQ("", native_fault("before\n"));
}

TEST("texts are cut by characters") {
    CHECK_EQ("abcde", shortened("abcde", 5));
    CHECK_EQ("ab...", shortened("abcdef", 5));
    CHECK_EQ("\xC3\xA4\xC3\xA4...", shortened("\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4", 5));
}

TEST("the explanation says how it ended, what it did, and its last lines") {
    PostMortem death;
    death.exit_status = -9;
    death.out_of_memory = true;
    death.message = "train 7";
    death.running_s = 1.23456;
    death.output_tail = "loading\nNo module named 'some_package.part'\n";
    death.interpreter = "/the/python";
    const std::string text = explain(death);
    CHECK_EQ(
        0, text.find(describe_exit(-9) + ", most likely by the kernel because memory ran out, 1.23 s into 'train 7'"));
    CHECK(text.find("its last lines:\n    loading\n") != std::string::npos);
    CHECK(text.find("/the/python -m pip install some-package") != std::string::npos);
}

TEST("an end before readiness is explained by what is most likely to be its reason") {
    PostMortem death;
    death.moment = "starting";
    death.exit_status = 1;
    death.python = "3.7";
    death.output_tail = "No module named 'tech_renaissance'";
    CHECK(explain(death).find("The worker's Python is 3.7, and tech_renaissance needs 3.8 or later") !=
          std::string::npos);
    CHECK(explain(death).find("pip install") == std::string::npos);
    for (const char* python : {"", "3.8", "3.8.18", "3.13.0", "x", "3.x", "10.1", "3"}) {
        death.python = python;
        CHECK(explain(death).find("in a checkout of the project this installs it:  -m pip install .") !=
              std::string::npos);
    }
    death.python = "2.7.18";
    CHECK(explain(death).find("Python is 2.7.18") != std::string::npos);
    death.python = "";
    death.exit_status = 0;
    CHECK(explain(death).find("ended without serving") != std::string::npos);
    death.ended_by_host = "close";
    CHECK(explain(death).find("ended without serving") == std::string::npos);
}

TEST("a traceback ends in the record, and in the file") {
    const TemporaryDirectory directory;
    std::ofstream(directory / "worker.json") << R"({"python": "3.9.1", "tech_renaissance": "2.0"})";
    const auto death = record_of(python("print('hello'); raise ValueError('broken')"), directory.path());
    CHECK_EQ(1, death->exit_status.value_or(0));
    CHECK_EQ("", death->signal);
    CHECK_EQ("idle", death->moment);
    CHECK(death->traceback.find("ValueError: broken") != std::string::npos);
    CHECK_EQ("", death->stack);
    CHECK(death->output_tail.find("hello") != std::string::npos);
    CHECK_EQ("/the/python", death->interpreter);
    CHECK_EQ("3.9.1", death->python);
    CHECK_EQ("2.0", death->tech_renaissance);
    CHECK(death->pid > 0);
    CHECK(death->started_at > 1e9);
    CHECK(death->ended_at >= death->started_at);
    std::stringstream text;
    text << std::ifstream(directory / "post_mortem.json").rdbuf();
    CHECK_EQ(json::write(tr::detail::to_json(*death)) + "\n", text.str());
}

TEST("a fault has the Python stacks") {
    const auto death = record_of(python("import faulthandler, os; faulthandler.enable(); os.abort()"));
    CHECK_EQ(abort_signal, death->signal);
    CHECK(death->stack.find("Fatal Python error: Aborted") == 0);
    const auto access = record_of(python("import faulthandler; faulthandler.enable(); faulthandler._read_null()"));
    CHECK_EQ(fault_signal, access->signal);
    CHECK_EQ(fault_words, access->stack.substr(0, std::string(fault_words).size()));
}

TEST("the record says what it was busy with, if it had begun") {
    const TemporaryDirectory directory;
    const auto busy = record_of(exits(3), directory.path(), call("train", "x 1"));
    CHECK_EQ("busy", busy->moment);
    CHECK_EQ("train x 1", busy->message);
    CHECK(busy->running_s >= 0);
    const auto unseen = record_of(exits(3), directory.path(), call("train", "x 1"), false);
    CHECK_EQ("idle", unseen->moment);
    CHECK_EQ("", unseen->message);
    const auto text = record_of(exits(3), directory.path(), call("train", std::string(5000, 'x')));
    CHECK_EQ(1000, text->message.size());
}

TEST("it was busy with the newest call that it had begun: answers to older ones may be untaken") {
    const TemporaryDirectory directory;
    const auto coroner = std::make_shared<Coroner>(
        SessionPlace(directory.path()), "/the/python",
        [](const std::vector<std::int64_t>&) { return std::vector<tr::detail::Begun>{{1}, {2}}; }, nullptr);
    for (const int id : {1, 2, 3}) {
        const auto sent = call("number", std::to_string(id));
        sent->request.id = id;
        tr::detail::WorkRecord::Entry(coroner->work(), sent).keep();
    }
    const Process process(exits(3), [coroner](const ProcessEnd& end) { coroner->process_ended(end); });
    process.wait();
    CHECK_EQ("busy", coroner->post_mortem()->moment);
    CHECK_EQ("number 2", coroner->post_mortem()->message);
}

TEST("a kill that nobody ran out of memory for is none for want of memory") {
    const auto death = record_of(python("import os; os.kill(os.getpid(), 9)"));
    CHECK_EQ(kill_signal, death->signal);
    CHECK(!death->out_of_memory);
}

#if defined(__linux__)
TEST("the peak of memory is known, if it is above the host's own") {
    const std::vector<char> more_than_an_idle_child(100'000'000, 1);
    CHECK_EQ(1, more_than_an_idle_child.back());  // so that no compiler leaves it out
    CHECK(!record_of(exits(0))->memory_peak_nbytes.has_value());
    // What runs the tests may have had more, and this process has inherited that.
    const std::uint64_t nbytes = tr::detail::own_peak_nbytes() + 100'000'000;
    const auto death = record_of(python("x = b'1' * " + std::to_string(nbytes)));
    CHECK(death->memory_peak_nbytes.value_or(0) > nbytes);
}
#endif

TEST("a record without a directory is made all the same, and nonsense in worker.json disturbs nobody") {
    CHECK_EQ(3, record_of(exits(3), "/no/such/directory")->exit_status.value_or(0));
    const TemporaryDirectory directory;
    std::ofstream(directory / "worker.json") << "[1";
    CHECK_EQ("", record_of(exits(3), directory.path())->python);
    std::filesystem::remove(directory / "worker.json");
    std::filesystem::create_directory(directory / "worker.json");
    CHECK_EQ("", record_of(exits(3), directory.path())->python);
}

TEST("a record is there before the end is told") {
    for (int i = 0; i < 20; ++i) CHECK(record_of(exits(1)) != nullptr);
}
