# Every header compiles alone, and twice.

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
