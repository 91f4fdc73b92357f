// The reading ends of a child's stdout and stderr.
#pragma once

#include <sys/ioctl.h>

#include <array>
#include <atomic>
#include <string>

#include "tech_renaissance/detail/process/output.h"
#include "tech_renaissance/detail/system/descriptor_posix.h"

namespace tr::detail {

// The caller must hold a lock to read, but not to wait.
class OutputPipes {
public:
    OutputPipes() {
        for (const Pipe& pipe : pipes_) set_nonblocking(pipe.read);
    }

    int writing_end(Stream stream) const noexcept { return pipes_[index_of(stream)].write.get(); }

    // Otherwise the host itself would keep the pipes open.
    void close_writing_ends() noexcept {
        for (Pipe& pipe : pipes_) pipe.write.close();
    }

    // Blocks until there is something to read, a stream has ended, or `stop` is set.
    void wait_readable(WaitHandle stop) const noexcept {
        std::array<pollfd, 3> entries{pollfd{stop, POLLIN, 0}, entry(0), entry(1)};
        poll_until(entries);
    }

    // Everything written so far. Never waits, and does not try to keep up with a fast writer.
    std::string read_available(Stream stream) {
        const std::size_t index = index_of(stream);
        if (ended_[index]) return "";
        int present = 0;
        ::ioctl(pipes_[index].read.get(), FIONREAD, &present);
        std::string piece(static_cast<std::size_t>(std::max(present, 1)), '\0');
        ssize_t got = 0;
        do got = ::read(pipes_[index].read.get(), piece.data(), piece.size());
        while (got < 0 && errno == EINTR);
        ended_[index] = got == 0 || (got < 0 && errno != EAGAIN);
        piece.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        return piece;
    }

private:
    // Leaves out a pipe that has ended, because it would always be readable.
    pollfd entry(std::size_t index) const noexcept {
        return {ended_[index] ? no_handle : pipes_[index].read.get(), POLLIN, 0};
    }

    std::array<Pipe, 2> pipes_{make_pipe(), make_pipe()};
    std::array<std::atomic<bool>, 2> ended_{};
};

}  // namespace tr::detail
