// Starts a program with CreateProcessW, inside a job object from its first instruction.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/process/command_line_windows.h"
#include "tech_renaissance/detail/process/interpreter_windows.h"
#include "tech_renaissance/detail/process/launch.h"
#include "tech_renaissance/detail/system/environment_windows.h"
#include "tech_renaissance/detail/system/handle_windows.h"

namespace tr::detail {

// PROC_THREAD_ATTRIBUTE_JOB_LIST, which headers define only for programs that require Windows 10.
constexpr DWORD_PTR job_list_attribute = 0x0002000D;

// The job's processes end when its last handle closes, and so also when the host dies.
inline Handle make_job() {
    Handle job = checked(::CreateJobObjectW(nullptr, nullptr), "cannot make a job object");
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (!::SetInformationJobObject(job.get(), JobObjectExtendedLimitInformation, &limits, sizeof limits)) {
        throw_os_error("cannot set up a job object", ::GetLastError());
    }
    return job;
}

// Handles that a process to be started inherits. They are inheritable no longer than this object lives, because other
// processes that the host starts may inherit whatever is.
class Inheritable {
public:
    explicit Inheritable(std::vector<HANDLE> handles) : handles_(std::move(handles)) { set(HANDLE_FLAG_INHERIT); }
    Inheritable(const Inheritable&) = delete;
    Inheritable& operator=(const Inheritable&) = delete;
    ~Inheritable() { set(0); }

    std::vector<HANDLE>& handles() noexcept { return handles_; }

private:
    void set(DWORD flags) const noexcept {
        for (const HANDLE handle : handles_) ::SetHandleInformation(handle, HANDLE_FLAG_INHERIT, flags);
    }

    std::vector<HANDLE> handles_;
};

// The job that a new process is put into, and the handles that it inherits; both must outlive this object.
class StartAttributes {
public:
    StartAttributes(HANDLE& job, std::vector<HANDLE>& inherited) {
        SIZE_T nbytes = 0;
        ::InitializeProcThreadAttributeList(nullptr, 2, 0, &nbytes);
        buffer_.resize(nbytes);
        check(::InitializeProcThreadAttributeList(get(), 2, 0, &nbytes));
        add(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, inherited.data(), inherited.size() * sizeof(HANDLE));
        add(job_list_attribute, &job, sizeof job);
    }
    StartAttributes(const StartAttributes&) = delete;
    StartAttributes& operator=(const StartAttributes&) = delete;
    ~StartAttributes() { ::DeleteProcThreadAttributeList(get()); }

    LPPROC_THREAD_ATTRIBUTE_LIST get() noexcept {
        return reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(buffer_.data());
    }

private:
    void add(DWORD_PTR attribute, void* value, SIZE_T nbytes) {
        check(::UpdateProcThreadAttribute(get(), 0, attribute, value, nbytes, nullptr, nullptr));
    }
    static void check(BOOL success) {
        if (!success) throw_os_error("cannot prepare a process", ::GetLastError());
    }

    std::vector<char> buffer_;
};

// An inherited handle has the same number in the child.
inline std::string numbers_of(const std::vector<HANDLE>& handles) {
    std::string numbers;
    for (const HANDLE handle : handles) {
        numbers += (numbers.empty() ? "" : ",") + std::to_string(reinterpret_cast<std::uintptr_t>(handle));
    }
    return numbers;
}

struct IgnoringCase {
    bool operator()(const std::wstring& a, const std::wstring& b) const noexcept {
        return ::CompareStringOrdinal(a.c_str(), -1, b.c_str(), -1, TRUE) == CSTR_LESS_THAN;
    }
};

// Sorted as CreateProcessW demands. There is no lifeline, because the job object serves as one.
inline std::wstring environment_block(const Launch& launch, HANDLE interrupt) {
    Environment environment = launch.environment;
    environment["TR_HOST_PID"] = std::to_string(current_process_id());
    environment["TR_INTERRUPT"] = numbers_of({interrupt});
    if (!launch.inherited_variable.empty()) environment[launch.inherited_variable] = numbers_of(launch.inherited);
    environment.erase("TR_LIFELINE");
    std::map<std::wstring, std::wstring, IgnoringCase> sorted;
    for (const auto& [name, value] : environment) sorted[to_utf16(name)] = to_utf16(value);
    std::wstring block;
    for (const auto& [name, value] : sorted) block += name + L'=' + value + L'\0';
    return block + L'\0';
}

inline std::wstring command_line_of(const Launch& launch) {
    std::vector<std::wstring> arguments;
    for (const std::string& argument : launch.argv) arguments.push_back(to_utf16(argument));
    return command_line(arguments);
}

struct SpawnedProcess {
    Handle process;
    std::int64_t pid;
};

// `interrupt`: the event that interrupts the child; `streams` become stdin, stdout and stderr. Throws LaunchError
// interpreter_not_found or launch_failed.
inline SpawnedProcess spawn(const Launch& launch, HANDLE job, HANDLE interrupt, std::array<HANDLE, 3> streams) {
    check_launch(launch);
    // A relative path is relative to the host's directory, even if the child will work in another.
    const std::string executable = with_executable_suffix(absolute_path(launch.argv[0]));
    const std::wstring directory = to_utf16(launch.working_directory);
    if (!exists(executable)) throw LaunchError("interpreter_not_found", "there is no '" + executable + "'");
    if (!directory.empty() && !is_directory(launch.working_directory)) {
        throw_launch_failed("there is no working directory '" + launch.working_directory + "'");
    }
    std::vector<HANDLE> handles(streams.begin(), streams.end());
    handles.push_back(interrupt);
    handles.insert(handles.end(), launch.inherited.begin(), launch.inherited.end());
    Inheritable inherited(std::move(handles));
    StartAttributes attributes(job, inherited.handles());
    STARTUPINFOEXW start{};
    start.StartupInfo.cb = sizeof start;
    start.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    start.StartupInfo.hStdInput = streams[0];
    start.StartupInfo.hStdOutput = streams[1];
    start.StartupInfo.hStdError = streams[2];
    start.lpAttributeList = attributes.get();
    std::wstring line = command_line_of(launch);
    std::wstring block = environment_block(launch, interrupt);
    constexpr DWORD flags =
        CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW | CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT;
    PROCESS_INFORMATION started{};
    if (!::CreateProcessW(to_utf16(executable).c_str(), line.data(), nullptr, nullptr, TRUE, flags, block.data(),
                          directory.empty() ? nullptr : directory.c_str(), &start.StartupInfo, &started)) {
        const DWORD error = ::GetLastError();
        throw_os_error(cannot_start(launch, executable), error);
    }
    ::CloseHandle(started.hThread);
    return {Handle(started.hProcess), static_cast<std::int64_t>(started.dwProcessId)};
}

}  // namespace tr::detail
