// Windows passes a program a single string, and the program's runtime splits it into arguments. This is the reverse.
#pragma once

#include <string>
#include <vector>

namespace tr::detail {

// Quotes an argument if it would not arrive unchanged. Backslashes are special only before a quotation mark, where they
// must be doubled.
inline std::wstring quote_argument(const std::wstring& argument) {
    if (!argument.empty() && argument.find_first_of(L" \t\n\v\"") == std::wstring::npos) return argument;
    std::wstring quoted = L"\"";
    std::size_t backslashes = 0;
    for (const wchar_t character : argument) {
        if (character == L'"') quoted.append(backslashes + 1, L'\\');
        backslashes = character == L'\\' ? backslashes + 1 : 0;
        quoted += character;
    }
    return quoted.append(backslashes, L'\\') + L'"';
}

inline std::wstring command_line(const std::vector<std::wstring>& arguments) {
    std::wstring line;
    for (const std::wstring& argument : arguments) line += (line.empty() ? L"" : L" ") + quote_argument(argument);
    return line;
}

}  // namespace tr::detail
