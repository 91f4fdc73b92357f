// Waiting for a directory to change, and the schedule of re-checks.
#include "tech_renaissance/detail/transport/file/watch.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "check.h"
#include "tech_renaissance/detail/transport/file/backoff.h"
#include "temporary_directory.h"

using namespace std::chrono_literals;
using tr::detail::Backoff;
using tr::detail::DirectoryWatch;
using tr::detail::Event;
using tr::detail::WatchEvent;

namespace tr::detail {
static std::ostream& operator<<(std::ostream& out, WatchEvent event) {
    return out << "WatchEvent " << static_cast<int>(event);
}
}  // namespace tr::detail

namespace {

// Long enough that a test which needs it fails by its watchdog, not by luck.
constexpr std::chrono::milliseconds forever = 1h;

void write(const std::filesystem::path& path) { std::ofstream(path) << "text"; }

// False when there is no such file. Tries again while Windows says that somebody is looking at it.
bool move_file(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::error_code error;
    do std::filesystem::rename(from, to, error);
    while (error && error != std::errc::no_such_file_or_directory);
    return !error;
}

}  // namespace

TEST("a file that is written ends the wait") {
    const TemporaryDirectory directory;
    DirectoryWatch watch(directory.path(), true);
    std::thread writer([&] { write(directory / "request.json"); });
    CHECK_EQ(WatchEvent::changed, watch.wait(forever));
    writer.join();
}

TEST("a change between construction and the wait is not missed") {
    const TemporaryDirectory directory;
    DirectoryWatch watch(directory.path(), true);
    write(directory / "request.json");
    CHECK_EQ(WatchEvent::changed, watch.wait(forever));
}

TEST("a change between two waits is not missed") {
    const TemporaryDirectory directory;
    DirectoryWatch watch(directory.path(), true);
    CHECK_EQ(WatchEvent::timed_out, watch.wait(0ms));
    write(directory / "request.json");
    CHECK_EQ(WatchEvent::changed, watch.wait(forever));
}

TEST("a file that is renamed to its name ends the wait") {
    const TemporaryDirectory directory;
    write(directory / "elsewhere");
    DirectoryWatch watch(directory.path(), true);
    std::filesystem::rename(directory / "elsewhere", directory / "response.json");
    CHECK_EQ(WatchEvent::changed, watch.wait(forever));
}

TEST("a file that is removed ends the wait") {
    const TemporaryDirectory directory;
    write(directory / "response.json");
    DirectoryWatch watch(directory.path(), true);
    std::filesystem::remove(directory / "response.json");
    CHECK_EQ(WatchEvent::changed, watch.wait(forever));
}

#if !defined(_WIN32)  // where a directory that is watched cannot be removed
TEST("the removal of the directory ends the wait, and later waits end by time") {
    const TemporaryDirectory parent;
    std::filesystem::create_directory(parent / "session");
    DirectoryWatch watch((parent / "session").string(), true);
    std::filesystem::remove(parent / "session");
    CHECK_EQ(WatchEvent::changed, watch.wait(forever));
    CHECK_EQ(WatchEvent::timed_out, watch.wait(1ms));
}
#endif

TEST("many changes are one event") {
    const TemporaryDirectory directory;
    DirectoryWatch watch(directory.path(), true);
    for (int i = 0; i < 1000; ++i) write(directory / std::to_string(i));
    CHECK_EQ(WatchEvent::changed, watch.wait(forever));
    CHECK_EQ(WatchEvent::timed_out, watch.wait(0ms));
}

TEST("a wait without changes ends when the time has passed, not before") {
    const TemporaryDirectory directory;
    DirectoryWatch watch(directory.path(), true);
    const auto before = std::chrono::steady_clock::now();
    CHECK_EQ(WatchEvent::timed_out, watch.wait(20ms));
    CHECK(std::chrono::steady_clock::now() - before >= 20ms);
    CHECK_EQ(WatchEvent::timed_out, watch.wait(-5ms));
}

TEST("a wait of unlimited length is no overflow") {
    const TemporaryDirectory directory;
    DirectoryWatch watch(directory.path(), false);
    watch.wake();
    CHECK_EQ(WatchEvent::woken, watch.wait(std::chrono::milliseconds::max()));
}

TEST("without notifications a change does not end the wait, time does") {
    const TemporaryDirectory directory;
    DirectoryWatch watch(directory.path(), false);
    CHECK(!watch.notifies());
    write(directory / "request.json");
    CHECK_EQ(WatchEvent::timed_out, watch.wait(1ms));
}

TEST("a directory that cannot be watched is waited for by time") {
    const TemporaryDirectory directory;
    DirectoryWatch watch((directory / "missing").string(), true);
    CHECK(!watch.notifies());
    CHECK_EQ(WatchEvent::timed_out, watch.wait(1ms));
}

TEST("wake ends a wait that is going on") {
    const TemporaryDirectory directory;
    for (const bool notify : {true, false}) {
        DirectoryWatch watch(directory.path(), notify);
        std::thread waker([&] { watch.wake(); });
        CHECK_EQ(WatchEvent::woken, watch.wait(forever));
        waker.join();
        CHECK_EQ(WatchEvent::timed_out, watch.wait(0ms));
    }
}

TEST("the exit handle ends every wait once it is set") {
    const TemporaryDirectory directory;
    Event exit;
    DirectoryWatch watch(directory.path(), true);
    std::thread setter([&] { exit.set(); });
    CHECK_EQ(WatchEvent::exited, watch.wait(forever, exit.handle()));
    CHECK_EQ(WatchEvent::exited, watch.wait(forever, exit.handle()));
    setter.join();
}

TEST("things that happen together are all reported, changes first") {
    const TemporaryDirectory directory;
    Event exit;
    DirectoryWatch watch(directory.path(), true);
    exit.set();
    watch.wake();
    write(directory / "response.json");
    CHECK_EQ(WatchEvent::changed, watch.wait(forever, exit.handle()));
    CHECK_EQ(WatchEvent::woken, watch.wait(forever, exit.handle()));
    CHECK_EQ(WatchEvent::exited, watch.wait(forever, exit.handle()));
}

TEST("a ping-pong of a thousand files loses no change") {
    const TemporaryDirectory directory;
    const auto turn = [&](const char* mine, const char* yours) {
        DirectoryWatch watch(directory.path(), true);
        for (int i = 0; i < 1000; ++i) {
            const std::string claimed = std::string(".claimed.") + mine;
            while (!move_file(directory / mine, directory / claimed)) watch.wait(forever);
            const std::string hidden = std::string(".") + yours;
            write(directory / hidden);
            CHECK(move_file(directory / hidden, directory / yours));
        }
    };
    std::thread other([&] { turn("ping", "pong"); });
    write(directory / "pong");
    turn("pong", "ping");
    other.join();
    CHECK(std::filesystem::exists(directory / "pong"));
}

TEST("an event is set until it is reset") {
    Event event;
    CHECK(!event.is_set());
    for (int i = 0; i < 200; ++i) event.set();
    CHECK(event.is_set());
    CHECK(event.is_set());
    event.reset();
    CHECK(!event.is_set());
}

TEST("a backoff waits eight times each, doubling, up to its maximum, and starts again after activity") {
    Backoff backoff(2ms, 7ms);
    for (int i = 0; i < 8; ++i) CHECK_EQ(2, backoff.next().count());
    for (int i = 0; i < 8; ++i) CHECK_EQ(4, backoff.next().count());
    for (int i = 0; i < 20; ++i) CHECK_EQ(7, backoff.next().count());
    backoff.reset();
    for (int i = 0; i < 8; ++i) CHECK_EQ(2, backoff.next().count());
    CHECK_EQ(4, backoff.next().count());
}

TEST("the default backoff goes from 1 to 1024 ms") {
    Backoff backoff;
    CHECK_EQ(1, backoff.next().count());
    for (int i = 0; i < 8 * 10; ++i) backoff.next();
    CHECK_EQ(1024, backoff.next().count());
}

TEST("a schedule is two numbers of milliseconds, the first not above the second") {
    CHECK_EQ(32, Backoff::parse("32:1024")->next().count());
    CHECK(Backoff::parse("5:5").has_value());
    for (const char* text :
         {"", ":", "32", "32:", ":1024", "0:8", "-1:8", "8:4", "1:2:3", "1:x", " 1:2", "1.5:2", "1:99999999999"}) {
        CHECK(!Backoff::parse(text).has_value());
    }
}
