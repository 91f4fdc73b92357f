// What becomes of a process's output.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>

#include "check.h"
#include "children.h"
#include "temporary_directory.h"

using namespace std::chrono_literals;
using namespace children;
using tr::InheritOutput;
using tr::LaunchError;
using tr::OutputCallback;
using tr::OutputFile;
using tr::OutputLine;
using tr::detail::Event;
using tr::detail::OutputTail;

namespace {

std::string text_of(const std::filesystem::path& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

// Makes the host's stdout something else for a while.
class StdoutReplaced {
public:
    explicit StdoutReplaced(int descriptor) : before_(::dup(STDOUT_FILENO)) { ::dup2(descriptor, STDOUT_FILENO); }
    ~StdoutReplaced() {
        ::dup2(before_, STDOUT_FILENO);
        ::close(before_);
    }

private:
    int before_;
};

}  // namespace

TEST("neither wait nor the destructor waits for a stranger that holds the output") {
    Transcript transcript;
    int stranger = 0;
    {
        const Process process(with_transcript(python("import subprocess\n"
                                                     "p = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
                                                     "print(p.pid, 'up')"),
                                              transcript));
        CHECK(process.wait());
        CHECK_EQ(0, process.exit_status().value_or(1));
        stranger = std::stoi(process.output_tail());
    }
    CHECK(is_running(stranger));
    ::kill(stranger, SIGKILL);
}

TEST("a stranger that floods the output does not delay the end") {
    Transcript transcript;
    const Process process(with_transcript(python("import subprocess\n"
                                                 "p = subprocess.Popen(['yes'], start_new_session=True)\n"
                                                 "import os; os.write(2, b'%d up\\n' % p.pid)"),
                                          transcript));
    transcript.wait_for("up\n");
    CHECK(process.wait());
    const std::string text = transcript.text();
    std::size_t digits = text.find(" up");
    while (digits > 0 && text[digits - 1] != '\n') --digits;
    ::kill(std::stoi(text.substr(digits)), SIGKILL);
}

TEST("after wait the tail holds everything that the process wrote, the last 64 KiB of it") {
    const std::string text = output_of(python("import sys; sys.stdout.write('a' * 50_000_000 + 'end')"));
    CHECK_EQ(OutputTail::limit, text.size());
    CHECK_EQ("aaend", text.substr(text.size() - 5));
    for (int i = 0; i < 50; ++i) CHECK_EQ("out\nerr\n", output_of(sh("echo out; echo err >&2; exit 1")));
}

TEST("a callback gets every byte of stdout and stderr, also those of the end") {
    std::size_t total = 0;
    Launch what = python("import os, sys; sys.stdout.write('a' * 50_000_000); os.write(2, b'b' * 65536)");
    what.output = OutputCallback([&](const OutputLine& line) { total += line.text.size(); });
    {
        const Process process(what);
        process.wait();
    }
    CHECK_EQ(50'000'000 + 65'536, total);
}

TEST("a slow callback delays neither the truth nor the tail") {
    std::promise<void> release;
    std::string received;
    {
        Launch what = sh("echo first; sleep 0.05; echo second");
        what.output = OutputCallback([&, released = release.get_future().share()](const OutputLine& line) {
            released.wait();
            received.append(line.text).append("\n");
        });
        const Process process(what);
        CHECK(process.wait());
        CHECK(!process.is_alive());
        CHECK_EQ("first\nsecond\n", process.output_tail());
        release.set_value();
    }
    CHECK_EQ("first\nsecond\n", received);
}

TEST("what a callback throws is dropped, whatever it is, and it gets the next line, too") {
    int count = 0;
    Launch what = sh("echo one; echo two; echo three");
    what.output = OutputCallback([&](const OutputLine&) {
        if (++count == 1) throw std::runtime_error("no");
        if (count == 2) throw 42;
        throw "nothing that is known";
    });
    CHECK_EQ("one\ntwo\nthree\n", output_of(what));
    CHECK_EQ(3, count);
}

TEST("a callback that does not return is given up by the destructor, and called no more") {
    struct Kept {
        std::promise<void> release;
        std::promise<void> returned;
        std::atomic<int> count{0};
    };
    const auto kept = std::make_shared<Kept>();
    {
        Launch what = sh("echo one; echo two; sleep 1000");
        what.output = OutputCallback([kept, released = kept->release.get_future().share()](const OutputLine&) {
            ++kept->count;
            released.wait();
            kept->returned.set_value();
        });
        const Process process(what);
        while (kept->count == 0) std::this_thread::yield();
    }
    kept->release.set_value();
    kept->returned.get_future().wait();
    while (kept.use_count() > 1) std::this_thread::yield();  // its thread has ended
    CHECK_EQ(1, kept->count.load());
}

TEST("a callback that is too slow is given up after a second, and told how much it missed") {
    std::uint64_t given = 0;
    std::uint64_t dropped = 0;
    Launch what = python("import sys; sys.stdout.write('a line\\n' * 100_000)");
    what.output = OutputCallback([&](const OutputLine& line) {
        if (line.stream == "dropped")
            dropped += std::stoull(std::string(line.text));
        else
            given += line.text.size() + 1;
        std::this_thread::sleep_for(1ms);
    });
    output_of(what);
    CHECK(dropped > 0);
    CHECK_EQ(700'000, given + dropped);
}

TEST("a process can be destroyed in its own callback") {
    std::mutex mutex;
    std::unique_ptr<Process> process;
    Event destroyed;
    Launch what = sh("echo up; sleep 1000");
    what.output = OutputCallback([&](const OutputLine&) {
        const std::lock_guard<std::mutex> lock(mutex);
        process.reset();
        destroyed.set();
    });
    {
        const std::lock_guard<std::mutex> lock(mutex);
        process = std::make_unique<Process>(what);
    }
    pollfd entry{destroyed.handle(), POLLIN, 0};
    CHECK_EQ(1, ::poll(&entry, 1, -1));
    const std::lock_guard<std::mutex> lock(mutex);
    CHECK(process == nullptr);
}

TEST("output to a file is appended to it") {
    const TemporaryDirectory directory;
    std::ofstream(directory / "log") << "before\n";
    Launch what = sh("echo out; echo err >&2");
    what.output = OutputFile{(directory / "log").string()};
    CHECK_EQ("out\nerr\n", output_of(what));
    CHECK_EQ("before\nout\nerr\n", text_of(directory / "log"));
}

TEST("a named pipe that nobody reads is refused as an output file") {
    const TemporaryDirectory directory;
    CHECK_EQ(0, ::mkfifo((directory / "pipe").c_str(), 0600));
    Launch what = sh("true");
    what.output = OutputFile{(directory / "pipe").string()};
    CHECK_THROWS(LaunchError, "launch_failed", Process(what));
}

TEST("inherited output goes to the host's stdout, and its tail is kept") {
    const TemporaryDirectory directory;
    Launch what = sh("echo hello");
    what.output = InheritOutput{};
    const int file = ::open((directory / "out").c_str(), O_WRONLY | O_CREAT, 0600);
    {
        std::cout << std::flush;
        const StdoutReplaced replaced(file);
        CHECK_EQ("hello\n", output_of(what));
    }
    ::close(file);
    CHECK_EQ("hello\n", text_of(directory / "out"));
}

TEST("a full stdout of the host that nobody reads delays neither the truth nor the destructor") {
    std::array<int, 2> ends{};
    CHECK_EQ(0, ::pipe(ends.data()));
    Launch what = python("import os; os.write(1, b'a' * 100_000); os.write(2, b''); os._exit(5)");
    what.output = InheritOutput{};
    {
        std::cout << std::flush;
        const StdoutReplaced replaced(ends[1]);
        const Process one(what);
        const Process two(what);
        Launch flood = what;
        flood.argv = {"/bin/sh", "-c", "exec yes"};
        const Process three(flood);
        const Process four(flood);
        ::kill(as_pid(one), SIGKILL);
        CHECK(one.wait());
        ::kill(as_pid(three), SIGKILL);
        CHECK(three.wait());
    }
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST("a stdout of the host whose reader is gone ends neither host nor process") {
    std::array<int, 2> ends{};
    CHECK_EQ(0, ::pipe(ends.data()));
    ::close(ends[0]);
    Launch what = python("print('a' * 1_000_000); print('end')");
    what.output = InheritOutput{};
    {
        std::cout << std::flush;
        const StdoutReplaced replaced(ends[1]);
        const Process process(what);
        CHECK(process.wait());
        CHECK_EQ(0, process.exit_status().value_or(1));
    }
    ::close(ends[1]);
}

TEST("the tail of a stream is its last 64 KiB, however it was cut") {
    for (const std::size_t piece : {std::size_t{1000}, OutputTail::limit, 3 * OutputTail::limit + 1}) {
        OutputTail tail;
        std::string all;
        for (char letter = 'a'; letter < 'z'; ++letter) {
            const std::string text(piece, letter);
            for (int i = 0; i < 20; ++i) tail.append(text), all += text;
        }
        CHECK(tail.text() == all.substr(all.size() - OutputTail::limit));
    }
}
