// From the pipes to where output goes.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tech_renaissance/detail/process/output_giver.h"
#include "tech_renaissance/detail/process/output_tail.h"
#if defined(_WIN32)
#include "tech_renaissance/detail/process/output_sink_windows.h"
#else
#include "tech_renaissance/detail/process/output_sink_posix.h"
#endif

namespace tr::detail {

// Takes what comes, keeps tails, and gives it on in order: to the sink in the thread that pumps, by lines in one of its
// own. Any thread may take, one pumps.
class OutputFlow {
public:
    // Throws LaunchError launch_failed when a file cannot be opened.
    explicit OutputFlow(const Output& output) : sink_(output) {
        if (const auto* callback = std::get_if<OutputCallback>(&output))
            lines_ = std::make_unique<OutputGiver>(*callback);
    }

    // Empty where memory runs out.
    std::string tail() const noexcept { return text_of(tail_); }
    std::string error_tail() const noexcept { return text_of(error_tail_); }

    // Gives the output by lines; null where it does not.
    OutputGiver* lines() const noexcept { return lines_.get(); }

    // Takes what the process has written so far, in the time of the present call. Never waits for the process. Where
    // memory runs out, output is lost rather than the host.
    template <class Pipes>
    void take(Pipes& pipes) noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        take_locked(pipes);
    }

    // As take, once the process has ended.
    template <class Pipes>
    void take_last(Pipes& pipes) noexcept {
        take(pipes);
        if (lines_) lines_->complete();
    }

    // What was written until now belongs to the call so far, what comes later to the one with this message; an empty
    // message is no call. REQUIRES: lines().
    template <class Pipes>
    void switch_call(Pipes& pipes, const std::string& message) {
        const std::lock_guard<std::mutex> lock(mutex_);
        take_locked(pipes);
        lines_->switch_call(message);
    }

    // Holds up who is about to have more taken, or written, as long as it should be: where there is too much that was
    // not given by lines.
    void wait_for_room(Clock::time_point deadline) {
        if (lines_) lines_->wait_for_room(deadline);
    }

    // Gives on what was taken for the sink. Blocks while that is full, until `stop` is set.
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
    std::unique_ptr<OutputGiver> lines_;
    OutputTail tail_;
    OutputTail error_tail_;
    std::mutex mutex_;  // what was taken, and reading the pipes
    std::vector<Piece> taken_;
};

}  // namespace tr::detail
