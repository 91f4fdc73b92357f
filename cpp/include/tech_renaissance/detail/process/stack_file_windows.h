#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include "tech_renaissance/detail/system/handle_windows.h"

namespace tr::detail {

// Whether the stack can be had without the help of Python code.
inline constexpr bool can_insist = false;

// The file that a worker writes its stacks into. Since it may have been replaced, only a regular file with a single
// name is touched.
class StackFile {
public:
    explicit StackFile(const std::filesystem::path& path)
        : file_(::CreateFileW(path.c_str(), GENERIC_READ | GENERIC_WRITE,
                              FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr, OPEN_EXISTING,
                              FILE_FLAG_OPEN_REPARSE_POINT, nullptr)) {
        constexpr DWORD others = FILE_ATTRIBUTE_REPARSE_POINT | FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_DEVICE;
        BY_HANDLE_FILE_INFORMATION info{};
        const bool is_ours = file_ && ::GetFileInformationByHandle(file_.get(), &info) != 0 &&
                             (info.dwFileAttributes & others) == 0 && info.nNumberOfLinks == 1;
        if (!is_ours) file_.close();
    }

    bool is_open() const noexcept { return static_cast<bool>(file_); }
    bool clear() const noexcept { return rewind() && ::SetEndOfFile(file_.get()) != 0; }

    bool ask() const noexcept {
        DWORD written = 0;
        return clear() && ::WriteFile(file_.get(), "?", 1, &written, nullptr) != 0 && written == 1;
    }

    std::int64_t nbytes() const noexcept {
        LARGE_INTEGER nbytes{};
        return ::GetFileSizeEx(file_.get(), &nbytes) != 0 ? nbytes.QuadPart : 0;
    }

    // The first bytes, at most text.size().
    void read(std::string& text) const {
        DWORD got = 0;
        const bool done =
            rewind() && ::ReadFile(file_.get(), text.data(), static_cast<DWORD>(text.size()), &got, nullptr) != 0;
        text.resize(done ? got : 0);
    }

    // Why the last of these has failed.
    static std::string error() { return std::system_category().message(static_cast<int>(::GetLastError())); }

private:
    bool rewind() const noexcept { return ::SetFilePointerEx(file_.get(), {}, nullptr, FILE_BEGIN) != 0; }

    Handle file_;
};

}  // namespace tr::detail
