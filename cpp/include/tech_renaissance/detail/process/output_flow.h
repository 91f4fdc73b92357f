// Carries output from the pipes to its destination.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tech_renaissance/detail/process/launch.h"
#include "tech_renaissance/detail/process/output_giver.h"
#include "tech_renaissance/detail/process/output_tail.h"
#if defined(_WIN32)
#include "tech_renaissance/detail/process/output_sink_windows.h"
#else
#include "tech_renaissance/detail/process/output_sink_posix.h"
#endif

namespace tr::detail {

// Takes output, keeps tails of it, and passes it on in order: to a sink in the pump thread, or by lines in a thread of
// its own. Any thread may take; only the pump gives to the sink.
class OutputFlow {
public:
    // Throws LaunchError launch_failed if a file cannot be opened.
    explicit OutputFlow(const Launch& launch) : sink_(launch.output) {
        if (const auto* callback = std::get_if<OutputCallback>(&launch.output))
            lines_ = std::make_shared<OutputGiver>(*callback, launch.lines_before);
    }

    // Empty if memory runs out.
    std::string tail() const noexcept { return text_of(tail_); }
    std::string error_tail() const noexcept { return text_of(error_tail_); }

    // Null unless the output is given by lines.
    const std::shared_ptr<OutputGiver>& lines() const noexcept { return lines_; }

    // Takes what the process has written so far, as output of the current call. Never waits for the process. If memory
    // runs out, output is lost rather than the host.
    template <class Pipes>
    void take(Pipes& pipes) noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        take_locked(pipes);
    }

    // Like take, once the process has ended.
    template <class Pipes>
    void take_last(Pipes& pipes) noexcept {
        take(pipes);
        if (lines_) lines_->complete();
    }

    // What was written until now belongs to the call so far, later output to the call with this message; an empty
    // message means no call. REQUIRES: lines().
    template <class Pipes>
    void switch_call(Pipes& pipes, const std::string& message) {
        const std::lock_guard<std::mutex> lock(mutex_);
        take_locked(pipes);
        lines_->switch_call(message);
    }

    // Waits while too many lines have not been given yet. Call it before taking more, or letting the process write
    // more.
    void wait_for_room(Clock::time_point deadline) {
        if (lines_) lines_->wait_for_room(deadline);
    }

    // Passes on what was taken for the sink. Blocks while the sink is full, until `stop` is set.
    void give(WaitHandle stop) {
        std::vector<Piece> pieces;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            pieces.swap(taken_);
        }
        for (const Piece& piece : pieces) sink_.write(piece.stream, piece.bytes, stop);
    }

private:
    struct Piece {
        Stream stream;
        std::string bytes;
    };

    static std::string text_of(const OutputTail& tail) noexcept {
        try {
            return tail.text();
        } catch (const std::bad_alloc&) {
            return {};
        }
    }

    template <class Pipes>
    void take_locked(Pipes& pipes) noexcept {
        try {
            for (const Stream stream : {Stream::out, Stream::err}) add(stream, pipes.read_available(stream));
        } catch (const std::bad_alloc&) {
        }
    }

    void add(Stream stream, std::string bytes) {
        if (bytes.empty()) return;
        tail_.append(bytes);
        if (stream == Stream::err) error_tail_.append(bytes);
        if (lines_)
            lines_->add(stream, std::move(bytes));
        else
            taken_.push_back({stream, std::move(bytes)});
    }

    OutputSink sink_;
    std::shared_ptr<OutputGiver> lines_;
    OutputTail tail_;
    OutputTail error_tail_;
    std::mutex mutex_;  // for taken_, and for reading the pipes
    std::vector<Piece> taken_;
};

}  // namespace tr::detail
