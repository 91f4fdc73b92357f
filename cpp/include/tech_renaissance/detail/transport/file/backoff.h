// How often to check again while waiting: spec/transport-file.md, Waiting.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>

namespace tr::detail {

// Eight waits of `first`, eight of twice that, and so on, up to `max`.
class Backoff {
public:
    using Milliseconds = std::chrono::milliseconds;

    // REQUIRES: 0 < first <= max.
    explicit Backoff(Milliseconds first = Milliseconds(1), Milliseconds max = Milliseconds(1024))
        : first_(first), max_(max), current_(first) {}

    // From "first:max" in milliseconds; nullopt if the text is anything else.
    static std::optional<Backoff> parse(std::string_view text) {
        const std::size_t colon = text.find(':');
        if (colon == std::string_view::npos) return std::nullopt;
        const auto first = parse_milliseconds(text.substr(0, colon));
        const auto max = parse_milliseconds(text.substr(colon + 1));
        if (!first || !max || *first > *max) return std::nullopt;
        return Backoff(*first, *max);
    }

    // How long to wait this time.
    Milliseconds next() {
        const Milliseconds wait = current_;
        if (++waits_ % 8 == 0) current_ = std::min(current_ * 2, max_);
        return wait;
    }

    // Starts again at `first`, because something happened.
    void reset() {
        waits_ = 0;
        current_ = first_;
    }

private:
    static std::optional<Milliseconds> parse_milliseconds(std::string_view digits) {
        constexpr std::size_t most_digits = 9;
        int value = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc() || end != digits.data() + digits.size() || value <= 0 || digits.size() > most_digits)
            return std::nullopt;
        return Milliseconds(value);
    }

    Milliseconds first_;
    Milliseconds max_;
    Milliseconds current_;
    unsigned waits_ = 0;
};

}  // namespace tr::detail
