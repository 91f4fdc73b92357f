// Open directories on Windows: while one is held open, nobody can rename it, remove it, or put a link in its place, so
// its path is safe.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "tech_renaissance/detail/system/files_windows.h"
#include "tech_renaissance/detail/system/handle_windows.h"
#include "tech_renaissance/detail/system/path.h"
#include "tech_renaissance/detail/system/windows_api.h"

namespace tr::detail {

// What tells one file or directory of this machine from all others: its volume, and its number there.
using FileIdentity = std::array<DWORD, 3>;

inline FileIdentity identity_of(const BY_HANDLE_FILE_INFORMATION& about) {
    return {about.dwVolumeSerialNumber, about.nFileIndexHigh, about.nFileIndexLow};
}

// Of what bears this path now, itself if it is a link; none if nothing does.
inline std::optional<FileIdentity> identity_at(const std::filesystem::path& path) {
    constexpr DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    constexpr DWORD flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    const Handle file(CreateFileW(path.c_str(), FILE_READ_ATTRIBUTES, share, nullptr, OPEN_EXISTING, flags, nullptr));
    BY_HANDLE_FILE_INFORMATION about{};
    if (file && GetFileInformationByHandle(file.get(), &about)) return identity_of(about);
    const DWORD error = GetLastError();
    if (error != ERROR_FILE_NOT_FOUND && error != ERROR_PATH_NOT_FOUND) throw_file_error(error, "look at", path);
    return std::nullopt;
}

// Makes a folder, unless something bears this path already.
inline void make_private_folder(const std::filesystem::path& path) {
    if (!CreateDirectoryW(path.c_str(), nullptr) && GetLastError() != ERROR_ALREADY_EXISTS)
        throw_file_error(GetLastError(), "make", path);
}

// The operations that need the platform.
class OpenFolderBase {
public:
    // By its path.
    explicit OpenFolderBase(const std::filesystem::path& path) : path_(path), folder_(opened(path, 0)) {}
    // By its name in another folder; no link is followed.
    OpenFolderBase(const OpenFolderBase& parent, const std::string& name)
        : path_(parent.path_ / to_path(name)), folder_(opened(path_, FILE_FLAG_OPEN_REPARSE_POINT)) {}

    const std::filesystem::path& path() const noexcept { return path_; }
    FileIdentity identity() const { return identity_of(information(folder_, path_)); }

    // Who may write in it is told by access control lists, which are inherited.
    bool is_ours() const { return true; }
    std::string distrust() const { return ""; }
    void make_private() const {}

    // There are none that go by age.
    void hold_off_cleaners() const noexcept {}

    // Makes a folder in it, unless something bears this name already.
    void make_folder(const std::string& name) const { make_private_folder(path_ / to_path(name)); }

    // Of all that is in it.
    std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(path_))
            names.push_back(from_path(entry.path().filename()));
        return names;
    }

    // Of what bears this name in it now; none if nothing does.
    std::optional<FileIdentity> identity_at(const std::string& name) const {
        return detail::identity_at(path_ / to_path(name));
    }

    // Whether this name in it is that of a folder, and not of a link or a junction to one.
    bool is_folder(const std::string& name) const { return is_plain_folder(attributes(name)); }

    // Also a link, of whatever kind. That there is none is no error.
    void remove_file(const std::string& name) const {
        if ((attributes(name) & FILE_ATTRIBUTE_DIRECTORY) != 0) return remove_empty_folder(name);
        detail::remove_file(path_ / to_path(name));
    }
    void remove_empty_folder(const std::string& name) const {
        const std::filesystem::path path = path_ / to_path(name);
        if (patiently([&] { return RemoveDirectoryW(path.c_str()) != 0; })) return;
        if (GetLastError() != ERROR_FILE_NOT_FOUND) throw_file_error(GetLastError(), "remove", path);
    }

private:
    // Deletion is not shared, and renaming is a kind of it. That counts only for who reads more than attributes.
    static Handle opened(const std::filesystem::path& path, DWORD more_flags) {
        constexpr DWORD access = FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES;
        constexpr DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE;
        const DWORD flags = FILE_FLAG_BACKUP_SEMANTICS | more_flags;
        Handle folder(CreateFileW(path.c_str(), access, share, nullptr, OPEN_EXISTING, flags, nullptr));
        if (!folder) throw_file_error(GetLastError(), "open the folder", path);
        if (!is_plain_folder(information(folder, path).dwFileAttributes))
            throw_file_error(ERROR_DIRECTORY, "open the folder", path);
        return folder;
    }

    static bool is_plain_folder(DWORD attributes) {
        return (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0 && (attributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0;
    }

    static BY_HANDLE_FILE_INFORMATION information(const Handle& file, const std::filesystem::path& path) {
        BY_HANDLE_FILE_INFORMATION about{};
        if (!GetFileInformationByHandle(file.get(), &about)) throw_file_error(GetLastError(), "look at", path);
        return about;
    }

    // None if nothing bears the name.
    DWORD attributes(const std::string& name) const {
        const DWORD found = GetFileAttributesW((path_ / to_path(name)).c_str());
        return found == INVALID_FILE_ATTRIBUTES ? 0 : found;
    }

    std::filesystem::path path_;
    Handle folder_;
};

}  // namespace tr::detail
