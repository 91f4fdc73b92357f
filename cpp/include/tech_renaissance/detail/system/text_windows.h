// Converts between UTF-8, which this library uses, and UTF-16, which Windows uses.
#pragma once

#include <string>
#include <string_view>

#include "tech_renaissance/detail/system/windows_api.h"

namespace tr::detail {

// Bytes that are not UTF-8 become U+FFFD.
inline std::wstring to_utf16(std::string_view utf8) {
    const int length = static_cast<int>(utf8.size());
    std::wstring text(static_cast<std::size_t>(::MultiByteToWideChar(CP_UTF8, 0, utf8.data(), length, nullptr, 0)),
                      L'\0');
    ::MultiByteToWideChar(CP_UTF8, 0, utf8.data(), length, text.data(), static_cast<int>(text.size()));
    return text;
}

// Lone surrogates become U+FFFD.
inline std::string to_utf8(std::wstring_view utf16) {
    const int length = static_cast<int>(utf16.size());
    const int nbytes = ::WideCharToMultiByte(CP_UTF8, 0, utf16.data(), length, nullptr, 0, nullptr, nullptr);
    std::string text(static_cast<std::size_t>(nbytes), '\0');
    ::WideCharToMultiByte(CP_UTF8, 0, utf16.data(), length, text.data(), nbytes, nullptr, nullptr);
    return text;
}

}  // namespace tr::detail
