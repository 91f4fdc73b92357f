#pragma once

#include <cstdint>
#include <optional>

#include "tech_renaissance/detail/process/output_pipes_windows.h"
#include "tech_renaissance/detail/process/spawn_windows.h"

namespace tr::detail {

// A child and the job object that holds it and all its descendants. wait_exit and has_exited may run at the same time
// as anything else; the caller locks the rest.
class Child {
public:
    explicit Child(const Launch& launch)
        : job_(make_job()),
          interrupt_(checked(::CreateEventW(nullptr, FALSE, FALSE, nullptr), "cannot make an event")) {
        const Handle nothing = checked(
            ::CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr, OPEN_EXISTING, 0, nullptr),
            "cannot open NUL");
        spawned_ = spawn(launch, job_.get(), interrupt_.get(),
                         {nothing.get(), output_.writing_end(Stream::out), output_.writing_end(Stream::err)});
        output_.close_writing_ends();
    }

    std::int64_t pid() const noexcept { return spawned_.pid; }
    OutputPipes& output() noexcept { return output_; }

    // Blocks until the child has ended.
    std::optional<int> wait_exit() const noexcept {
        DWORD code = 0;
        const bool known = ::WaitForSingleObject(spawned_.process.get(), INFINITE) == WAIT_OBJECT_0 &&
                           ::GetExitCodeProcess(spawned_.process.get(), &code);
        return known ? std::optional<int>(static_cast<int>(code)) : std::nullopt;
    }

    bool has_exited() const noexcept { return is_signalled(spawned_.process.get()); }

    // A process without a console cannot be asked to end.
    void terminate() const noexcept { kill(); }
    void kill() const noexcept { ::TerminateJobObject(job_.get(), 1); }
    void close_lifeline() const noexcept { kill(); }

    // A process that does not know the event ignores it.
    void interrupt() const noexcept { ::SetEvent(interrupt_.get()); }

    // Does nothing: nobody but Python code can write stacks.
    void ask_stack() const noexcept {}

    // Does nothing: the process id is freed when the handle is closed.
    void reap() noexcept {}

private:
    OutputPipes output_;
    Handle job_;
    Handle interrupt_;
    SpawnedProcess spawned_{};
};

// There are no signals to block.
class SignalsBlocked {
public:
    SignalsBlocked() {}
};

}  // namespace tr::detail
