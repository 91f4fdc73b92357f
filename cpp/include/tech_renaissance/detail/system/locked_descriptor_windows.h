#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "tech_renaissance/detail/system/handle_windows.h"
#include "tech_renaissance/detail/system/open_folder.h"

namespace tr::detail {

// A small file that can be locked with LockFileEx. The constructor throws std::system_error; the members throw
// LaunchError launch_failed for errors of the system.
class LockedDescriptor {
public:
    enum class Make { if_missing, never };

    // Does not follow links.
    LockedDescriptor(const OpenFolder& folder, const std::string& name, Make make)
        : file_(open(folder.path() / to_path(name), make == Make::if_missing ? OPEN_ALWAYS : OPEN_EXISTING)) {}

    // False if someone else holds the lock.
    bool try_lock() {
        OVERLAPPED place = lock_place();
        constexpr DWORD flags = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
        if (::LockFileEx(file_.get(), flags, 0, 1, 0, &place)) return true;
        const DWORD error = ::GetLastError();
        if (error != ERROR_LOCK_VIOLATION && error != ERROR_IO_PENDING) throw_os_error("cannot lock a session", error);
        return false;
    }

    FileIdentity identity() const { return identity_of(information()); }

    // The time since it was last written to.
    std::chrono::seconds age() const {
        FILETIME now{};
        ::GetSystemTimeAsFileTime(&now);
        return std::chrono::seconds((ticks(now) - ticks(information().ftLastWriteTime)) / ticks_per_second);
    }

    std::string read() const {
        std::array<char, 32> text{};
        OVERLAPPED begin{};
        DWORD got = 0;
        ::ReadFile(file_.get(), text.data(), static_cast<DWORD>(text.size()), &got, &begin);
        return std::string(text.data(), got);
    }

    void replace(const std::string& text) {
        OVERLAPPED begin{};
        DWORD written = 0;
        const bool done = ::SetFilePointer(file_.get(), 0, nullptr, FILE_BEGIN) == 0 && ::SetEndOfFile(file_.get()) &&
                          ::WriteFile(file_.get(), text.data(), static_cast<DWORD>(text.size()), &written, &begin);
        if (!done) throw_os_error("cannot write the owner of a session", ::GetLastError());
    }

    // Windows has no forks.
    bool is_in_fork() const { return false; }

private:
    // The byte at 2^62, far beyond the text, so that others can read the text while it is locked.
    static OVERLAPPED lock_place() {
        OVERLAPPED place{};
        place.OffsetHigh = 1U << 30;
        return place;
    }

    static Handle open(const std::filesystem::path& path, DWORD disposition) {
        constexpr DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
        Handle file(::CreateFileW(path.c_str(), GENERIC_READ | GENERIC_WRITE, share, nullptr, disposition,
                                  FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
        if (!file) throw_file_error(::GetLastError(), "open", path);
        return file;
    }

    BY_HANDLE_FILE_INFORMATION information() const {
        BY_HANDLE_FILE_INFORMATION about{};
        if (!::GetFileInformationByHandle(file_.get(), &about))
            throw_os_error("cannot look at a session's lock", ::GetLastError());
        return about;
    }

    static constexpr std::int64_t ticks_per_second = 10000000;

    static std::int64_t ticks(const FILETIME& time) {
        return (static_cast<std::int64_t>(time.dwHighDateTime) << 32) + time.dwLowDateTime;
    }

    // Closing it releases the lock.
    Handle file_;
};

}  // namespace tr::detail
