// Who owns a session directory.
#include "tech_renaissance/detail/system/lock_file.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>
#include <thread>
#include <vector>

#include "check.h"
#include "temporary_directory.h"

#if !defined(_WIN32)
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace lock_file_tests {  // Windows has a function ::LockFile

using tr::LaunchError;
using tr::detail::current_process_id;
using tr::detail::LockFile;
using tr::detail::OpenFolder;

namespace {

std::string text_of(const std::filesystem::path& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

LockFile acquire(const std::filesystem::path& path) {
    LockFile lock = LockFile::acquire(OpenFolder(path.parent_path()), path.filename().string());
    lock.sign();
    return lock;
}

std::string message_of_refusal(const std::filesystem::path& path) {
    try {
        acquire(path);
    } catch (const LaunchError& error) {
        return error.what();
    }
    return "";
}

bool is_refused(const std::filesystem::path& path) {
    try {
        acquire(path);
    } catch (const std::system_error&) {
        return true;
    }
    return false;
}

}  // namespace

TEST("a lock file holds the owner's process id in decimal") {
    const TemporaryDirectory directory;
    const LockFile lock = acquire(directory / "session.lock");
    CHECK_EQ(std::to_string(current_process_id()), text_of(directory / "session.lock"));
}

TEST("a second owner is refused with the process id of the first") {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "session.lock";
    const LockFile lock = acquire(path);
    CHECK_THROWS(LaunchError, "session_in_use", acquire(path));
    CHECK(message_of_refusal(path).find("this program holds the session") != std::string::npos);
}

TEST("a lock ends with its object and leaves the file") {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "session.lock";
    {
        const LockFile lock = acquire(path);
    }
    CHECK(std::filesystem::exists(path));
    const LockFile again = acquire(path);
}

TEST("a lock moves with its object") {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "session.lock";
    std::optional<LockFile> second;
    {
        LockFile first = acquire(path);
        second.emplace(std::move(first));
    }
    CHECK_THROWS(LaunchError, "session_in_use", acquire(path));
    second.reset();
    const LockFile again = acquire(path);
}

TEST("a file left by a dead owner is taken over, and its longer text replaced") {
    const TemporaryDirectory directory;
    std::ofstream(directory / "session.lock") << "4294967296123";
    const LockFile lock = acquire(directory / "session.lock");
    CHECK_EQ(std::to_string(current_process_id()), text_of(directory / "session.lock"));
}

TEST("an owner that wrote garbage is another process") {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "session.lock";
    const LockFile lock = acquire(path);
    std::ofstream(path) << "\x1b[2J nonsense";
    CHECK(message_of_refusal(path).find("another process holds") == 0);
}

TEST("a removed lock file is gone with its object, and can be made anew") {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "session.lock";
    {
        LockFile lock = acquire(path);
        lock.remove(OpenFolder(directory.path()));
    }
    CHECK(!std::filesystem::exists(path));
    const LockFile next = acquire(path);
}

TEST("a missing directory is refused") {
    const TemporaryDirectory directory;
    CHECK(is_refused(directory / "missing" / "session.lock"));
}

TEST("a directory in place of the lock file is refused") {
    const TemporaryDirectory directory;
    CHECK(is_refused(directory.path()));
}

TEST("of many threads that want a lock and remove it after use, one at a time has it") {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "session.lock";
    std::atomic<int> owners{0};
    std::atomic<int> acquired{0};
    const auto contend = [&] {
        for (int i = 0; i < 300; ++i) {
            try {
                LockFile lock = acquire(path);
                CHECK_EQ(1, ++owners);
                ++acquired;
                --owners;
                lock.remove(OpenFolder(directory.path()));
            } catch (const LaunchError& error) {
                CHECK_EQ("session_in_use", error.code());
            }
        }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back(contend);
    for (std::thread& thread : threads) thread.join();
    CHECK(acquired > 0);
}

#if !defined(_WIN32)
TEST("a removed lock file can be made anew while the old object lives, which then leaves it alone") {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "session.lock";
    LockFile lock = acquire(path);
    lock.remove(OpenFolder(directory.path()));
    CHECK(!std::filesystem::exists(path));
    const LockFile next = acquire(path);
    lock.remove(OpenFolder(directory.path()));
    CHECK(std::filesystem::exists(path));
}

TEST("a lock file is for its user alone") {
    const TemporaryDirectory directory;
    const ::mode_t before = ::umask(0);
    const LockFile lock = acquire(directory / "session.lock");
    ::umask(before);
    struct stat status{};
    ::stat((directory / "session.lock").c_str(), &status);
    CHECK_EQ(0600, status.st_mode & 0777);
}

TEST("a link in place of the lock file is not followed") {
    const TemporaryDirectory directory;
    std::filesystem::create_symlink(directory / "target", directory / "session.lock");
    CHECK(is_refused(directory / "session.lock"));
    CHECK(!std::filesystem::exists(directory / "target"));
}

TEST("a named pipe in place of the lock file is refused at once") {
    const TemporaryDirectory directory;
    CHECK_EQ(0, ::mkfifo((directory / "session.lock").c_str(), 0600));
    CHECK(is_refused(directory / "session.lock"));
}

TEST("a killed owner loses the lock") {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "session.lock";
    const ::pid_t owner = ::fork();
    if (owner == 0) {
        const LockFile lock = acquire(path);
        ::kill(::getpid(), SIGKILL);
    }
    ::waitpid(owner, nullptr, 0);
    CHECK_EQ(std::to_string(owner), text_of(path));
    const LockFile lock = acquire(path);
}

TEST("a fork does not give up the lock of its parent") {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "session.lock";
    std::optional<LockFile> lock = acquire(path);
    const ::pid_t fork = ::fork();
    if (fork == 0) {
        lock->remove(OpenFolder(directory.path()));
        lock.reset();
        ::_exit(0);
    }
    ::waitpid(fork, nullptr, 0);
    CHECK_THROWS(LaunchError, "session_in_use", acquire(path));
}

TEST("a program that a killed owner had started does not hold the lock") {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "session.lock";
    const std::string command = "sleep 1000 & echo $! > '" + (directory / "pid").string() + "'";
    const ::pid_t owner = ::fork();
    if (owner == 0) {
        const LockFile lock = acquire(path);
        if (std::system(command.c_str()) == 0) ::kill(::getpid(), SIGKILL);
        ::_exit(1);
    }
    ::waitpid(owner, nullptr, 0);
    const LockFile lock = acquire(path);
    CHECK_EQ(0, ::kill(std::stoi(text_of(directory / "pid")), SIGKILL));
}
#endif

}  // namespace lock_file_tests
