#pragma once

#include <array>
#include <string>
#include <utility>

#include "tech_renaissance/detail/system/handle_windows.h"
#include "tech_renaissance/detail/system/text_windows.h"

namespace tr::detail {

// A small file that can be locked with LockFileEx. Errors of the system are LaunchError launch_failed.
class LockedDescriptor {
public:
    enum class Make { if_missing, never };

    // Does not follow links.
    explicit LockedDescriptor(const std::string& path, Make make = Make::if_missing)
        : file_(checked(open(path, make == Make::if_missing ? OPEN_ALWAYS : OPEN_EXISTING),
                        "cannot open '" + path + "'")) {}

    // False when another holds the lock.
    bool try_lock() {
        OVERLAPPED place = lock_place();
        constexpr DWORD flags = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
        if (::LockFileEx(file_.get(), flags, 0, 1, 0, &place)) return true;
        const DWORD error = ::GetLastError();
        if (error != ERROR_LOCK_VIOLATION && error != ERROR_IO_PENDING) throw_os_error("cannot lock a session", error);
        return false;
    }

    bool is_at(const std::string& path) const {
        const Handle there(open(path, OPEN_EXISTING));
        return there && identity(there) == identity(file_);
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

    void remove(const std::string& path) {
        if (is_at(path)) ::DeleteFileW(to_utf16(path).c_str());
    }

private:
    // The byte at 2^62, far behind the text, so that others can read the text while it is locked.
    static OVERLAPPED lock_place() {
        OVERLAPPED place{};
        place.OffsetHigh = 1U << 30;
        return place;
    }

    static HANDLE open(const std::string& path, DWORD disposition) {
        constexpr DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
        return ::CreateFileW(to_utf16(path).c_str(), GENERIC_READ | GENERIC_WRITE, share, nullptr, disposition,
                             FILE_FLAG_OPEN_REPARSE_POINT, nullptr);
    }

    static std::array<DWORD, 3> identity(const Handle& file) {
        BY_HANDLE_FILE_INFORMATION about{};
        ::GetFileInformationByHandle(file.get(), &about);
        return {about.dwVolumeSerialNumber, about.nFileIndexHigh, about.nFileIndexLow};
    }

    // Closing it gives up the lock.
    Handle file_;
};

}  // namespace tr::detail
