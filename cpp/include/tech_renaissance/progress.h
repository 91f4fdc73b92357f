// How far a call is.
#pragma once

#include <optional>
#include <string>

namespace tr {

// What a handler says about itself while it works: self.progress(done, total, message).
struct Progress {
    double done = 0;
    // Nullopt if it is unknown. In the same unit as `done`, whatever that is.
    std::optional<double> total = std::nullopt;
    std::string message = {};

    // From 0 to 1, if the total is known.
    std::optional<double> fraction() const {
        if (!total) return std::nullopt;
        return *total > 0 ? done / *total : 1.0;
    }
};

}  // namespace tr
