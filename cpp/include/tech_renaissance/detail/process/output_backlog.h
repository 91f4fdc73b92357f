// What a callback that gets the output by lines has not been given yet: spec/life.md, Output by lines.
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
    std::uint64_t dropped = 0;  // how many bytes were, in its place
    std::size_t cost = 0;       // how much memory it takes, about
};

// Pieces, oldest first. Not thread-safe.
//
// Who sees that it is full waits for room as long as it likes, and then has it drop what comes, until half of it was
// taken.
class OutputBacklog {
public:
    static constexpr std::size_t most_nbytes = 1 << 20;

    bool empty() const noexcept { return pieces_.empty(); }

    // Whether nothing more should come; it would be kept all the same, up to twice the bound.
    bool is_full() const noexcept { return nbytes_ >= most_nbytes && !dropping_; }

    // From now on what comes is only counted, until half is taken.
    void drop() noexcept { dropping_ = true; }

    // What was written in the time of a call.
    void add(Stream stream, std::string bytes, const CallText& call) {
        if (nbytes_ >= 2 * most_nbytes) drop();
        if (dropping_)
            count(bytes.size(), call);
        else
            append({OutputPiece::Kind::bytes, call, stream, std::move(bytes)});
        ended_ = dropping_;
    }

    // What was written in the time of a call is complete.
    void end_call(const CallText& call) {
        if (ended_) return;
        append({OutputPiece::Kind::end_of_call, call});
        ended_ = true;
    }

    // The oldest piece, if there is one.
    std::optional<OutputPiece> take() {
        if (pieces_.empty()) return std::nullopt;
        OutputPiece piece = std::move(pieces_.front());
        pieces_.pop_front();
        nbytes_ -= piece.cost;
        if (nbytes_ <= most_nbytes / 2) dropping_ = false;
        return piece;
    }

private:
    static constexpr std::size_t piece_nbytes = 256;  // what one takes besides its bytes, about

    void count(std::size_t nbytes, const CallText& call) {
        if (pieces_.empty() || pieces_.back().kind != OutputPiece::Kind::dropped) {
            append({OutputPiece::Kind::dropped, call, Stream::out, "", nbytes});
            return;
        }
        OutputPiece& last = pieces_.back();
        last.dropped += nbytes;
        if (last.call != call) last.call = std::make_shared<const std::string>();  // of several calls: of none
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
    bool ended_ = true;  // nothing was added since the end of a call
};

}  // namespace tr::detail
