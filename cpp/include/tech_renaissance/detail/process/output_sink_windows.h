// Where output goes in the host.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "tech_renaissance/detail/process/output.h"
#include "tech_renaissance/detail/system/handle_windows.h"
#include "tech_renaissance/detail/system/text_windows.h"

namespace tr::detail {

// While it lives, a blocking write of this thread is cancelled once `stop` has been set for output_patience.
class WriteWatchdog {
public:
    explicit WriteWatchdog(WaitHandle stop) {
        HANDLE self = nullptr;
        ::DuplicateHandle(::GetCurrentProcess(), ::GetCurrentThread(), ::GetCurrentProcess(), &self, 0, FALSE,
                          DUPLICATE_SAME_ACCESS);
        writer_ = Handle(self);
        constexpr ULONG once = WT_EXECUTEONLYONCE | WT_EXECUTELONGFUNCTION;
        ::RegisterWaitForSingleObject(&wait_, stop, &WriteWatchdog::cancel, this, INFINITE, once);
    }
    WriteWatchdog(const WriteWatchdog&) = delete;
    WriteWatchdog& operator=(const WriteWatchdog&) = delete;
    ~WriteWatchdog() {
        ::SetEvent(over_.get());
        // Waits for a cancel() that is running.
        if (wait_ != nullptr) ::UnregisterWaitEx(wait_, INVALID_HANDLE_VALUE);
    }

private:
    // Repeats, because a write that has not begun yet cannot be cancelled.
    static void CALLBACK cancel(void* self, BOOLEAN) {
        const auto* watchdog = static_cast<const WriteWatchdog*>(self);
        constexpr auto patience = static_cast<DWORD>(output_patience.count());
        while (::WaitForSingleObject(watchdog->over_.get(), patience) == WAIT_TIMEOUT) {
            ::CancelSynchronousIo(watchdog->writer_.get());
        }
    }

    Handle over_{::CreateEventW(nullptr, TRUE, FALSE, nullptr)};
    Handle writer_;
    HANDLE wait_ = nullptr;
};

// Writes everything. The rest is dropped if the target is broken, or takes nothing more after `stop` was set.
inline void write_all(HANDLE target, std::string_view bytes, WaitHandle stop) {
    if (target == nullptr || target == INVALID_HANDLE_VALUE) return;  // a GUI program has no stdout
    const WriteWatchdog watchdog(stop);
    while (!bytes.empty()) {
        DWORD written = 0;
        const auto nbytes = static_cast<DWORD>(std::min<std::size_t>(bytes.size(), 4096));
        if (!::WriteFile(target, bytes.data(), nbytes, &written, nullptr)) return;
        bytes.remove_prefix(written);
    }
}

// Where output goes, if not to a callback.
class OutputSink {
public:
    // Throws LaunchError launch_failed if a file cannot be opened.
    explicit OutputSink(Output output) : output_(std::move(output)) {
        if (const auto* file = std::get_if<OutputFile>(&output_)) open(file->path);
    }

    // Blocks while the target is full, until `stop` is set.
    void write(Stream stream, std::string_view bytes, WaitHandle stop) {
        if (!file_ && !std::holds_alternative<InheritOutput>(output_)) return;
        const DWORD host_stream = stream == Stream::out ? STD_OUTPUT_HANDLE : STD_ERROR_HANDLE;
        write_all(file_ ? file_.get() : ::GetStdHandle(host_stream), bytes, stop);
    }

private:
    void open(const std::string& path) {
        constexpr DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
        file_ = checked(::CreateFileW(to_utf16(path).c_str(), FILE_APPEND_DATA, share, nullptr, OPEN_ALWAYS,
                                      FILE_ATTRIBUTE_NORMAL, nullptr),
                        "cannot open '" + path + "' for the worker's output");
    }

    Output output_;
    Handle file_;
};

}  // namespace tr::detail
