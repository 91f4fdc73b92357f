// Child processes for tests, and ways to watch them that do not depend on the code under test.
#pragma once

#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/process/interpreter.h"
#include "tech_renaissance/detail/process/process.h"

namespace children {

using tr::detail::Launch;
using tr::detail::Process;

inline Launch launch(std::vector<std::string> argv) {
    return {std::move(argv), tr::detail::current_environment(), "", tr::DiscardOutput{}};
}

inline Launch sh(const std::string& script) { return launch({"/bin/sh", "-c", script}); }

inline Launch python(const std::string& code) {
    return launch({tr::detail::find_interpreter("", tr::detail::current_environment()), "-c", code});
}

// Runs to its end and returns what it printed.
inline std::string output_of(const Launch& what) {
    const Process process(what);
    process.wait();
    return process.output_tail();
}

// Collects output and lets a test wait for a word in it, which is how a child says how far it is.
class Transcript {
public:
    tr::OutputCallback callback() {
        return [this](const tr::OutputLine& line) {
            const std::lock_guard<std::mutex> lock(mutex_);
            text_.append(line.text).append("\n");
            changed_.notify_all();
        };
    }
    void wait_for(const std::string& word) {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [&] { return text_.find(word) != std::string::npos; });
    }
    std::string text() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return text_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string text_;
};

inline Launch with_transcript(Launch launch, Transcript& transcript) {
    launch.output = transcript.callback();
    return launch;
}

inline int as_pid(const Process& process) { return static_cast<int>(process.pid()); }

inline bool is_running(int pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
    std::string word;
    for (int i = 0; i < 3 && status >> word; ++i) {
    }
    return status && word != "Z" && word != "X";
}

// A process that is killed needs a moment to go, more so when it is not our child.
inline void wait_until_gone(int pid) {
    while (is_running(pid)) std::this_thread::yield();
}

}  // namespace children
