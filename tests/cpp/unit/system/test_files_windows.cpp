// Files that another process may have open.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <variant>

#include "check.h"
#include "tech_renaissance/detail/system/files.h"
#include "tech_renaissance/detail/system/open_folder.h"
#include "tech_renaissance/detail/transport/file/host.h"
#include "temporary_directory.h"

using tr::detail::most_retries;
using tr::detail::patiently;
using tr::detail::retry_pause_ms;
using namespace std::chrono_literals;

namespace {

// Writes a file, and looks at it until this ends, as somebody does who asks whether it exists.
tr::detail::Handle write_and_look(const std::filesystem::path& path, const std::string& text) {
    std::ofstream(path) << text;
    constexpr DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    return tr::detail::Handle(
        CreateFileW(path.c_str(), FILE_READ_ATTRIBUTES, share, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr));
}

}  // namespace

TEST("retries are quick at first, and take a second in all") {
    CHECK_EQ(0, retry_pause_ms(0));
    CHECK_EQ(0, retry_pause_ms(19));
    CHECK_EQ(1, retry_pause_ms(20));
    DWORD all_ms = 0;
    for (int retry = 0; retry < most_retries; ++retry) all_ms += retry_pause_ms(retry);
    CHECK(all_ms >= 1000 && all_ms < 1100);
}

TEST("what another process is in the way of is tried again, other failures are not") {
    const auto tries_with = [](DWORD error, int failures) {
        int tries = 0;
        patiently([&] {
            SetLastError(error);
            return tries++ == failures;
        });
        return tries;
    };
    for (const long error : {ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION})
        CHECK_EQ(4, tries_with(static_cast<DWORD>(error), 3));
    CHECK_EQ(1, tries_with(ERROR_FILE_NOT_FOUND, 3));
    CHECK_EQ(most_retries + 1, tries_with(ERROR_SHARING_VIOLATION, 1000));
}

TEST("a file is replaced as soon as its reader has closed it") {
    const TemporaryDirectory directory;
    std::ofstream(directory / "old") << "old";
    std::ofstream(directory / "new") << "new";
    tr::detail::Handle reader(CreateFileW((directory / "old").c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr,
                                          OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr));
    int tries = 0;
    CHECK(patiently([&] {
        if (++tries == 3) reader.close();
        return MoveFileExW((directory / "new").c_str(), (directory / "old").c_str(), MOVEFILE_REPLACE_EXISTING) != 0;
    }));
    CHECK_EQ(3, tries);
}

TEST("what is removed is gone at once, though others look at it") {
    const TemporaryDirectory directory;
    const auto path = directory / "file";
    const auto one = write_and_look(path, "one");
    tr::detail::remove_file(path);
    CHECK(!tr::detail::read_file(path).has_value());
    const auto two = write_and_look(path, "two");
    tr::detail::remove_anything(path);
    CHECK(!tr::detail::read_file(path).has_value());
    const auto three = write_and_look(path, "three");
    tr::detail::OpenFolder(directory.path()).empty();
    CHECK(RemoveDirectoryW(std::filesystem::path(directory.path()).c_str()));
    tr::detail::remove_file(path);
}

TEST("a file that its reader does not let others remove is removed once it is closed") {
    const TemporaryDirectory directory;
    std::ofstream(directory / "file") << "text";
    tr::detail::Handle reader(CreateFileW((directory / "file").c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr,
                                          OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr));
    int tries = 0;
    CHECK(patiently([&] {
        if (++tries == 3) reader.close();
        return tr::detail::unlink_file(directory / "file");
    }));
    CHECK_EQ(3, tries);
    CHECK(!std::filesystem::exists(directory / "file"));
}

TEST("a response and an ask are read once, though the worker looks at their files") {
    const TemporaryDirectory directory;
    tr::detail::FileHost host(directory.path(), "");
    host.prepare();
    std::ofstream(directory / "status.txt") << "ready";
    CHECK(std::holds_alternative<tr::detail::Ready>(*host.receive(1s)));
    const auto ask = write_and_look(directory / "ask.json", R"({"id": 1, "command": "f", "parameters": ""})");
    CHECK(std::holds_alternative<tr::detail::Ask>(*host.receive(1s)));
    CHECK(!host.receive(0ms).has_value());
    const auto response = write_and_look(directory / "response.json", R"({"command": "a", "result": "b", "id": 1})");
    CHECK(std::holds_alternative<tr::detail::Reply>(*host.receive(1s)));
    CHECK(!host.receive(0ms).has_value());
}

TEST("a folder in place of a file is refused for what it is") {
    const TemporaryDirectory directory;
    std::filesystem::create_directory(directory / "folder");
    bool is_refused = false;
    try {
        tr::detail::InputFile(directory / "folder");
    } catch (const tr::detail::RefusedFile& error) {
        is_refused = std::string(error.what()).find("not a regular file") != std::string::npos;
    }
    CHECK(is_refused);
}

TEST("what others put into a folder is removed, however long its paths are") {
    const TemporaryDirectory directory;
    const std::string name(200, 'a');
    const auto fill = [&] {
        std::filesystem::path inner = tr::detail::with_room(directory.path(), 1000);
        for (int depth = 0; depth < 3; ++depth) CreateDirectoryW((inner /= tr::detail::to_path(name)).c_str(), nullptr);
        tr::detail::NewFile(inner / tr::detail::to_path(name)).close();
    };
    fill();
    tr::detail::remove_anything(directory / name);
    CHECK(!std::filesystem::exists(directory / name));
    fill();
    tr::detail::OpenFolder(directory.path()).empty();
    CHECK(!std::filesystem::exists(directory / name));
}

TEST("a message has no path in extended form") {
    CHECK_EQ(R"(C:\folder)", tr::detail::shown_path(LR"(\\?\C:\folder)"));
    CHECK_EQ(R"(\\server\share)", tr::detail::shown_path(LR"(\\?\UNC\server\share)"));
    CHECK_EQ(R"(C:\folder)", tr::detail::shown_path(LR"(C:\folder)"));
    std::string told;
    try {
        tr::detail::OpenFolder(LR"(\\?\C:\none\of these)");
    } catch (const std::system_error& error) {
        told = error.what();
    }
    CHECK(told.find(R"( C:\none\of these)") != std::string::npos);
}

TEST("a folder whose files could have long paths is in extended form, and only then") {
    const std::wstring name(100, L'a');
    const auto form = [](const std::wstring& folder) { return tr::detail::with_room(folder, 170).wstring(); };
    CHECK(form(LR"(C:\short)") == LR"(C:\short)");
    CHECK(form(LR"(C:\)" + name) == LR"(\\?\C:\)" + name);
    CHECK(form(LR"(\\server\)" + name) == LR"(\\?\UNC\server\)" + name);
    CHECK(form(LR"(\\?\C:\)" + name) == LR"(\\?\C:\)" + name);
}
