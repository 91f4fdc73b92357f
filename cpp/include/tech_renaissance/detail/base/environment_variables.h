// Environment variables by name. All text is UTF-8.
#pragma once

#include <map>
#include <string>

namespace tr {

using Environment = std::map<std::string, std::string>;

namespace detail {

// The value of a variable; empty if it is not set.
inline std::string variable(const Environment& environment, const std::string& name) {
    const auto found = environment.find(name);
    return found == environment.end() ? "" : found->second;
}

}  // namespace detail
}  // namespace tr
