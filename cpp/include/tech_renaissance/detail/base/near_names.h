// Names that were perhaps meant.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tr::detail {

// How alike two names are, from 0 to 1: how much of them is common to both, in order.
inline double likeness_of(std::string_view a, std::string_view b) {
    std::vector<std::size_t> common(b.size() + 1);  // of what of `a` has been seen, and as much of `b`
    for (const char letter : a) {
        std::size_t before = 0;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t with_both = before + (letter == b[j] ? 1 : 0);
            before = std::exchange(common[j + 1], std::max({with_both, common[j], common[j + 1]}));
        }
    }
    return 2.0 * static_cast<double>(common.back()) /
           static_cast<double>(std::max<std::size_t>(a.size() + b.size(), 1));
}

// "; did you mean a or b?", with at most three of the names; empty if none is near.
inline std::string did_you_mean(std::string_view name, std::vector<std::string> names) {
    const auto is_far = [&](const std::string& known) { return likeness_of(name, known) < 0.6; };
    names.erase(std::remove_if(names.begin(), names.end(), is_far), names.end());
    std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
        return likeness_of(name, a) > likeness_of(name, b);
    });
    if (names.empty()) return "";
    std::string text = "; did you mean " + names[0];
    for (std::size_t i = 1; i < std::min<std::size_t>(names.size(), 3); ++i) text += " or " + names[i];
    return text + "?";
}

}  // namespace tr::detail
