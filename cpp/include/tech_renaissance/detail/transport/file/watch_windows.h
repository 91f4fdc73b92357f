#pragma once

#include <array>
#include <chrono>
#include <string>

#include "tech_renaissance/detail/system/event_windows.h"
#include "tech_renaissance/detail/system/text_windows.h"
#include "tech_renaissance/detail/transport/file/watch_event.h"

namespace tr::detail {

// Misses no change from construction on, or since the last wait that reported one, as far as the file system reports
// changes at all. One thread may wait at a time; any thread may call wake(). While it is watched, the directory cannot
// be removed.
class DirectoryWatch {
public:
    // Without `notify`, or if the platform refuses to watch, only time, the exit handle and wake() end a wait. Throws
    // LaunchError launch_failed if no handles are left.
    DirectoryWatch(const std::string& directory, bool notify) {
        if (notify) open(directory);
    }
    DirectoryWatch(const DirectoryWatch&) = delete;
    DirectoryWatch& operator=(const DirectoryWatch&) = delete;
    ~DirectoryWatch() { close(); }

    // Watches this directory instead of the previous one, if that was watched. REQUIRES: nobody is waiting.
    void follow(const std::string& directory) {
        if (!notifies()) return;
        close();
        open(directory);
    }

    bool notifies() const noexcept { return changes_ != no_handle; }

    // What becomes ready when something changes, until changes are forgotten. REQUIRES: it notifies.
    WaitHandle handle() const noexcept { return changes_; }
    // The handle stays valid: a wait for it may be about to begin.
    void forget_changes() noexcept {
        if (notifies() && is_signalled(changes_)) ::FindNextChangeNotification(changes_);
    }

    WatchEvent wait(std::chrono::milliseconds timeout, WaitHandle exit = no_handle) {
        // In order of preference: if several are signalled, the first one is reported.
        std::array<HANDLE, 3> handles{};
        DWORD count = 0;
        for (const HANDLE handle : {changes_, wake_.handle(), exit}) {
            if (handle != no_handle) handles[count++] = handle;
        }
        const DWORD result =
            ::WaitForMultipleObjects(count, handles.data(), FALSE, wait_timeout(deadline_after(timeout)));
        const HANDLE fired = result < WAIT_OBJECT_0 + count ? handles[result - WAIT_OBJECT_0] : no_handle;
        if (fired == no_handle) return WatchEvent::timed_out;
        if (fired == exit) return WatchEvent::exited;
        if (fired == wake_.handle()) {
            wake_.reset();
            return WatchEvent::woken;
        }
        // Asks for the next change before the caller looks, so that none is missed.
        if (!::FindNextChangeNotification(changes_)) close();
        return WatchEvent::changed;
    }

    // Ends the current wait, or else the next one.
    void wake() noexcept { wake_.set(); }

private:
    void open(const std::string& directory) {
        constexpr DWORD events = FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_SIZE | FILE_NOTIFY_CHANGE_LAST_WRITE;
        const HANDLE changes = ::FindFirstChangeNotificationW(to_utf16(directory).c_str(), FALSE, events);
        if (changes != INVALID_HANDLE_VALUE) changes_ = changes;
    }

    void close() noexcept {
        if (changes_ != no_handle) ::FindCloseChangeNotification(std::exchange(changes_, no_handle));
    }

    HANDLE changes_ = no_handle;
    Event wake_;
};

}  // namespace tr::detail
