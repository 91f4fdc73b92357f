// How to take a worker's Python stacks from outside: spec/life.md, Stacks.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/process/memory.h"
#include "tech_renaissance/detail/process/process.h"
#if defined(_WIN32)
#include "tech_renaissance/detail/process/stack_file_windows.h"
#else
#include "tech_renaissance/detail/process/stack_file_posix.h"
#endif

namespace tr::detail {

inline constexpr std::chrono::milliseconds longest_answer(150);
// Where only Python code can answer, which on a busy machine may take a while.
inline constexpr std::chrono::milliseconds longest_without_insisting(850);

// Waits for an answer that has stopped growing for a moment; false if none comes in time.
inline bool wait_for_answer(const StackFile& file, std::chrono::milliseconds longest) {
    constexpr std::chrono::milliseconds still(20);
    constexpr std::chrono::milliseconds look(2);
    constexpr std::int64_t question_nbytes = 1;
    const Clock::time_point end = Clock::now() + longest;
    std::int64_t seen = 0;
    Clock::time_point changed = Clock::now();
    while (Clock::now() < end && (seen <= question_nbytes || Clock::now() - changed < still)) {
        std::this_thread::sleep_for(look);
        const std::int64_t nbytes = file.nbytes();
        if (nbytes != seen) changed = Clock::now();
        seen = nbytes;
    }
    return seen > question_nbytes;
}

inline std::string text_of(const StackFile& file) {
    constexpr std::int64_t most = 64 * 1024;
    std::string text(static_cast<std::size_t>(std::clamp<std::int64_t>(file.nbytes(), 0, most)), '\0');
    file.read(text);
    return text;
}

inline std::string no_stacks(const Process& process, const std::string& why) {
    return "(there are no stacks of process " + std::to_string(process.pid()) + ": " + why + ")\n";
}

// The stacks of all threads, or why they cannot be taken; empty if the worker has no such file. Asks the worker's
// Python code first, and faulthandler's signal handler if no Python code is running (not on Windows). REQUIRES: nothing
// interrupts the worker in the meantime, because that uses the same signal.
inline std::string take_stacks(const Process& process, const std::filesystem::path& path) {
    const StackFile file(path);
    if (!file.is_open()) return "";
    if (!file.ask()) return no_stacks(process, StackFile::error());
    process.interrupt();
    if (!wait_for_answer(file, longest_answer)) {
        if (can_insist) {
            file.clear();
            process.ask_stack();
        }
        wait_for_answer(file, can_insist ? longest_answer : longest_without_insisting);
    }
    std::string text = text_of(file);
    if (!text.empty() && text != "?") return text;
    file.clear();  // nobody is to answer the question in place of a later interrupt
    const std::string state = describe_state(process.pid());
    return no_stacks(process, state.empty() ? "it does not answer" : state);
}

}  // namespace tr::detail
