#pragma once

#include <fcntl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <string>

// Takes the program's stdout for itself; what is written to stdout from now on goes to stderr.
class AnswerChannel {
public:
    AnswerChannel() : descriptor_(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10)) { ::dup2(STDERR_FILENO, STDOUT_FILENO); }

    void write_line(std::string line) {
        line += '\n';
        for (std::size_t written = 0; written < line.size();) {
            const ::ssize_t count = ::write(descriptor_, line.data() + written, line.size() - written);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return;  // the test is gone, and this program will be
            written += static_cast<std::size_t>(count);
        }
    }

    // In a fork: neither this nor the standard streams are its own.
    void leave() const {
        const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, descriptor_}) {
            ::dup2(nothing, descriptor);
        }
    }

private:
    int descriptor_;
};

// The worker's side of a gate is tests/workers/gate.py; this is the same.
inline void pass_gate(const std::string& path) {
    const int opened = ::open((path + ".opened").c_str(), O_RDONLY | O_CLOEXEC);
    const int arrived = ::open((path + ".arrived").c_str(), O_WRONLY | O_CLOEXEC);
    char byte = '!';
    if (::write(arrived, &byte, 1) == 1) {
        while (::read(opened, &byte, 1) < 0 && errno == EINTR) {
        }
    }
    ::close(arrived);
    ::close(opened);
}

// Runs the action in a fork of this program, which is made under the lock, and returns the fork's exit status: 0 if it
// came to its end, or if it is not waited for.
template <class Action>
int in_fork(std::unique_lock<std::mutex> lock, Action action, bool waits) {
    const ::pid_t child = ::fork();
    lock.unlock();
    if (child == 0) {
        action();
        ::_exit(0);
    }
    if (!waits) return 0;
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

// Ctrl+C interrupts system calls, and does nothing else.
inline void ignore_interrupts() {
    struct sigaction action{};
    action.sa_handler = [](int) {};
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGINT, &action, nullptr);
}

inline void mask_alarms(int how) {
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    ::pthread_sigmask(how, &alarms, nullptr);
}

// The alarms below reach the threads that let them in, and not those that these make blocked. A stream that one reads
// from would take an interruption for its end.
inline void block_alarms() { mask_alarms(SIG_BLOCK); }
inline void unblock_alarms() { mask_alarms(SIG_UNBLOCK); }

// From now on a signal that does nothing comes so often; 0: none. restart: system calls go on after it.
inline void alarm_every(std::int64_t microseconds, bool restart) {
    struct sigaction action{};
    action.sa_handler = [](int) {};
    action.sa_flags = restart ? SA_RESTART : 0;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGALRM, &action, nullptr);
    itimerval period{};
    period.it_interval.tv_sec = static_cast<decltype(period.it_interval.tv_sec)>(microseconds / 1000000);
    period.it_interval.tv_usec = static_cast<decltype(period.it_interval.tv_usec)>(microseconds % 1000000);
    period.it_value = period.it_interval;
    ::setitimer(ITIMER_REAL, &period, nullptr);
}
