// Processes: how they start, what they get, how they end.
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>

#include "check.h"
#include "children.h"
#include "no_threads.h"
#include "temporary_directory.h"

using namespace std::chrono_literals;
using namespace children;
using tr::LaunchError;
using tr::OutputFile;

namespace {

std::set<std::string> entries_of(const char* directory) {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
        names.insert(entry.path().filename().string());
    return names;
}

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

}  // namespace

TEST("arguments arrive as they are, without a shell") {
    const std::vector<std::string> arguments{"",  "a b",         "\"quoted\"", "$HOME",
                                             "*", "back\\slash", "new\nline",  "\xE4\xB8\xAD"};
    Launch what = python("import sys; print(ascii(sys.argv[1:]))");
    what.environment["PYTHONUTF8"] = "1";
    what.argv.insert(what.argv.end(), arguments.begin(), arguments.end());
    CHECK_EQ("['', 'a b', '\"quoted\"', '$HOME', '*', 'back\\\\slash', 'new\\nline', '\\u4e2d']\n", output_of(what));
}

TEST("the environment is the given one, the host's process id and the lifeline, nothing else") {
    Launch what = launch({"/usr/bin/env"});
    what.environment = {{"NAME", "va=lue"}, {"TR_HOST_PID", "1"}};
    CHECK_EQ("NAME=va=lue\nTR_HOST_PID=" + std::to_string(::getpid()) + "\nTR_LIFELINE=3\n", output_of(what));
}

TEST("the working directory is the given one, and a relative executable is the host's") {
    const TemporaryDirectory directory;
    Launch what = sh("pwd -P");
    what.working_directory = directory.path();
    CHECK_EQ(std::filesystem::canonical(directory.path()).string() + "\n", output_of(what));
    what.argv[0] = std::filesystem::relative("/bin/sh").string();
    CHECK_EQ(std::filesystem::canonical(directory.path()).string() + "\n", output_of(what));
}

TEST("a process leads a session and a group of its own") {
    const std::string text = output_of(python("import os; print(os.getpid() == os.getpgid(0) == os.getsid(0))"));
    CHECK_EQ("True\n", text);
}

TEST("stdin is empty") { CHECK_EQ("b''\n", output_of(python("import sys; print(sys.stdin.buffer.read())"))); }

TEST("a process has its standard streams, its lifeline and no other descriptor of the host") {
    const int inheritable = ::open("/dev/null", O_RDONLY);
    const int high = ::fcntl(inheritable, F_DUPFD, 900);
    const std::string code = "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])";
    CHECK_EQ("[0, 1, 2, 3]\n", output_of(python(code)));
    ::close(inheritable);
    ::close(high);
}

TEST("signals are at their defaults and unblocked, whatever the host does with them") {
    ::signal(SIGUSR1, SIG_IGN);
    const tr::detail::SignalsBlocked blocked;
    // sh itself changes nothing; Python would ignore SIGPIPE.
    const std::string text = output_of(sh("grep -E 'SigBlk|SigIgn' /proc/self/status"));
    CHECK_EQ("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n", text);
    ::signal(SIGUSR1, SIG_DFL);
}

TEST("a host without standard streams can start processes") {
    const ::pid_t fork = ::fork();
    if (fork == 0) {
        for (const int stream : {0, 1, 2}) ::close(stream);
        ::_exit(output_of(sh("cat; echo out; echo err >&2")) == "out\nerr\n" ? 0 : 1);
    }
    int status = -1;
    ::waitpid(fork, &status, 0);
    CHECK_EQ(0, status);
}

TEST("a missing executable is interpreter_not_found, and its path is in the message") {
    CHECK_THROWS(LaunchError, "interpreter_not_found", Process(launch({"/no/such/python"})));
    try {
        const Process process(launch({"/no/such/python"}));
    } catch (const LaunchError& error) {
        CHECK(std::string(error.what()).find("/no/such/python") != std::string::npos);
    }
}

TEST("what cannot be started is launch_failed") {
    const TemporaryDirectory directory;
    std::ofstream(directory / "text") << "no program";
    Launch no_directory = sh("true");
    no_directory.working_directory = "/no/such/directory";
    Launch bad_variable = sh("true");
    bad_variable.environment["A=B"] = "";
    Launch no_output = sh("true");
    no_output.output = OutputFile{"/no/such/directory/log"};
    CHECK_THROWS(LaunchError, "launch_failed", Process(launch({(directory / "text").string()})));
    CHECK_THROWS(LaunchError, "launch_failed", Process(launch({directory.path()})));
    CHECK_THROWS(LaunchError, "launch_failed", Process(launch({})));
    CHECK_THROWS(LaunchError, "launch_failed", Process(launch({"/bin/sh", std::string("a\0b", 3)})));
    CHECK_THROWS(LaunchError, "launch_failed", Process(no_directory));
    CHECK_THROWS(LaunchError, "launch_failed", Process(bad_variable));
    CHECK_THROWS(LaunchError, "launch_failed", Process(no_output));
}

TEST("a host without descriptors left gets launch_failed") {
    struct rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    for (::rlim_t limit = 3; limit < 20; ++limit) {
        const struct rlimit few{limit, before.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &few);
        try {
            CHECK_EQ("", output_of(sh("true")));
        } catch (const LaunchError& error) {
            CHECK_EQ("launch_failed", error.code());
        }
    }
    ::setrlimit(RLIMIT_NOFILE, &before);
}

#if defined(__GLIBC__)
TEST("a host without threads left gets launch_failed, and leaves no process") {
    {
        const NoThreads none;
        CHECK_THROWS(LaunchError, "launch_failed", Process(sh("sleep 60")));
        Launch with_lines = sh("echo line");
        with_lines.output = tr::OutputCallback([](const tr::OutputLine&) {});
        CHECK_THROWS(LaunchError, "launch_failed", Process(with_lines));
    }
    CHECK(!has_children());
    CHECK_EQ("on\n", output_of(sh("echo on")));
}
#endif

TEST("no start, failed or not, leaves a descriptor, a thread or a process behind") {
    output_of(sh("echo hello"));  // a thread sanitizer makes a thread of its own with the first of ours
    const auto descriptors = entries_of("/proc/self/fd");
    const auto threads = entries_of("/proc/self/task");
    for (int i = 0; i < 20; ++i) {
        output_of(sh("echo hello"));
        const Process killed(sh("sleep 1000"));
        CHECK_THROWS(LaunchError, "interpreter_not_found", Process(launch({"/no/such/python"})));
        CHECK_THROWS(LaunchError, "launch_failed", Process(launch({"/"})));
    }
    CHECK(descriptors == entries_of("/proc/self/fd"));
    CHECK_EQ(threads.size(), entries_of("/proc/self/task").size());
    CHECK(!has_children());
}

TEST("the exit status is the exit code, or the negative signal") {
    const Process exited(sh("exit 7"));
    const Process killed(sh("kill -SEGV $$"));
    const Process alive(sh("sleep 1000"));
    CHECK(exited.wait());
    CHECK(killed.wait());
    CHECK_EQ(7, exited.exit_status().value_or(0));
    CHECK_EQ(-SIGSEGV, killed.exit_status().value_or(0));
    CHECK(!alive.exit_status().has_value());
}

TEST("is_alive tells the truth at once") {
    Transcript transcript;
    const Process process(with_transcript(sh("echo up; sleep 1000"), transcript));
    transcript.wait_for("up\n");
    CHECK(process.is_alive());
    ::kill(as_pid(process), SIGKILL);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<::id_t>(process.pid()), &info, WEXITED | WNOWAIT);
    CHECK(!process.is_alive());
    CHECK_EQ(-SIGKILL, process.exit_status().value_or(0));
}

TEST("wait returns false when its time has passed") {
    const Process process(sh("sleep 1000"));
    const auto before = std::chrono::steady_clock::now();
    CHECK(!process.wait(20ms));
    CHECK(std::chrono::steady_clock::now() - before >= 20ms);
    CHECK(!process.wait(-1ms));
    CHECK(process.is_alive());
}

TEST("several threads can wait for the same end") {
    const Process process(sh("sleep 1000"));
    std::vector<std::thread> waiters;
    for (int i = 0; i < 4; ++i) {
        waiters.emplace_back([&] {
            CHECK(process.wait(std::chrono::milliseconds::max()));
            CHECK_EQ(-SIGKILL, process.exit_status().value_or(0));
        });
    }
    process.kill();
    for (std::thread& waiter : waiters) waiter.join();
}

TEST("the exit handle fires at the end, not before, and all of the output is there then") {
    const Process process(sh("sleep 1000"));
    pollfd entry{process.exit_handle(), POLLIN, 0};
    CHECK_EQ(0, ::poll(&entry, 1, 0));
    process.kill();
    CHECK_EQ(1, ::poll(&entry, 1, -1));
    CHECK(!process.is_alive());
    for (int i = 0; i < 50; ++i) {
        const Process talker(sh("echo last"));
        entry.fd = talker.exit_handle();
        CHECK_EQ(1, ::poll(&entry, 1, -1));
        CHECK_EQ("last\n", talker.output_tail());
    }
}

TEST("terminate is a request that a process can answer") {
    Transcript transcript;
    const Process process(
        with_transcript(sh("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done"), transcript));
    transcript.wait_for("up\n");
    process.terminate();
    process.wait();
    CHECK_EQ(3, process.exit_status().value_or(0));
    CHECK(process.output_tail().find("bye\n") != std::string::npos);
}

TEST("terminate reaches a stopped process") {
    Transcript transcript;
    const Process process(with_transcript(sh("trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done"), transcript));
    transcript.wait_for("up\n");
    ::kill(as_pid(process), SIGSTOP);
    process.terminate();
    process.wait();
    CHECK_EQ(3, process.exit_status().value_or(0));
}

TEST("kill ends a process that ignores everything else, and its group") {
    Transcript transcript;
    const Process process(with_transcript(sh("trap '' TERM INT HUP; sleep 1000 & echo $! up; wait"), transcript));
    transcript.wait_for("up\n");
    process.kill();
    process.wait();
    CHECK_EQ(-SIGKILL, process.exit_status().value_or(0));
    wait_until_gone(std::stoi(process.output_tail()));
}

TEST("kill reaches the group of a leader that is dead already") {
    const Process process(sh("sleep 1000 & echo $!"));
    process.wait();
    process.kill();
    wait_until_gone(std::stoi(process.output_tail()));
}

TEST("what a dead process left in its group goes without being asked, and the dead one is reaped") {
    const Process process(sh("sleep 1000 & echo $!"));
    process.wait();
    wait_until_gone(std::stoi(process.output_tail()));
    while (::kill(as_pid(process), 0) == 0) std::this_thread::yield();
}

TEST("signals after the end go to nobody") {
    const Process process(sh("true"));
    process.wait();
    process.kill();
    while (::kill(as_pid(process), 0) == 0) std::this_thread::yield();
    process.terminate();
    process.kill();
    CHECK_EQ(0, process.exit_status().value_or(1));
}

TEST("the destructor ends a process, its children and a stopped one") {
    Transcript transcript;
    int child = 0;
    int leader = 0;
    {
        const Process process(
            with_transcript(sh("trap '' TERM; sleep 1000 & echo $! up; kill -STOP $$; wait"), transcript));
        transcript.wait_for("up\n");
        child = std::stoi(process.output_tail());
        leader = as_pid(process);
    }
    wait_until_gone(child);
    CHECK_EQ(-1, ::kill(leader, 0));
    CHECK(!has_children());
}

TEST("the lifeline ends when the object goes, or when it is closed") {
    const std::string code =
        "import os, signal\n"
        "r, w = os.pipe()\n"
        "if os.fork() == 0:\n"  // survives its group, as a witness
        "    os.setsid()\n"
        "    print('up', flush=True)\n"
        "    os.read(int(os.environ['TR_LIFELINE']), 1)\n"
        "    open('end-of-lifeline', 'w').close()\n"
        "    os._exit(0)\n"
        "os.close(w); os.read(r, 1)";
    for (const bool by_hand : {true, false}) {
        const TemporaryDirectory directory;
        Transcript transcript;
        Launch what = with_transcript(python(code), transcript);
        what.working_directory = directory.path();
        auto process = std::make_unique<Process>(what);
        transcript.wait_for("up\n");
        CHECK(!std::filesystem::exists(directory / "end-of-lifeline"));
        by_hand ? process->close_lifeline() : process.reset();
        while (!std::filesystem::exists(directory / "end-of-lifeline")) std::this_thread::yield();
    }
}

#if defined(__linux__)
TEST("a process that knows nothing of its lifeline ends with it, and so does its group") {
    Transcript transcript;
    const Process process(with_transcript(sh("sleep 60 & echo up; wait"), transcript));
    transcript.wait_for("up\n");
    process.close_lifeline();
    CHECK(process.wait(1min));
    CHECK_EQ(-SIGKILL, process.exit_status().value_or(0));
}
#endif

TEST("the lifeline of one process is not held open by another") {
    Transcript first;
    auto one = std::make_unique<Process>(with_transcript(
        python("import os; print('up', flush=True); os.read(int(os.environ['TR_LIFELINE']), 1)"), first));
    first.wait_for("up\n");
    const Process other(sh("sleep 1000"));
    one->close_lifeline();
    CHECK(one->wait(1min));
}

TEST("a host that ignores SIGCHLD learns of the end, not of the status") {
    ::signal(SIGCHLD, SIG_IGN);
    {
        const Process process(sh("exit 7"));
        CHECK(process.wait());
        CHECK(!process.is_alive());
        CHECK(!process.exit_status().has_value());
    }
    ::signal(SIGCHLD, SIG_DFL);
}

TEST("what a process leaves in its group does not outlive it, though its status is unknown") {
    const auto child_of = [](const Process& process) {
        process.wait();
        return std::stoi(process.output_tail());
    };
    for (const bool is_reaped_elsewhere : {false, true}) {
        if (!is_reaped_elsewhere) ::signal(SIGCHLD, SIG_IGN);
        {
            const Process process(sh("sleep 1000 & echo $!; read _"));
            if (is_reaped_elsewhere) ::waitpid(as_pid(process), nullptr, 0);
            wait_until_gone(child_of(process));
        }
        ::signal(SIGCHLD, SIG_DFL);
    }
}

TEST("the children of the host's own are left to it") {
    const ::pid_t own = ::fork();
    if (own == 0) ::_exit(9);
    output_of(sh("true"));
    int status = 0;
    CHECK_EQ(own, ::waitpid(own, &status, 0));
    CHECK_EQ(9, WEXITSTATUS(status));
}

TEST("a fork of the host does not end the process by destroying its object") {
    auto process = std::make_unique<Process>(sh("sleep 1000"));
    const ::pid_t fork = ::fork();
    if (fork == 0) {
        process.reset();
        ::_exit(0);
    }
    int status = -1;
    ::waitpid(fork, &status, 0);
    CHECK_EQ(0, status);
    CHECK(process->is_alive());
}

TEST("a process outlives the thread that started it") {
    std::unique_ptr<Process> process;
    std::thread([&] { process = std::make_unique<Process>(sh("sleep 1000")); }).join();
    CHECK(!process->wait(20ms));
}

TEST("signals to the host disturb no wait") {
    struct sigaction action{};
    struct sigaction before{};
    action.sa_handler = [](int) {};  // without SA_RESTART
    ::sigaction(SIGUSR1, &action, &before);
    const Process process(sh("sleep 0.2; echo done"));
    std::atomic<bool> over{false};
    std::thread sender([&, self = ::pthread_self()] {
        while (!over) ::pthread_kill(self, SIGUSR1), std::this_thread::yield();
    });
    CHECK(process.wait());
    over = true;
    sender.join();
    ::sigaction(SIGUSR1, &before, nullptr);
    CHECK_EQ("done\n", process.output_tail());
}

TEST("an idle process costs the host no time, also when it has closed its output") {
    const Process process(sh("exec >&- 2>&-; exec sleep 1000"));
    const auto used = [] {
        struct rusage usage{};
        ::getrusage(RUSAGE_SELF, &usage);
        return std::chrono::seconds(usage.ru_utime.tv_sec) + std::chrono::microseconds(usage.ru_utime.tv_usec) +
               std::chrono::seconds(usage.ru_stime.tv_sec) + std::chrono::microseconds(usage.ru_stime.tv_usec);
    };
    const auto before = used();
    CHECK(!process.wait(500ms));
    CHECK(used() - before < 100ms);
}

TEST("threads may start, ask and kill at the same time") {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([] {
            for (int round = 0; round < 10; ++round) {
                const Process process(sh("echo hello; sleep 1000"));
                std::thread killer([&] { process.kill(); });
                while (process.is_alive()) process.terminate();
                killer.join();
                CHECK(process.exit_status() == -SIGKILL || process.exit_status() == -SIGTERM);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(!has_children());
}
