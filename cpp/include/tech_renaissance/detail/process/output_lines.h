// Cuts output into lines for a callback.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "tech_renaissance/detail/process/output_backlog.h"

namespace tr::detail {

// Cuts pieces into lines, which end with LF or CR LF. For use by a single thread.
class OutputLines {
public:
    static constexpr std::size_t longest = 64 * 1024;

    // Called with each line and the number of bytes it stands for.
    using Give = std::function<void(const OutputLine&, std::uint64_t nbytes)>;

    explicit OutputLines(Give give) : give_(std::move(give)) {}

    // Gives the lines that end in this piece. The end of a call and dropped bytes also end unfinished lines.
    void write(const OutputPiece& piece) {
        if (piece.kind != OutputPiece::Kind::bytes) {
            end();
            if (piece.kind == OutputPiece::Kind::dropped) give_dropped(piece.dropped, *piece.call);
            return;
        }
        call_ = piece.call;
        std::string& part = parts_[index_of(piece.stream)];
        std::string_view bytes = piece.bytes;
        for (std::size_t end = 0; (end = bytes.find('\n')) != std::string_view::npos; bytes.remove_prefix(end + 1)) {
            add(part, bytes.substr(0, end), piece.stream);
            const std::size_t nbytes = part.size() + 1;
            if (!part.empty() && part.back() == '\r') part.pop_back();
            give(part, piece.stream, nbytes);
        }
        add(part, bytes, piece.stream);
    }

    // Gives unfinished lines as they are.
    void end() {
        for (const Stream stream : {Stream::out, Stream::err}) {
            std::string& part = parts_[index_of(stream)];
            if (!part.empty()) give(part, stream, part.size());
        }
    }

    // Says how much of the output was dropped.
    void give_dropped(std::uint64_t nbytes, std::string_view message) const {
        const std::string text = std::to_string(nbytes) + " bytes of output were dropped: the callback was too slow";
        give_({text, "dropped", message}, nbytes);
    }

private:
    // Gives an overlong line in parts, each as soon as more bytes follow it.
    void add(std::string& part, std::string_view bytes, Stream stream) {
        while (part.size() + bytes.size() > longest) {
            const std::size_t fits = longest - part.size();
            part.append(bytes.substr(0, fits));
            bytes.remove_prefix(fits);
            give(part, stream, part.size());
        }
        part.append(bytes);
    }

    void give(std::string& part, Stream stream, std::uint64_t nbytes) const {
        give_({part, stream == Stream::out ? "stdout" : "stderr", *call_}, nbytes);
        part.clear();
    }

    Give give_;
    std::array<std::string, 2> parts_;
    CallText call_;  // the call that the unfinished parts belong to
};

}  // namespace tr::detail
