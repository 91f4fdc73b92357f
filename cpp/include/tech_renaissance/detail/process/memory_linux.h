// Memory and state of processes on Linux. The contract is in memory.h. All of it is best effort.
#pragma once

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <string>

namespace tr::detail {

inline std::uint64_t own_peak_nbytes() noexcept {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

// Uses the system call behind waitid(2), which has a fifth argument that the C library leaves out.
inline std::optional<std::uint64_t> peak_nbytes(std::int64_t pid) noexcept {
    siginfo_t info{};
    rusage usage{};
    const long result =
        ::syscall(SYS_waitid, P_PID, static_cast<pid_t>(pid), &info, WEXITED | WNOWAIT | WNOHANG, &usage);
    if (result != 0 || info.si_pid == 0) return std::nullopt;
    return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

// Counts for the whole system, and for this process's control group, in which a child starts.
class OutOfMemoryCount {
public:
    OutOfMemoryCount() {
        add("/proc/vmstat");
        std::ifstream groups("/proc/self/cgroup");
        for (std::string line; std::getline(groups, line);) {
            if (line.rfind("0::", 0) == 0) add("/sys/fs/cgroup" + line.substr(3) + "/memory.events");
        }
    }

    bool has_grown() const {
        for (const auto& [path, before] : counts_) {
            if (read(path).value_or(0) > before) return true;
        }
        return false;
    }

private:
    void add(const std::string& path) {
        if (const auto count = read(path)) counts_[path] = *count;
    }

    static std::optional<std::uint64_t> read(const std::string& path) {
        std::ifstream file(path);
        std::string name;
        std::uint64_t count = 0;
        while (file >> name >> count) {
            if (name == "oom_kill") return count;
        }
        return std::nullopt;
    }

    std::map<std::string, std::uint64_t> counts_;
};

inline std::string describe_state(std::int64_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t name_end = text.rfind(')');  // the name may contain anything
    const char letter = name_end != std::string::npos && name_end + 2 < text.size() ? text[name_end + 2] : ' ';
    if (letter == 'T') return "it is stopped";
    if (letter == 't') return "a debugger holds it";
    if (letter == 'D') return "it is in uninterruptible sleep";
    return "";
}

}  // namespace tr::detail
