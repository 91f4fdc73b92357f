// Where output goes in the host.
#pragma once

#include <array>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "tech_renaissance/detail/process/output.h"
#include "tech_renaissance/detail/system/descriptor_posix.h"

namespace tr::detail {

// poll() promises only that PIPE_BUF bytes fit, so two writers that both rely on it could block each other.
inline std::mutex& host_output_mutex() {
    static std::mutex mutex;
    return mutex;
}

// Waits until bytes can be written; once `stop` is set, only for output_patience.
inline bool wait_writable(int target, WaitHandle stop) {
    std::array<pollfd, 2> entries{pollfd{target, POLLOUT, 0}, pollfd{stop, POLLIN, 0}};
    poll_until(entries);
    if (entries[0].revents == 0) {
        entries[1].fd = no_handle;
        poll_until(entries, Clock::now() + output_patience);
    }
    return entries[0].revents != 0;
}

// Writes once without blocking. Returns 0 if it would block, a negative number if the target is broken.
inline ssize_t write_some(int target, std::string_view bytes) {
    const std::lock_guard<std::mutex> lock(host_output_mutex());
    std::array<pollfd, 1> entry{pollfd{target, POLLOUT, 0}};
    poll_until(entry, Clock::now());
    if (entry[0].revents == 0) return 0;
    const ssize_t written = ::write(target, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
    return written < 0 && (errno == EINTR || errno == EAGAIN) ? 0 : written;
}

// Writes everything. The rest is dropped if the target is broken, or takes nothing more after `stop` was set.
inline void write_all(int target, std::string_view bytes, WaitHandle stop) {
    while (!bytes.empty() && wait_writable(target, stop)) {
        const ssize_t written = write_some(target, bytes);
        if (written < 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

// Where output goes, if not to a callback.
class OutputSink {
public:
    // Throws LaunchError launch_failed if a file cannot be opened.
    explicit OutputSink(Output output) : output_(std::move(output)) {
        if (const auto* file = std::get_if<OutputFile>(&output_)) open(file->path);
    }

    // Blocks while the target is full, until `stop` is set.
    void write(Stream stream, std::string_view bytes, WaitHandle stop) {
        if (!file_ && !std::holds_alternative<InheritOutput>(output_)) return;
        const int host_stream = stream == Stream::out ? STDOUT_FILENO : STDERR_FILENO;
        write_all(file_ ? file_.get() : host_stream, bytes, stop);
    }

private:
    void open(const std::string& path) {
        // O_NONBLOCK: a named pipe without a reader is an error at once, instead of a wait.
        const NoForks no_forks;
        file_ = Descriptor(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600));
        if (!file_) throw_os_error("cannot open '" + path + "' for the worker's output", errno);
    }

    Output output_;
    Descriptor file_;
};

}  // namespace tr::detail
