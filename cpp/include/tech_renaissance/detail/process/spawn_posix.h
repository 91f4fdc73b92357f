// Starts a program with posix_spawn: fast however much memory the host uses, and reports failure at once.
#pragma once

#include <csignal>
#include <string>
#include <vector>

#include "tech_renaissance/detail/process/launch.h"
#include "tech_renaissance/detail/process/spawn_dialect_posix.h"
#include "tech_renaissance/detail/system/environment.h"
#include "tech_renaissance/detail/system/path.h"

namespace tr::detail {

// The host's descriptors that a child gets as its stdout, stderr and lifeline.
struct ChildDescriptors {
    int out;
    int err;
    int lifeline;
    std::vector<int> inherited;
};

constexpr int lifeline_number = 3;
static_assert(lifeline_number < first_inherited_number, "a child's own descriptors come before inherited ones");

inline void check_spawn(int error, const std::string& what) {
    if (error != 0) throw_os_error(what, error);
}

class SpawnActions {
public:
    SpawnActions(const ChildDescriptors& descriptors, const std::string& working_directory) {
        check_spawn(::posix_spawn_file_actions_init(&actions_), "cannot prepare a process");
        add(::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0));
        add(::posix_spawn_file_actions_adddup2(&actions_, descriptors.out, STDOUT_FILENO));
        add(::posix_spawn_file_actions_adddup2(&actions_, descriptors.err, STDERR_FILENO));
        add(::posix_spawn_file_actions_adddup2(&actions_, descriptors.lifeline, lifeline_number));
        for (std::size_t i = 0; i < descriptors.inherited.size(); ++i) {
            const int number = first_inherited_number + static_cast<int>(i);
            add(::posix_spawn_file_actions_adddup2(&actions_, descriptors.inherited[i], number));
        }
        add(add_close_others(&actions_, first_inherited_number + static_cast<int>(descriptors.inherited.size())));
        if (!working_directory.empty()) add(add_working_directory(&actions_, working_directory.c_str()));
        if (error_ != 0) ::posix_spawn_file_actions_destroy(&actions_);
        check_spawn(error_, "cannot prepare a process");
    }
    SpawnActions(const SpawnActions&) = delete;
    SpawnActions& operator=(const SpawnActions&) = delete;
    ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions_); }

    const posix_spawn_file_actions_t* get() const noexcept { return &actions_; }

private:
    void add(int error) noexcept {
        if (error_ == 0) error_ = error;
    }

    posix_spawn_file_actions_t actions_;
    int error_ = 0;
};

// Gives a child the signal settings of a fresh shell, whatever the host blocks or ignores.
class SpawnAttributes {
public:
    SpawnAttributes() {
        check_spawn(::posix_spawnattr_init(&attributes_), "cannot prepare a process");
        sigset_t signals;
        sigemptyset(&signals);
        ::posix_spawnattr_setsigmask(&attributes_, &signals);
        sigfillset(&signals);
        ::posix_spawnattr_setsigdefault(&attributes_, &signals);
        constexpr int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | own_group_flag | close_others_flag;
        ::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
    }
    SpawnAttributes(const SpawnAttributes&) = delete;
    SpawnAttributes& operator=(const SpawnAttributes&) = delete;
    ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes_); }

    const posix_spawnattr_t* get() const noexcept { return &attributes_; }

private:
    posix_spawnattr_t attributes_;
};

// Pointers into `strings`, ended by a null pointer.
inline std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    for (std::string& text : strings) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

inline std::string inherited_numbers(std::size_t count) {
    std::string numbers;
    for (std::size_t i = 0; i < count; ++i) {
        numbers += (i == 0 ? "" : ",") + std::to_string(first_inherited_number + static_cast<int>(i));
    }
    return numbers;
}

inline std::vector<std::string> environment_block(const Launch& launch) {
    Environment environment = launch.environment;
    if (!launch.inherited_variable.empty()) {
        environment[launch.inherited_variable] = inherited_numbers(launch.inherited.size());
    }
    environment["TR_HOST_PID"] = std::to_string(current_process_id());
    environment["TR_LIFELINE"] = std::to_string(lifeline_number);
    std::vector<std::string> block;
    for (const auto& [name, value] : environment) block.push_back(name + "=" + value);
    return block;
}

// Returns the process id, which is also that of its group. Throws LaunchError interpreter_not_found or launch_failed.
inline pid_t spawn(const Launch& launch, const ChildDescriptors& descriptors) {
    check_launch(launch);
    const std::string& directory = launch.working_directory;
    // A relative path is relative to the host's directory, even if the child will work in another.
    const std::string executable = absolute_path(launch.argv[0]);
    if (!exists(executable)) throw LaunchError("interpreter_not_found", "there is no '" + executable + "'");
    if (!directory.empty() && !is_directory(directory)) {
        throw_launch_failed("there is no working directory '" + directory + "'");
    }
    const SpawnActions actions(descriptors, directory);
    const SpawnAttributes attributes;
    std::vector<std::string> arguments = launch.argv;
    std::vector<std::string> variables = environment_block(launch);
    pid_t pid = 0;
    check_spawn(::posix_spawn(&pid, executable.c_str(), actions.get(), attributes.get(), pointers_to(arguments).data(),
                              pointers_to(variables).data()),
                cannot_start(launch, executable));
    return pid;
}

}  // namespace tr::detail
