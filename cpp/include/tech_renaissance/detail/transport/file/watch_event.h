#pragma once

namespace tr::detail {

// Why a wait ended. When several things happened they are reported one wait after the other, in this order.
enum class WatchEvent {
    changed,    // something in the directory may have changed
    woken,      // wake() was called
    exited,     // the exit handle fired; it will again, each time
    timed_out,  // the time has passed: look, notifications may be off or not delivered
};

}  // namespace tr::detail
