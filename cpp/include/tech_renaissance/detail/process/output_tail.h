// The last bytes of a stream, for the post-mortem.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>

namespace tr::detail {

// Keeps the last `limit` bytes appended. Safe to use from several threads.
class OutputTail {
public:
    static constexpr std::size_t limit = 64 * 1024;

    void append(std::string_view piece) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (piece.size() > limit) piece.remove_prefix(piece.size() - limit);
        // The front is dropped only now and then, so that an append costs no more than its own length.
        if (text_.size() + piece.size() > 2 * limit) text_.erase(0, text_.size() + piece.size() - limit);
        text_.append(piece);
    }

    // May begin in the middle of a line, or of a UTF-8 sequence.
    std::string text() const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return text_.size() > limit ? text_.substr(text_.size() - limit) : text_;
    }

private:
    mutable std::mutex mutex_;
    std::string text_;
};

}  // namespace tr::detail
