# Every header compiles alone, and twice; those of the surface in both forms of the library. The longest headers of the standard are
# precompiled in one of them, because reading them anew for each of ours would take most of the time of a build.

file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}/include" include/*.h)
# A header of another platform is named after it.
if(WIN32)
    list(FILTER headers EXCLUDE REGEX "[_/](posix|linux|kqueue)[_.]")
elseif(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    list(FILTER headers EXCLUDE REGEX "[_/](windows|kqueue)[_.]")
else()
    list(FILTER headers EXCLUDE REGEX "[_/](windows|linux)[_.]")
endif()

set(generated "${CMAKE_CURRENT_BINARY_DIR}/headers")
set(alone)
set(surface_alone)
foreach(header IN LISTS headers)
    string(MAKE_C_IDENTIFIER "${header}" name)
    file(GENERATE OUTPUT "${generated}/${name}.cpp" CONTENT "#include \"${header}\"\n#include \"${header}\"\n")
    list(APPEND alone "${generated}/${name}.cpp")
    if(NOT header MATCHES "/detail/")
        list(APPEND surface_alone "${generated}/${name}.cpp")
    endif()
endforeach()
add_library(headers_alone OBJECT ${alone})
target_link_libraries(headers_alone PRIVATE tech_renaissance::header_only)
target_precompile_headers(headers_alone PRIVATE
    <algorithm> <atomic> <chrono> <condition_variable> <filesystem> <functional> <map> <memory> <mutex> <optional> <ostream> <sstream>
    <string> <system_error> <thread> <variant> <vector>)
tr_configure(headers_alone)
add_library(surface_alone OBJECT ${surface_alone})
target_link_libraries(surface_alone PRIVATE tech_renaissance::tech_renaissance)
tr_configure(surface_alone)
