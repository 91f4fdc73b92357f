#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

// Takes the program's stdout for itself; what is written to stdout from now on goes to stderr.
class AnswerChannel {
public:
    AnswerChannel() : descriptor_(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10)) { ::dup2(STDERR_FILENO, STDOUT_FILENO); }

    void write_line(std::string line) {
        line += '\n';
        for (std::size_t written = 0; written < line.size();) {
            const ::ssize_t count = ::write(descriptor_, line.data() + written, line.size() - written);
            if (count < 0) return;  // the test is gone, and this program will be
            written += static_cast<std::size_t>(count);
        }
    }

private:
    int descriptor_;
};

// Runs the action in a fork of this program and returns the fork's exit status: 0 if it came to its end.
template <class Action>
int in_fork(Action action) {
    const ::pid_t child = ::fork();
    if (child == 0) {
        action();
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}
