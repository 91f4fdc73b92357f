// What dead hosts left behind, and what is not theirs.
#include "tech_renaissance/detail/transport/session_directory.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

#if !defined(_WIN32)
#include <sys/resource.h>
#include <unistd.h>
#endif

#include "check.h"
#include "temporary_directory.h"

using tr::LaunchError;
using tr::detail::from_path;
using tr::detail::LockFile;
using tr::detail::OpenFolder;
using tr::detail::remove_leftovers;
using tr::detail::SessionDirectory;

namespace {

// A session's directory with files, as its owner's death leaves it.
std::filesystem::path left_behind(const TemporaryDirectory& workspace, const std::string& name) {
    std::filesystem::create_directories(workspace / name / "folder");
    std::ofstream(workspace / name / "session.lock") << "4194304";
    std::ofstream(workspace / name / "folder" / "file") << "text";
    return workspace / name;
}

}  // namespace

TEST("the directories of dead owners are removed") {
    const TemporaryDirectory workspace;
    const auto dead = left_behind(workspace, "tr_session_dead");
    remove_leftovers(workspace.path());
    CHECK(!std::filesystem::exists(dead));
}

TEST("what is owned, is not ours or was made just now stays") {
    const TemporaryDirectory workspace;
    const SessionDirectory owned(from_path(workspace / "tr_session_owned"));
    std::ofstream(workspace / "tr_session_owned" / "file") << "text";
    std::filesystem::create_directory(workspace / "tr_session_unlocked");
    left_behind(workspace, "another");
    std::ofstream(left_behind(workspace, "tr_session_new") / "session.lock", std::ios::trunc).close();
    remove_leftovers(workspace.path());
    CHECK(std::filesystem::exists(workspace / "tr_session_owned" / "file"));
    for (const char* name : {"tr_session_unlocked", "another", "tr_session_new"}) {
        CHECK(std::filesystem::exists(workspace / name));
    }
    remove_leftovers(from_path(workspace / "missing"));
}

#if !defined(_WIN32)
TEST("a claim for which there are too few descriptors leaves nothing behind") {
    const TemporaryDirectory workspace;
    const std::string path = from_path(workspace / "tr_session_new");
    const int first_free = ::dup(0);
    ::close(first_free);
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    int refused = 0;
    for (rlim_t left = 0;; ++left) {
        const rlimit few{static_cast<rlim_t>(first_free) + left, before.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &few);
        bool is_made = true;
        try {
            const SessionDirectory directory(path);
        } catch (const LaunchError& error) {
            is_made = error.code() != "launch_failed";
        } catch (const std::system_error&) {
            is_made = false;
        }
        ::setrlimit(RLIMIT_NOFILE, &before);
        CHECK(!std::filesystem::exists(path));
        if (is_made) break;
        ++refused;
    }
    CHECK(refused > 3);  // for want of the parent, the folder, the lock, and its place above the standard streams
}

TEST("links are not followed") {
    const TemporaryDirectory workspace;
    const TemporaryDirectory elsewhere;
    const auto target = left_behind(elsewhere, "target");
    std::filesystem::create_directory_symlink(target, workspace / "tr_session_link");
    std::filesystem::create_directory_symlink(target, left_behind(workspace, "tr_session_dead") / "link");
    const auto linked_lock = left_behind(workspace, "tr_session_lock");
    std::filesystem::remove(linked_lock / "session.lock");
    std::filesystem::create_symlink(target / "session.lock", linked_lock / "session.lock");
    remove_leftovers(workspace.path());
    CHECK(!std::filesystem::exists(workspace / "tr_session_dead"));
    CHECK(std::filesystem::exists(linked_lock));
    CHECK(std::filesystem::exists(target / "folder" / "file"));
}
#endif

TEST("a lock that has named nobody for a minute is left over") {
    const TemporaryDirectory workspace;
    const auto old = left_behind(workspace, "tr_session_old");
    std::ofstream(old / "session.lock", std::ios::trunc).close();
    std::filesystem::last_write_time(old / "session.lock",
                                     std::filesystem::file_time_type::clock::now() - std::chrono::seconds(61));
    remove_leftovers(workspace.path());
    CHECK(!std::filesystem::exists(old));
}

#if !defined(_WIN32)
TEST("a directory that is swapped by a link during a sweep costs the link's target nothing") {
    const TemporaryDirectory workspace;
    const TemporaryDirectory elsewhere;
    const auto target = left_behind(elsewhere, "target");
    const auto link = elsewhere / "link";
    std::filesystem::create_directory_symlink(target, link);
    std::atomic<bool> done{false};
    std::thread swapper([&] {
        const auto name = workspace / "tr_session_x";
        while (!done) {
            std::error_code ignored;
            std::filesystem::rename(name, workspace / "aside", ignored);
            std::filesystem::rename(link, name, ignored);
            std::filesystem::rename(name, link, ignored);
            std::filesystem::rename(workspace / "aside", name, ignored);
        }
    });
    for (int i = 0; i < 300; ++i) {
        std::error_code ignored;
        std::filesystem::create_directories(workspace / "aside" / "folder", ignored);
        std::ofstream(workspace / "aside" / "folder" / "file") << "text";
        std::ofstream(workspace / "aside" / "session.lock") << "4194304";
        for (int j = 0; j < 10; ++j) remove_leftovers(workspace.path());
    }
    done = true;
    swapper.join();
    CHECK(std::filesystem::exists(target / "folder" / "file"));
    CHECK(std::filesystem::exists(target / "session.lock"));
}
#endif

TEST("who claims a directory waits for one that removes it, not for one that owns it") {
    const TemporaryDirectory workspace;
    const auto dead = left_behind(workspace, "tr_session_dead");
    auto sweeper = tr::detail::LockFile::take_over(OpenFolder(dead), "session.lock");
    CHECK(sweeper.has_value());
    CHECK_THROWS(LaunchError, "session_in_use", SessionDirectory(from_path(dead)));
    sweeper.reset();
    const SessionDirectory claimed(from_path(dead));
    CHECK(!std::filesystem::exists(dead / "folder"));
}
