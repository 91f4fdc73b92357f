// Files that another process may have open.
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>

#include "check.h"
#include "tech_renaissance/detail/system/files.h"
#include "temporary_directory.h"

using tr::detail::most_retries;
using tr::detail::patiently;
using tr::detail::retry_pause_ms;

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

TEST("a folder whose files could have long paths is in extended form, and only then") {
    const std::wstring name(100, L'a');
    const auto form = [](const std::wstring& folder) { return tr::detail::with_room(folder, 170).wstring(); };
    CHECK(form(LR"(C:\short)") == LR"(C:\short)");
    CHECK(form(LR"(C:\)" + name) == LR"(\\?\C:\)" + name);
    CHECK(form(LR"(\\server\)" + name) == LR"(\\?\UNC\server\)" + name);
    CHECK(form(LR"(\\?\C:\)" + name) == LR"(\\?\C:\)" + name);
}
