# What a header-only library owes its users: every header compiles alone (and twice), and a program may include
# everything in two translation units.

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
foreach(header IN LISTS headers)
    string(MAKE_C_IDENTIFIER "${header}" name)
    file(GENERATE OUTPUT "${generated}/${name}.cpp" CONTENT "#include \"${header}\"\n#include \"${header}\"\n")
    list(APPEND alone "${generated}/${name}.cpp")
endforeach()
add_library(headers_alone OBJECT ${alone})
tr_configure(headers_alone)

set(umbrella "#include \"tech_renaissance.h\"\n")
file(GENERATE OUTPUT "${generated}/odr_main.cpp" CONTENT "${umbrella}int other();\nint main() { return other(); }\n")
file(GENERATE OUTPUT "${generated}/odr_other.cpp" CONTENT "${umbrella}int other();\nint other() { return 0; }\n")
add_executable(odr_pair "${generated}/odr_main.cpp" "${generated}/odr_other.cpp")
tr_configure(odr_pair)
