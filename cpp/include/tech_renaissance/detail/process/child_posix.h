#pragma once

#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <optional>

#include "tech_renaissance/detail/process/output_pipes_posix.h"
#include "tech_renaissance/detail/process/spawn_posix.h"
#if defined(__linux__)
#include "tech_renaissance/detail/process/lifeline_linux.h"
#endif

namespace tr::detail {

// A child and the process group it leads. The child itself gets signals only while it has not been reaped, so that its
// process id cannot have been reused. Its group may outlive it, and if the host ignores SIGCHLD or reaps all its
// children elsewhere, nothing else keeps the id from being reused. wait_exit and has_exited may run at the same time as
// anything else; the caller locks the rest.
class Child {
public:
    explicit Child(const Launch& launch) {
        Pipe lifeline = make_pipe();
        pid_ = spawn(launch, {output_.writing_end(Stream::out), output_.writing_end(Stream::err), lifeline.read.get(),
                              launch.inherited});
#if defined(__linux__)
        arm_lifeline(lifeline.read, pid_);
#endif
        output_.close_writing_ends();
        lifeline_ = std::move(lifeline.write);
    }

    std::int64_t pid() const noexcept { return pid_; }
    OutputPipes& output() noexcept { return output_; }

    // Blocks until the child has ended; does not reap it. Returns the exit code, negative for a signal; nullopt if it
    // cannot be known, because the host ignores SIGCHLD or reaps all its children elsewhere.
    std::optional<int> wait_exit() const noexcept {
        const std::optional<siginfo_t> info = query(WEXITED | WNOWAIT);
        if (!info) return std::nullopt;
        return info->si_code == CLD_EXITED ? info->si_status : -info->si_status;
    }

    bool has_exited() const noexcept {
        const std::optional<siginfo_t> info = query(WEXITED | WNOWAIT | WNOHANG);
        return !info || info->si_pid != 0;
    }

    // SIGCONT lets a stopped process notice the request.
    void terminate() const noexcept {
        signal_group(SIGTERM);
        signal_group(SIGCONT);
    }

    void kill() const noexcept { signal_group(SIGKILL); }

    // A process that does not know these signals ignores them.
    void interrupt() const noexcept { signal_child(SIGURG); }
    void ask_stack() const noexcept { signal_child(SIGWINCH); }

    // Frees the process id. REQUIRES: wait_exit has returned.
    void reap() noexcept {
        query(WEXITED | WNOHANG);
        reaped_ = true;
    }

    void close_lifeline() noexcept { lifeline_.close(); }

private:
    // nullopt if the child is no longer ours to wait for.
    std::optional<siginfo_t> query(int options) const noexcept {
        siginfo_t info{};
        int result = 0;
        do result = ::waitid(P_PID, static_cast<id_t>(pid_), &info, options);
        while (result < 0 && errno == EINTR);
        return result == 0 ? std::optional<siginfo_t>(info) : std::nullopt;
    }

    // Whether the child, alive or dead, has not been reaped.
    bool is_kept() const noexcept { return query(WEXITED | WNOWAIT | WNOHANG).has_value(); }

    void signal_child(int signal) const noexcept {
        if (!reaped_ && is_kept()) ::kill(pid_, signal);
    }

    // No process gets the id of a group that has members. So once the child is gone, a process with its id means that
    // the group is, too, and that a group of this id is a stranger's.
    void signal_group(int signal) const noexcept {
        if (!reaped_ && (is_kept() || !exists(pid_))) ::kill(-pid_, signal);
    }

    static bool exists(pid_t pid) noexcept { return ::kill(pid, 0) == 0 || errno != ESRCH; }

    OutputPipes output_;
    Descriptor lifeline_;
    pid_t pid_ = 0;
    bool reaped_ = false;
};

// Threads of the library block all signals: signals are for the host's threads, and SIGPIPE would end the host.
class SignalsBlocked {
public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;
    ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_;
};

}  // namespace tr::detail
