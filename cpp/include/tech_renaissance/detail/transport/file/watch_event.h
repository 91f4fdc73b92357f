#pragma once

namespace tr::detail {

// Why a wait ended. If several things happened, each wait reports one, in this order.
enum class WatchEvent {
    changed,    // something in the directory may have changed
    woken,      // wake() was called
    exited,     // the exit handle fired; it stays that way
    timed_out,  // the time has passed: look all the same, notifications may be off or lost
};

}  // namespace tr::detail
