// From the pipes to where output goes.
#pragma once

#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tech_renaissance/detail/process/output_lines.h"
#include "tech_renaissance/detail/process/output_tail.h"
#if defined(_WIN32)
#include "tech_renaissance/detail/process/output_sink_windows.h"
#else
#include "tech_renaissance/detail/process/output_sink_posix.h"
#endif

namespace tr::detail {

// Takes what comes, keeps tails, and gives it on in order. Taking and giving are separate: a slow reader or callback
// holds up only the thread that gives. Any thread may take, one gives.
class OutputFlow {
public:
    // Throws LaunchError launch_failed when a file cannot be opened.
    explicit OutputFlow(const Output& output) : sink_(output) {
        if (const auto* callback = std::get_if<OutputCallback>(&output)) lines_.emplace(*callback);
    }

    bool gives_lines() const noexcept { return lines_.has_value(); }
    std::string tail() const { return tail_.text(); }
    std::string error_tail() const { return error_tail_.text(); }

    // Takes what the process has written so far, in the time of the present call. Never waits for the process. Where
    // memory runs out, output is lost rather than the host.
    template <class Pipes>
    void take(Pipes& pipes) noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        take_locked(pipes);
    }

    // What was written until now belongs to the call so far, what comes later to the one with this message; an empty
    // message is no call.
    template <class Pipes>
    void switch_call(Pipes& pipes, const std::string& message) {
        const std::lock_guard<std::mutex> lock(mutex_);
        take_locked(pipes);
        if (!call_->empty()) taken_.push_back({Stream::out, "", call_, true});
        call_ = std::make_shared<const std::string>(message);
    }

    // Gives on what was taken. Blocks while the target is full, until `stop` is set.
    void give(WaitHandle stop) {
        std::vector<Piece> pieces;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            pieces.swap(taken_);
        }
        for (const Piece& piece : pieces) {
            if (!lines_)
                sink_.write(piece.stream, piece.bytes, stop);
            else if (piece.ends_call)
                lines_->end_call(*piece.call);
            else
                lines_->write(piece.stream, piece.bytes, *piece.call);
        }
    }

    // Gives on the rest: the process has ended.
    void end(WaitHandle stop) {
        give(stop);
        if (lines_) lines_->end_call(*call_);
    }

private:
    using CallText = std::shared_ptr<const std::string>;

    struct Piece {
        Stream stream;
        std::string bytes;
        CallText call;
        bool ends_call;
    };

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
        taken_.push_back({stream, std::move(bytes), call_, false});
    }

    OutputSink sink_;
    std::optional<OutputLines> lines_;
    OutputTail tail_;
    OutputTail error_tail_;
    std::mutex mutex_;  // everything below, and reading the pipes
    std::vector<Piece> taken_;
    CallText call_ = std::make_shared<const std::string>();
};

}  // namespace tr::detail
