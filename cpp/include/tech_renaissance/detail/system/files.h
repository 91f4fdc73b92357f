// Reading files of a known length, and writing files as a whole or not at all.
//
// Each platform's file defines the following. They all fail with std::system_error, which names the path.
//
//   InputFile     a regular file, with a Trust: length(); read(offset, into, nbytes), which returns the bytes read,
//                 fewer only at the end
//   NewFile       a file that does not exist yet: write(data, nbytes), close(), discard()
//   rename_over   renames, replacing an existing file
//   remove_file   removes a file, if it exists; its name is free at once, though others may still have the file open
//
// Child processes inherit no descriptor or handle.
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

// A path beside `path` that no other writer uses.
inline std::filesystem::path temporary_path(const std::filesystem::path& path) {
    static std::atomic<unsigned> counter{0};
    const std::string unique = "." + std::to_string(current_process_id()) + "." + std::to_string(counter++) + ".tmp";
    return path.parent_path() / to_path("." + from_path(path.filename()) + unique);
}

// Writes the parts one after the other, so that a reader of `path` sees either the whole old file or the whole new one.
// Throws std::system_error, and then leaves nothing behind. Safe in several threads and processes: the last one wins.
// before_rename() is called before any reader can see it.
template <class BeforeRename>
void write_file(const std::filesystem::path& path, std::initializer_list<ByteRange> parts,
                const BeforeRename& before_rename) {
    const std::filesystem::path temporary = temporary_path(path);
    NewFile file(temporary);
    try {
        for (const ByteRange& part : parts) file.write(part.data, part.nbytes);
        file.close();
        before_rename();
        rename_over(temporary, path);
    } catch (...) {
        file.discard();
        throw;
    }
}

inline void write_file(const std::filesystem::path& path, std::initializer_list<ByteRange> parts) {
    write_file(path, parts, [] {});
}

// A small file's bytes, at most `most_nbytes`; nullopt if there is no such file. For files that someone else may have
// put there.
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
