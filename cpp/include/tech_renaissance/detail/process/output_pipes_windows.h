// The reading ends of a child's stdout and stderr.
#pragma once

#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "tech_renaissance/detail/process/output.h"
#include "tech_renaissance/detail/system/environment_windows.h"
#include "tech_renaissance/detail/system/handle_windows.h"

namespace tr::detail {

// One stream. A read is always under way, because only its completion shows that there is something to read.
class OutputPipe {
public:
    OutputPipe() {
        static std::atomic<unsigned> made{0};
        const std::wstring name =
            LR"(\\.\pipe\tech_renaissance-)" + std::to_wstring(current_process_id()) + L'-' + std::to_wstring(made++);
        constexpr DWORD mode = PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE;
        constexpr DWORD kind = PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS;
        reading_ = checked(::CreateNamedPipeW(name.c_str(), mode, kind, 1, 0, buffer_nbytes, 0, nullptr),
                           "cannot make a pipe");
        writing_ = checked(::CreateFileW(name.c_str(), GENERIC_WRITE, 0, nullptr, OPEN_EXISTING, 0, nullptr),
                           "cannot open a pipe");
        begin_read();
    }
    OutputPipe(const OutputPipe&) = delete;
    OutputPipe& operator=(const OutputPipe&) = delete;
    // The read must have ended before its buffer is freed.
    ~OutputPipe() {
        if (ended_) return;
        DWORD got = 0;
        ::CancelIoEx(reading_.get(), &read_);
        ::GetOverlappedResult(reading_.get(), &read_, &got, TRUE);
    }

    HANDLE writing_end() const noexcept { return writing_.get(); }
    void close_writing_end() noexcept { writing_.close(); }

    // Signalled when there is something to read; no_handle once the stream has ended.
    WaitHandle readable() const noexcept { return ended_ ? no_handle : readable_.get(); }

    // What was written so far. A read that is under way is called off and begun again, because its completion may be
    // announced late. A thread's reads are called off by the system when it ends, such as the one that made this.
    std::string read_available() {
        std::string piece;
        while (!ended_ && piece.size() < 16 * buffer_nbytes) {
            DWORD got = 0;
            ::CancelIoEx(reading_.get(), &read_);
            const bool has_read = ::GetOverlappedResult(reading_.get(), &read_, &got, TRUE) != FALSE;
            const bool was_called_off = !has_read && ::GetLastError() == ERROR_OPERATION_ABORTED;
            ended_ = !has_read && !was_called_off;
            if (ended_) break;
            piece.append(buffer_.data(), got);
            begin_read();
            if (was_called_off && !HasOverlappedIoCompleted(&read_)) break;
        }
        return piece;
    }

private:
    static constexpr DWORD buffer_nbytes = 64 * 1024;

    void begin_read() {
        read_ = {};
        read_.hEvent = readable_.get();
        const BOOL done = ::ReadFile(reading_.get(), buffer_.data(), buffer_nbytes, nullptr, &read_);
        ended_ = !done && ::GetLastError() != ERROR_IO_PENDING;
    }

    Handle reading_;
    Handle writing_;
    Handle readable_ = checked(::CreateEventW(nullptr, TRUE, FALSE, nullptr), "cannot make an event");
    OVERLAPPED read_{};
    std::vector<char> buffer_ = std::vector<char>(buffer_nbytes);
    std::atomic<bool> ended_{false};
};

// The caller must hold a lock to read, but not to wait.
class OutputPipes {
public:
    HANDLE writing_end(Stream stream) const noexcept { return pipes_[index_of(stream)].writing_end(); }

    // Otherwise the host itself would keep the pipes open.
    void close_writing_ends() noexcept {
        for (OutputPipe& pipe : pipes_) pipe.close_writing_end();
    }

    // Blocks until there is something to read, a stream has ended, or `stop` is set.
    void wait_readable(WaitHandle stop) const noexcept {
        std::array<HANDLE, 3> handles{stop};
        DWORD count = 1;
        for (const OutputPipe& pipe : pipes_) {
            const WaitHandle readable = pipe.readable();
            if (readable != no_handle) handles[count++] = readable;
        }
        ::WaitForMultipleObjects(count, handles.data(), FALSE, INFINITE);
    }

    // What was written so far. Never waits, and does not try to keep up with a fast writer.
    std::string read_available(Stream stream) { return pipes_[index_of(stream)].read_available(); }

private:
    std::array<OutputPipe, 2> pipes_;
};

}  // namespace tr::detail
