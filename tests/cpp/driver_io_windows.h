#pragma once

#include <cstdint>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <io.h>

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

inline void pass_gate(const std::string&) { throw std::logic_error("there are no gates on Windows"); }

template <class Action>
int in_fork(std::unique_lock<std::mutex>, Action, bool) {
    throw std::logic_error("there is no fork on Windows");
}

inline void ignore_interrupts() {}
inline void block_alarms() {}
inline void unblock_alarms() {}

inline void alarm_every(std::int64_t, bool) { throw std::logic_error("there are no signals on Windows"); }
