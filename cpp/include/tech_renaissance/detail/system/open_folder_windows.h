// Open directories on Windows. While one is held open, nobody can rename it, remove it, or replace it with a link, so
// its path is safe to use.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "tech_renaissance/detail/system/files_windows.h"
#include "tech_renaissance/detail/system/handle_windows.h"
#include "tech_renaissance/detail/system/path.h"
#include "tech_renaissance/detail/system/windows_api.h"

namespace tr::detail {

// Volume and file number: identify a file or directory on this machine.
using FileIdentity = std::array<DWORD, 3>;

inline FileIdentity identity_of(const BY_HANDLE_FILE_INFORMATION& about) {
    return {about.dwVolumeSerialNumber, about.nFileIndexHigh, about.nFileIndexLow};
}

// The identity of what is at this path now (a link's own, if it is one); nullopt if nothing is.
inline std::optional<FileIdentity> identity_at(const std::filesystem::path& path) {
    constexpr DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    constexpr DWORD flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    const Handle file(CreateFileW(path.c_str(), FILE_READ_ATTRIBUTES, share, nullptr, OPEN_EXISTING, flags, nullptr));
    BY_HANDLE_FILE_INFORMATION about{};
    if (file && GetFileInformationByHandle(file.get(), &about)) return identity_of(about);
    if (!is_nothing_there(GetLastError())) throw_file_error(GetLastError(), "look at", path);
    return std::nullopt;
}

// Whether this path still names what has the identity. `is_held`: its owner holds it and its folder open, so it can go,
// but nothing can take its place.
inline bool is_unmoved(const std::filesystem::path& path, const FileIdentity& identity, bool is_held) {
    if (!is_held) return identity_at(path) == identity;
    // Without opening it, which is slow; and under wine a file that is locked stays open then until it is unlocked.
    return GetFileAttributesW(path.c_str()) != INVALID_FILE_ATTRIBUTES || !is_nothing_there(GetLastError());
}

// Makes a folder; false if something is already at this path.
inline bool make_private_folder(const std::filesystem::path& path) {
    if (CreateDirectoryW(path.c_str(), nullptr)) return true;
    if (GetLastError() != ERROR_ALREADY_EXISTS) throw_file_error(GetLastError(), "make", path);
    return false;
}

// The operations that depend on the platform.
class OpenFolderBase {
public:
    // Opens a directory by its path.
    explicit OpenFolderBase(const std::filesystem::path& path)
        : path_(with_room(path, any_name_length)), folder_(opened(path_, 0)) {}
    // Opens a directory by its name in another folder, without following a link.
    OpenFolderBase(const OpenFolderBase& parent, const std::string& name)
        : path_(parent.path_ / to_path(name)), folder_(opened(path_, FILE_FLAG_OPEN_REPARSE_POINT)) {}

    // In extended form, in which everything in it can be reached, whatever its name.
    const std::filesystem::path& path() const noexcept { return path_; }
    FileIdentity identity() const { return identity_of(information(folder_, path_)); }

    // Inherited access control lists decide who may write in it.
    bool is_ours() const { return true; }
    std::string distrust() const { return ""; }
    void make_private() const {}

    // Does nothing: nothing on Windows removes files by age.
    void hold_off_cleaners() const noexcept {}

    // Makes a folder in it; false if something already has this name.
    bool make_folder(const std::string& name) const { return make_private_folder(path_ / to_path(name)); }

    // The names of everything in it. MinGW's std::filesystem lists no folder whose path is longer than 260 characters.
    std::vector<std::string> names() const {
        WIN32_FIND_DATAW found{};
        const std::unique_ptr<void, BOOL(WINAPI*)(HANDLE)> search(FindFirstFileW((path_ / L"*").c_str(), &found),
                                                                  FindClose);
        if (search.get() == INVALID_HANDLE_VALUE) throw_file_error(GetLastError(), "look through", path_);
        std::vector<std::string> names;
        do {
            const std::string name = to_utf8(found.cFileName);
            if (name != "." && name != "..") names.push_back(name);
        } while (FindNextFileW(search.get(), &found));
        if (GetLastError() != ERROR_NO_MORE_FILES) throw_file_error(GetLastError(), "look through", path_);
        return names;
    }

    // The identity of what has this name in it now; nullopt if nothing has.
    std::optional<FileIdentity> identity_at(const std::string& name) const {
        return detail::identity_at(path_ / to_path(name));
    }

    // Whether this name in it belongs to a folder, not to a link or junction to one.
    bool is_folder(const std::string& name) const { return is_plain_folder(attributes(name)); }

    // Removes a file or a link of any kind, if it exists.
    void remove_file(const std::string& name) const {
        if ((attributes(name) & FILE_ATTRIBUTE_DIRECTORY) != 0) return remove_empty_folder(name);
        detail::remove_file(path_ / to_path(name));
    }
    void remove_empty_folder(const std::string& name) const {
        const std::filesystem::path path = path_ / to_path(name);
        if (patiently([&] { return RemoveDirectoryW(path.c_str()) != 0; })) return;
        if (!is_nothing_there(GetLastError())) throw_file_error(GetLastError(), "remove", path);
    }

private:
    // Does not share deletion, which includes renaming. This only takes effect because it reads more than attributes.
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

    // 0 if nothing has the name.
    DWORD attributes(const std::string& name) const {
        const DWORD found = GetFileAttributesW((path_ / to_path(name)).c_str());
        return found == INVALID_FILE_ATTRIBUTES ? 0 : found;
    }

    std::filesystem::path path_;
    Handle folder_;
};

}  // namespace tr::detail
