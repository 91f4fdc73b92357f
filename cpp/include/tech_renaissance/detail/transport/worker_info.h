// worker.json: what a worker says about itself in the session directory.
#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>

#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/detail/protocol/json.h"
#include "tech_renaissance/detail/system/files.h"

namespace tr::detail {

inline constexpr std::uint64_t longest_worker_info_nbytes = 1 << 20;

// Empty if it cannot be read: the worker may have died while writing it, and anyone may have put anything there.
inline json::Object read_worker_info(const std::filesystem::path& directory) {
    try {
        const std::optional<std::string> text = read_file(directory / "worker.json", longest_worker_info_nbytes);
        const json::Value info = json::parse(text.value_or("{}"));
        return as_object(info, "worker.json");
    } catch (const std::exception&) {
        return {};
    }
}

}  // namespace tr::detail
