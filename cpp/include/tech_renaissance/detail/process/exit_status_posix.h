// What the exit status of a process means on POSIX. Negative is a signal.
#pragma once

#include <csignal>
#include <optional>
#include <string>
#include <string_view>

namespace tr::detail {

// The name of a signal; empty if it has none here.
inline std::string_view signal_name(int number) {
    struct Name {
        int number;
        std::string_view name;
    };
    static constexpr Name names[] = {
        {SIGABRT, "SIGABRT"},     {SIGFPE, "SIGFPE"},     {SIGILL, "SIGILL"},   {SIGINT, "SIGINT"},
        {SIGSEGV, "SIGSEGV"},     {SIGTERM, "SIGTERM"},   {SIGALRM, "SIGALRM"}, {SIGBUS, "SIGBUS"},
        {SIGCHLD, "SIGCHLD"},     {SIGCONT, "SIGCONT"},   {SIGHUP, "SIGHUP"},   {SIGKILL, "SIGKILL"},
        {SIGPIPE, "SIGPIPE"},     {SIGPROF, "SIGPROF"},   {SIGQUIT, "SIGQUIT"}, {SIGSTOP, "SIGSTOP"},
        {SIGSYS, "SIGSYS"},       {SIGTRAP, "SIGTRAP"},   {SIGTSTP, "SIGTSTP"}, {SIGTTIN, "SIGTTIN"},
        {SIGTTOU, "SIGTTOU"},     {SIGURG, "SIGURG"},     {SIGUSR1, "SIGUSR1"}, {SIGUSR2, "SIGUSR2"},
        {SIGVTALRM, "SIGVTALRM"}, {SIGWINCH, "SIGWINCH"}, {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"},
#if defined(SIGIO)
        {SIGIO, "SIGIO"},
#endif
#if defined(SIGPWR)
        {SIGPWR, "SIGPWR"},
#endif
    };
    for (const Name& name : names) {
        if (name.number == number) return name.name;
    }
    return "";
}

// The name of the signal that an exit status stands for; empty if it is not a signal's.
inline std::string signal_of(std::optional<int> status) {
    if (!status || *status >= 0) return "";
    const std::string_view name = signal_name(-*status);
    return name.empty() ? "signal " + std::to_string(-*status) : std::string(name);
}

// An exit status in words.
inline std::string describe_exit(std::optional<int> status) {
    if (!status) return "its exit status is unknown";
    if (*status >= 0) return "exit status " + std::to_string(*status);
    const std::string_view name = signal_name(-*status);
    return "signal " + std::to_string(-*status) + (name.empty() ? "" : " (" + std::string(name) + ")");
}

}  // namespace tr::detail
