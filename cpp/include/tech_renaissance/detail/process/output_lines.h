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
            part.append(bytes.substr(0, end));
            const std::size_t nbytes = part.size() + 1;
            if (ends_with_return(part)) part.pop_back();
            give_line(part, piece.stream, nbytes);
        }
        part.append(bytes);
        give_beginning(part, piece.stream);
    }

    // Gives unfinished lines as they are.
    void end() {
        for (const Stream stream : {Stream::out, Stream::err}) {
            std::string& part = parts_[index_of(stream)];
            if (!part.empty()) give_line(part, stream, part.size());
        }
    }

    // Says how much of the output was dropped.
    void give_dropped(std::uint64_t nbytes, std::string_view message) const {
        const std::string text = std::to_string(nbytes) + " bytes of output were dropped: the callback was too slow";
        give_({text, "dropped", message}, nbytes);
    }

private:
    static bool ends_with_return(const std::string& text) noexcept { return !text.empty() && text.back() == '\r'; }

    // Gives a line, in parts if it is too long. `nbytes` includes its end.
    void give_line(std::string& line, Stream stream, std::size_t nbytes) const {
        std::string_view rest = line;
        for (; rest.size() > longest; rest.remove_prefix(longest)) {
            give(rest.substr(0, longest), stream, longest);
            nbytes -= longest;
        }
        give(rest, stream, nbytes);
        line.clear();
    }

    // Gives what is too long of a line that has not ended yet. Its last byte may be half of a CR LF.
    void give_beginning(std::string& line, Stream stream) const {
        const std::size_t most = ends_with_return(line) ? longest + 1 : longest;
        std::size_t given = 0;
        for (; line.size() - given > most; given += longest) {
            give(std::string_view(line).substr(given, longest), stream, longest);
        }
        line.erase(0, given);
    }

    void give(std::string_view text, Stream stream, std::size_t nbytes) const {
        give_({text, stream == Stream::out ? "stdout" : "stderr", *call_}, nbytes);
    }

    Give give_;
    std::array<std::string, 2> parts_;
    CallText call_;  // the call that the unfinished parts belong to
};

}  // namespace tr::detail
