// Files read with a known length, and files written whole or not at all.
//
// Each platform's file gives, all failing with std::system_error that names the path:
//   InputFile     a regular file, with a Trust: length(), read(offset, into, nbytes) -> bytes read, fewer only at its
//   end NewFile       a file that is not there yet: write(data, nbytes), close(), discard() rename_over   rename,
//   replacing an existing file remove_file   remove; that there is none is no error
// No descriptor or handle is inherited by a child process.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <system_error>

#include "tech_renaissance/detail/system/environment.h"
#include "tech_renaissance/detail/system/path.h"

#ifdef _WIN32
#include "tech_renaissance/detail/system/files_windows.h"
#else
#include "tech_renaissance/detail/system/files_posix.h"
#endif

namespace tr::detail {

struct ByteRange {
    const void* data;
    std::size_t nbytes;
};

// A name beside `path` that no other writer uses.
inline std::filesystem::path temporary_path(const std::filesystem::path& path) {
    static std::atomic<unsigned> counter{0};
    const std::string unique = "." + std::to_string(current_process_id()) + "." + std::to_string(counter++) + ".tmp";
    return path.parent_path() / to_path("." + from_path(path.filename()) + unique);
}

// Writes the parts one after the other, so that a reader of `path` sees the old file or the new one, whole. On failure,
// which is a std::system_error, nothing is left behind. Safe from several threads and processes: the last one wins.
inline void write_file(const std::filesystem::path& path, std::initializer_list<ByteRange> parts) {
    const std::filesystem::path temporary = temporary_path(path);
    NewFile file(temporary);
    try {
        for (const ByteRange& part : parts) file.write(part.data, part.nbytes);
        file.close();
        rename_over(temporary, path);
    } catch (...) {
        file.discard();
        throw;
    }
}

// Removes whatever bears this name: also a link, a pipe, or a directory with all that is in it.
inline void remove_anything(const std::filesystem::path& path) {
    const bool is_directory = std::filesystem::is_directory(std::filesystem::symlink_status(path));
    if (!is_directory) return remove_file(path);
    std::filesystem::remove_all(path);  // follows nothing
}

// A small file's bytes, at most so many; none if there is no such file. For files that somebody else may have put
// there.
inline std::optional<std::string> read_file(const std::filesystem::path& path, std::uint64_t most_nbytes = UINT64_MAX) {
    if (!std::filesystem::exists(std::filesystem::symlink_status(path))) return std::nullopt;
    try {
        const InputFile file(path, Trust::none);
        std::string text(static_cast<std::size_t>(std::min(file.length(), most_nbytes)), '\0');
        text.resize(file.read(0, text.data(), text.size()));
        return text;
    } catch (const std::system_error& error) {
        if (error.code() == std::errc::no_such_file_or_directory) return std::nullopt;
        throw;
    }
}

}  // namespace tr::detail
