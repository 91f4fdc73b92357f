// Handles that close themselves.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/base/launch_failed.h"
#include "tech_renaissance/detail/system/windows_api.h"

namespace tr::detail {

using WaitHandle = HANDLE;  // an object that can be waited for
constexpr WaitHandle no_handle = nullptr;
using SharedHandle = HANDLE;  // a handle that a child may inherit

[[noreturn]] inline void throw_os_error(const std::string& what, DWORD error) {
    throw_launch_failed(what + ": " + std::system_category().message(static_cast<int>(error)));
}

// Owns a handle. Windows has two ways to say that there is no handle; here it is always nullptr.
class Handle {
public:
    Handle() = default;
    explicit Handle(HANDLE handle) : handle_(handle == INVALID_HANDLE_VALUE ? nullptr : handle) {}
    Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Handle& operator=(Handle&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Handle() { close(); }

    HANDLE get() const noexcept { return handle_; }
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    void close() noexcept {
        if (handle_ != nullptr) ::CloseHandle(std::exchange(handle_, nullptr));
    }

private:
    HANDLE handle_ = nullptr;
};

// Throws unless there is a handle, with the error of the call that should have made it.
inline Handle checked(HANDLE handle, const std::string& what) {
    const DWORD error = ::GetLastError();
    Handle owner(handle);
    if (!owner) throw_os_error(what, error);
    return owner;
}

// The time left until the deadline, never INFINITE.
inline DWORD wait_timeout(Clock::time_point deadline) {
    return static_cast<DWORD>(std::min<std::chrono::milliseconds::rep>(left_until(deadline).count(), INFINITE - 1));
}

inline bool is_signalled(HANDLE handle) noexcept { return ::WaitForSingleObject(handle, 0) == WAIT_OBJECT_0; }

}  // namespace tr::detail
