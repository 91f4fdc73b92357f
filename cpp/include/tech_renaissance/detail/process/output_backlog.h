// Output that waits for a callback that gets it by lines: spec/life.md, Output by lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tech_renaissance/detail/process/output.h"

namespace tr::detail {

// The message of a call; empty between calls. The pieces of one call share it.
using CallText = std::shared_ptr<const std::string>;

struct OutputPiece {
    enum class Kind { bytes, end_of_call, dropped };

    Kind kind;
    CallText call;
    Stream stream = Stream::out;
    std::string bytes = {};
    std::uint64_t dropped = 0;  // how many bytes were dropped here
    std::size_t cost = 0;       // roughly how much memory it needs
};

// Pieces, oldest first. Not thread-safe.
//
// Whoever adds to a full backlog may wait for room as long as it likes, and then call drop(): new output is dropped
// until half of the backlog has been taken.
class OutputBacklog {
public:
    static constexpr std::size_t most_nbytes = 1 << 20;

    bool empty() const noexcept { return pieces_.empty(); }

    // Whether nothing more should be added. What is added all the same is kept, up to twice the bound.
    bool is_full() const noexcept { return nbytes_ >= most_nbytes && !dropping_; }

    // Whether it is full, or was and has not been halved since.
    bool is_behind() const noexcept { return nbytes_ >= most_nbytes || dropping_; }

    // From now on only counts new output, until half has been taken.
    void drop() noexcept { dropping_ = true; }

    // Adds output that was written during a call.
    void add(Stream stream, std::string bytes, const CallText& call) {
        if (nbytes_ >= 2 * most_nbytes) drop();
        if (dropping_)
            count(bytes.size(), call);
        else
            append({OutputPiece::Kind::bytes, call, stream, std::move(bytes)});
        ended_ = dropping_;
    }

    // The output of a call is complete.
    void end_call(const CallText& call) {
        if (ended_) return;
        append({OutputPiece::Kind::end_of_call, call});
        ended_ = true;
    }

    // Removes and returns the oldest piece, if there is one.
    std::optional<OutputPiece> take() {
        if (pieces_.empty()) return std::nullopt;
        OutputPiece piece = std::move(pieces_.front());
        pieces_.pop_front();
        nbytes_ -= piece.cost;
        if (nbytes_ <= most_nbytes / 2) dropping_ = false;
        return piece;
    }

private:
    static constexpr std::size_t piece_nbytes = 256;  // roughly what a piece needs besides its bytes

    void count(std::size_t nbytes, const CallText& call) {
        if (pieces_.empty() || pieces_.back().kind != OutputPiece::Kind::dropped) {
            append({OutputPiece::Kind::dropped, call, Stream::out, "", nbytes});
            return;
        }
        OutputPiece& last = pieces_.back();
        last.dropped += nbytes;
        if (last.call != call)
            last.call = std::make_shared<const std::string>();  // several calls' output belongs to none
    }

    void append(OutputPiece piece) {
        piece.cost = piece_nbytes + piece.bytes.size() + (piece.call == last_call_ ? 0 : piece.call->size());
        const std::size_t cost = piece.cost;
        last_call_ = piece.call;
        pieces_.push_back(std::move(piece));
        nbytes_ += cost;
    }

    std::deque<OutputPiece> pieces_;
    std::size_t nbytes_ = 0;
    CallText last_call_;
    bool dropping_ = false;
    bool ended_ = true;  // nothing has been added since the end of a call
};

}  // namespace tr::detail
