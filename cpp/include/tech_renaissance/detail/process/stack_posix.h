#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

#include "tech_renaissance/detail/process/memory.h"
#include "tech_renaissance/detail/process/process.h"
#include "tech_renaissance/detail/system/descriptor_posix.h"

namespace tr::detail {

// The file that a worker writes its stacks into. Since it may have been replaced, only a regular file with a single
// name is touched.
class StackFile {
public:
    explicit StackFile(const std::filesystem::path& path)
        : file_(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) {
        struct stat status{};
        if (file_ && ::fstat(file_.get(), &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1) return;
        file_.close();
    }

    bool is_open() const noexcept { return static_cast<bool>(file_); }
    bool clear() const noexcept { return ::ftruncate(file_.get(), 0) == 0; }
    bool ask() const noexcept { return clear() && ::pwrite(file_.get(), "?", 1, 0) == 1; }

    std::int64_t nbytes() const noexcept {
        struct stat status{};
        return ::fstat(file_.get(), &status) == 0 ? status.st_size : 0;
    }

    std::string text() const {
        constexpr std::int64_t most = 64 * 1024;
        std::string text(static_cast<std::size_t>(std::clamp<std::int64_t>(nbytes(), 0, most)), '\0');
        const ssize_t got = ::pread(file_.get(), text.data(), text.size(), 0);
        text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        return text;
    }

private:
    Descriptor file_;
};

// Waits for an answer that has stopped growing for a moment; false if none comes in time.
inline bool wait_for_answer(const StackFile& file) {
    constexpr std::chrono::milliseconds longest(150);
    constexpr std::chrono::milliseconds still(20);
    constexpr std::chrono::milliseconds look(2);
    constexpr std::int64_t question_nbytes = 1;
    const Clock::time_point end = Clock::now() + longest;
    std::int64_t seen = 0;
    Clock::time_point changed = Clock::now();
    while (Clock::now() < end && (seen <= question_nbytes || Clock::now() - changed < still)) {
        std::this_thread::sleep_for(look);
        const std::int64_t nbytes = file.nbytes();
        if (nbytes != seen) changed = Clock::now();
        seen = nbytes;
    }
    return seen > question_nbytes;
}

inline std::string no_stacks(const Process& process, const std::string& why) {
    return "(there are no stacks of process " + std::to_string(process.pid()) + ": " + why + ")\n";
}

// Asks the worker's Python code first, and faulthandler's signal handler if no Python code is running. REQUIRES:
// nothing interrupts the worker in the meantime, because that uses the same signal.
inline std::string take_stacks(const Process& process, const std::filesystem::path& path) {
    const StackFile file(path);
    if (!file.is_open()) return "";
    if (!file.ask()) return no_stacks(process, std::generic_category().message(errno));
    process.interrupt();
    if (!wait_for_answer(file)) {
        file.clear();
        process.ask_stack();
        wait_for_answer(file);
    }
    std::string text = file.text();
    if (!text.empty()) return text;
    const std::string state = describe_state(process.pid());
    return no_stacks(process, state.empty() ? "it does not answer" : state);
}

}  // namespace tr::detail
