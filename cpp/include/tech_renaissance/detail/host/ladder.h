// The ladders as data: the steps that end a worker or a call, and how long each is given before the next one is taken.
// Contract: spec/life.md.
#pragma once

#include <array>
#include <chrono>

#include "tech_renaissance/session_options.h"

namespace tr::detail {

enum class Step { exit, notice, interrupt, terminate, kill };

constexpr const char* name_of(Step step) {
    constexpr const char* names[] = {"exit", "notice", "interrupt", "terminate", "kill"};
    return names[static_cast<int>(step)];
}

struct LadderStep {
    Step step;
    std::chrono::milliseconds patience;
};

// How long the system may take to end a killed process.
inline constexpr LadderStep kill_step{Step::kill, std::chrono::milliseconds(5000)};

inline constexpr std::array<LadderStep, 2> terminate_ladder{{
    {Step::terminate, std::chrono::milliseconds(1000)},
    kill_step,
}};
inline constexpr std::array<LadderStep, 3> end_ladder{{
    {Step::exit, std::chrono::milliseconds(2000)},
    terminate_ladder[0],
    terminate_ladder[1],
}};

// The steps that end the current call.
inline std::array<LadderStep, 4> call_ladder(const CancelPatience& patience) {
    return {{
        {Step::notice, patience.notice},
        {Step::interrupt, patience.interrupt},
        {Step::terminate, patience.terminate},
        kill_step,
    }};
}

// How long it takes if every step is needed.
template <class Ladder>
std::chrono::milliseconds longest_climb(const Ladder& ladder) {
    std::chrono::milliseconds sum(0);
    for (const LadderStep& step : ladder) sum += step.patience;
    return sum;
}

}  // namespace tr::detail
