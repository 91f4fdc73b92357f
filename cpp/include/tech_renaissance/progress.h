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

    // done / total; nullopt if the total is unknown or 0.
    std::optional<double> fraction() const {
        if (!total || *total == 0) return std::nullopt;
        return done / *total;
    }
};

}  // namespace tr
