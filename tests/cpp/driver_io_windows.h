#pragma once

#include <cstdint>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <io.h>

#include "tech_renaissance/detail/system/handle_windows.h"
#include "tech_renaissance/detail/system/text_windows.h"

// Takes the program's stdout for itself; what is written to stdout from now on goes to stderr.
class AnswerChannel {
public:
    AnswerChannel() : descriptor_(::_dup(1)) {
        ::_setmode(descriptor_, _O_BINARY);
        ::_dup2(2, 1);
    }

    void write_line(std::string line) {
        line += '\n';
        ::_write(descriptor_, line.data(), static_cast<unsigned>(line.size()));
    }

    void leave() const {}

private:
    int descriptor_;
};

// The worker's side of a gate is tests/workers/gate.py; this is the same.
inline void pass_gate(const std::string& path) {
    using tr::detail::checked;
    using tr::detail::to_utf16;
    constexpr DWORD access = SYNCHRONIZE | SEMAPHORE_MODIFY_STATE;
    const auto opened =
        checked(::OpenSemaphoreW(access, FALSE, to_utf16(path + ".opened").c_str()), "there is no gate");
    const auto arrived =
        checked(::OpenSemaphoreW(access, FALSE, to_utf16(path + ".arrived").c_str()), "there is no gate");
    ::ReleaseSemaphore(arrived.get(), 1, nullptr);
    ::WaitForSingleObject(opened.get(), INFINITE);
}

template <class Action>
int in_fork(std::unique_lock<std::mutex>, Action, bool) {
    throw std::logic_error("there is no fork on Windows");
}

inline void ignore_interrupts() {}
inline void block_alarms() {}
inline void unblock_alarms() {}

inline void alarm_every(std::int64_t, bool) { throw std::logic_error("there are no signals on Windows"); }
