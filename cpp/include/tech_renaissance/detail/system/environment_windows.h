#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tech_renaissance/detail/base/environment_variables.h"
#include "tech_renaissance/detail/system/text_windows.h"

namespace tr::detail {

inline std::int64_t current_process_id() { return static_cast<std::int64_t>(::GetCurrentProcessId()); }

// Names are in upper case, because Path and PATH are the same variable on Windows. Leaves out its hidden variables
// (=C:).
inline Environment current_environment() {
    const std::unique_ptr<wchar_t, BOOL(WINAPI*)(wchar_t*)> block(::GetEnvironmentStringsW(),
                                                                  &::FreeEnvironmentStringsW);
    Environment environment;
    for (const wchar_t* entry = block.get(); entry != nullptr && *entry != L'\0';) {
        std::wstring text = entry;
        entry += text.size() + 1;
        const std::size_t equals = text.find(L'=');
        if (equals == std::wstring::npos || equals == 0) continue;
        ::CharUpperBuffW(text.data(), static_cast<DWORD>(equals));
        environment.emplace(to_utf8(text.substr(0, equals)), to_utf8(text.substr(equals + 1)));
    }
    return environment;
}

}  // namespace tr::detail
