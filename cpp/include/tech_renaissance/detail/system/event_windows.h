#pragma once

#include "tech_renaissance/detail/system/handle_windows.h"

namespace tr::detail {

// Stays set until reset. Safe to use from several threads.
class Event {
public:
    Event() : event_(checked(::CreateEventW(nullptr, TRUE, FALSE, nullptr), "cannot make an event")) {}

    void set() noexcept { ::SetEvent(event_.get()); }
    void reset() noexcept { ::ResetEvent(event_.get()); }
    bool is_set() const noexcept { return is_signalled(event_.get()); }

    // Signalled while the event is set.
    WaitHandle handle() const noexcept { return event_.get(); }

private:
    Handle event_;
};

}  // namespace tr::detail
