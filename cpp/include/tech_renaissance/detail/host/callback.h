// The functions of this host that are being run for a worker.
#pragma once

#include "tech_renaissance/error.h"

namespace tr::detail {

// While it exists, this thread runs a function of a session. waiting: whether the worker serves nobody else meanwhile.
class Callback {
public:
    Callback(const void* session, bool waiting) noexcept : session_(session), waiting_(waiting), outer_(innermost()) {
        innermost() = this;
    }
    ~Callback() { innermost() = outer_; }
    Callback(const Callback&) = delete;
    Callback& operator=(const Callback&) = delete;

    [[noreturn]] static void throw_waits_for_itself() {
        throw LocalProtocolError("would_wait_for_itself",
                                 "the worker waits for this function, or for the rest of a stream's input, and serves "
                                 "nothing else before: calls may be sent here, but not waited for");
    }

    // Throws LocalProtocolError would_wait_for_itself if this thread runs a function for which the session's worker
    // waits, so that nothing it waits for in that session would come.
    static void check_may_wait(const void* session) {
        for (const Callback* one = innermost(); one != nullptr; one = one->outer_) {
            if (one->session_ == session && one->waiting_) throw_waits_for_itself();
        }
    }

private:
    static const Callback*& innermost() noexcept {
        static thread_local const Callback* callback = nullptr;
        return callback;
    }

    const void* session_;
    bool waiting_;
    const Callback* outer_;
};

}  // namespace tr::detail
