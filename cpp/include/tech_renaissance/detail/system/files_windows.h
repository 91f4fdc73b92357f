// Files on Windows. The contract is in files.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include "tech_renaissance/detail/system/file_trust.h"
#include "tech_renaissance/detail/system/handle_windows.h"
#include "tech_renaissance/detail/system/path.h"
#include "tech_renaissance/detail/system/windows_api.h"

namespace tr::detail {

inline constexpr std::size_t max_io_nbytes = std::size_t{1} << 30;

[[noreturn]] inline void throw_file_error(DWORD error, const char* what, const std::filesystem::path& path) {
    throw std::system_error(static_cast<int>(error), std::system_category(),
                            std::string("cannot ") + what + " " + shown_path(path));
}

[[noreturn]] inline void refuse_file(DWORD error, const char* what, const std::filesystem::path& path) {
    throw RefusedFile(static_cast<int>(error), std::system_category(),
                      std::string("cannot ") + what + " " + shown_path(path));
}

constexpr bool is_nothing_there(DWORD error) noexcept {
    return error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND;
}

// How long to wait before a retry: at first only until others have run, then longer and longer.
constexpr DWORD retry_pause_ms(int retry) noexcept {
    constexpr int quick_ones = 20;
    if (retry < quick_ones) return 0;
    return std::min(DWORD{1} << std::min(retry - quick_ones, 6), DWORD{64});
}

// Together they take about a second.
inline constexpr int most_retries = 41;

// Retries `call` while it fails because another process has the file open, which the other side does for microseconds,
// and a virus scanner for milliseconds.
template <class Call>
auto patiently(Call&& call) {
    for (int retry = 0;; ++retry) {
        auto result = call();
        const DWORD error = GetLastError();
        const bool in_the_way =
            error == ERROR_SHARING_VIOLATION || error == ERROR_LOCK_VIOLATION || error == ERROR_ACCESS_DENIED;
        if (result || !in_the_way || retry == most_retries) return result;
        Sleep(retry_pause_ms(retry));
    }
}

class InputFile {
public:
    explicit InputFile(const std::filesystem::path& path, Trust trust = Trust::full)
        : path_(path), file_(open(path, trust)) {
        LARGE_INTEGER length{};
        if (!file_ && is_folder(path)) refuse_file(ERROR_INVALID_PARAMETER, "open what is not a regular file:", path_);
        if (!file_ || !GetFileSizeEx(file_.get(), &length)) throw_file_error(GetLastError(), "open", path_);
        if (GetFileType(file_.get()) != FILE_TYPE_DISK)
            refuse_file(ERROR_INVALID_PARAMETER, "open what is not a regular file:", path_);
        if (trust == Trust::none && is_link(file_)) refuse_file(ERROR_INVALID_PARAMETER, "follow", path_);
        length_ = static_cast<std::uint64_t>(length.QuadPart);
    }

    std::uint64_t length() const noexcept { return length_; }

    std::size_t read(std::int64_t offset, void* into, std::size_t nbytes) const {
        auto* bytes = static_cast<std::byte*>(into);
        std::size_t done = 0;
        while (done < nbytes) {
            const auto wanted = static_cast<DWORD>(std::min(nbytes - done, max_io_nbytes));
            DWORD got = 0;
            OVERLAPPED from = at(static_cast<std::uint64_t>(offset) + done);
            const bool failed = !ReadFile(file_.get(), bytes + done, wanted, &got, &from);
            if (failed && GetLastError() != ERROR_HANDLE_EOF) throw_file_error(GetLastError(), "read", path_);
            if (got == 0) break;
            done += got;
        }
        return done;
    }

private:
    static OVERLAPPED at(std::uint64_t offset) {
        OVERLAPPED place{};
        place.Offset = static_cast<DWORD>(offset);
        place.OffsetHigh = static_cast<DWORD>(offset >> 32);
        return place;
    }

    // Shares everything, so that the writer can replace or remove the file in the meantime.
    static Handle open(const std::filesystem::path& path, Trust trust) {
        constexpr DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
        const DWORD flags = trust == Trust::none ? FILE_FLAG_OPEN_REPARSE_POINT : FILE_ATTRIBUTE_NORMAL;
        return patiently([&] {
            return Handle(CreateFileW(path.c_str(), GENERIC_READ, share, nullptr, OPEN_EXISTING, flags, nullptr));
        });
    }

    // Leaves the last error as it is.
    static bool is_folder(const std::filesystem::path& path) {
        const DWORD error = GetLastError();
        const DWORD found = GetFileAttributesW(path.c_str());
        SetLastError(error);
        return found != INVALID_FILE_ATTRIBUTES && (found & FILE_ATTRIBUTE_DIRECTORY) != 0;
    }

    static bool is_link(const Handle& file) {
        FILE_ATTRIBUTE_TAG_INFO about{};
        return GetFileInformationByHandleEx(file.get(), FileAttributeTagInfo, &about, sizeof about) &&
               (about.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
    }

    std::filesystem::path path_;
    Handle file_;
    std::uint64_t length_ = 0;
};

class NewFile {
public:
    explicit NewFile(const std::filesystem::path& path)
        : path_(path),
          file_(CreateFileW(path.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr)) {
        if (!file_) throw_file_error(GetLastError(), "create", path_);
    }

    void write(const void* data, std::size_t nbytes) {
        const auto* bytes = static_cast<const std::byte*>(data);
        std::size_t done = 0;
        while (done < nbytes) {
            const auto wanted = static_cast<DWORD>(std::min(nbytes - done, max_io_nbytes));
            DWORD wrote = 0;
            if (!WriteFile(file_.get(), bytes + done, wanted, &wrote, nullptr))
                throw_file_error(GetLastError(), "write", path_);
            done += wrote;
        }
    }

    void close() { file_.close(); }

    void discard() noexcept {
        file_.close();
        DeleteFileW(path_.c_str());
    }

private:
    std::filesystem::path path_;
    Handle file_;
};

// Removes a file or a link, and frees its name at once. DeleteFileW frees the name only when everyone has closed the
// file, and under wine it can be opened until then: what has been read and removed would be read again. If this fails,
// it leaves the error in GetLastError().
inline bool unlink_file(const std::filesystem::path& path) {
    constexpr DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    constexpr DWORD flags = FILE_FLAG_OPEN_REPARSE_POINT;
    constexpr auto disposition_ex = static_cast<FILE_INFO_BY_HANDLE_CLASS>(21);  // older headers lack its name
    if (const Handle file{CreateFileW(path.c_str(), DELETE, share, nullptr, OPEN_EXISTING, flags, nullptr)}) {
        DWORD at_once = 0x1 | 0x2;  // FILE_DISPOSITION_FLAG_DELETE, _POSIX_SEMANTICS
        if (SetFileInformationByHandle(file.get(), disposition_ex, &at_once, sizeof at_once)) return true;
    } else if (GetLastError() == ERROR_SHARING_VIOLATION) {
        return false;
    }
    return DeleteFileW(path.c_str()) != 0;  // for file systems that can do no better; else it tells what is wrong
}

inline void remove_file(const std::filesystem::path& path) {
    if (patiently([&] { return unlink_file(path); }) || is_nothing_there(GetLastError())) return;
    throw_file_error(GetLastError(), "remove", path);
}

inline void rename_over(const std::filesystem::path& from, const std::filesystem::path& to) {
    if (!patiently([&] { return MoveFileExW(from.c_str(), to.c_str(), MOVEFILE_REPLACE_EXISTING) != 0; }))
        throw_file_error(GetLastError(), "write", to);
}

}  // namespace tr::detail
