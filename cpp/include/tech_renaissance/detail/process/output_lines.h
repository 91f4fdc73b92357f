// Output as lines for a callback.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "tech_renaissance/detail/process/output.h"

namespace tr::detail {

// Cuts what comes into lines. One thread uses it. What the callback throws is dropped: a thread that carries output has
// nobody to throw to.
class OutputLines {
public:
    static constexpr std::size_t longest = 64 * 1024;

    explicit OutputLines(OutputCallback callback) : callback_(std::move(callback)) {}

    void write(Stream stream, std::string_view bytes, std::string_view command) {
        std::string& part = parts_[index_of(stream)];
        for (std::size_t end = 0; (end = bytes.find('\n')) != std::string_view::npos; bytes.remove_prefix(end + 1)) {
            add(part, bytes.substr(0, end), stream, command);
            give(part, stream, command);
            part.clear();
        }
        add(part, bytes, stream, command);
    }

    // Parts that have not ended are lines now.
    void end_call(std::string_view command) {
        for (const Stream stream : {Stream::out, Stream::err}) {
            std::string& part = parts_[index_of(stream)];
            if (!part.empty()) give(part, stream, command);
            part.clear();
        }
    }

private:
    // Gives what is too long as lines of their own, as soon as there is more.
    void add(std::string& part, std::string_view bytes, Stream stream, std::string_view command) {
        while (part.size() + bytes.size() > longest) {
            const std::size_t fits = longest - part.size();
            part.append(bytes.substr(0, fits));
            bytes.remove_prefix(fits);
            give(part, stream, command);
            part.clear();
        }
        part.append(bytes);
    }

    void give(std::string_view text, Stream stream, std::string_view command) const noexcept {
        try {
            if (callback_) callback_({text, stream == Stream::out ? "stdout" : "stderr", command});
        } catch (...) {
        }
    }

    OutputCallback callback_;
    std::array<std::string, 2> parts_;
};

}  // namespace tr::detail
