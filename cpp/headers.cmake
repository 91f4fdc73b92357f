# Every header compiles alone, and twice; those of the surface in both forms of the library. A program may include them in many files.
#
# What compiles behind a header that it includes itself compiles alone, too. So a file may include many headers, each of
# which includes the one before it, and a hundred headers take a third of the files. Only headers that include each other
# stand first in a file of their own: which of them comes first makes a difference.

file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}/include" include/*.h)
# A header of another platform is named after it; what is about shared memory is for those that have it.
if(WIN32)
    list(FILTER headers EXCLUDE REGEX "[_/](posix|linux|kqueue)[_.]")
elseif(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    list(FILTER headers EXCLUDE REGEX "[_/](windows|kqueue)[_.]")
else()
    list(FILTER headers EXCLUDE REGEX "[_/](windows|linux)[_.]|/transport/(shm/|fallback)")
endif()

foreach(header IN LISTS headers)
    file(STRINGS "include/${header}" lines REGEX "^ *# *include \"")
    string(REGEX MATCHALL "\"[^\"]+\"" includes "${lines}")
    string(REPLACE "\"" "" includes "${includes}")
    list(FILTER includes EXCLUDE REGEX "_unknown[.]") # what stands in for that of a platform, and never beside it
    set("includes_${header}" "${includes}")
endforeach()

# All of `among` that a header includes through them, itself only if they include it.
function(tr_all_includes header among result)
    set(all)
    set(left ${includes_${header}})
    while(left)
        list(POP_BACK left next)
        if(next IN_LIST among AND NOT next IN_LIST all)
            list(APPEND all "${next}")
            list(APPEND left ${includes_${next}})
        endif()
    endwhile()
    set(${result} ${all} PARENT_SCOPE)
endfunction()

# Files that include these headers as said above, each named by its last header.
function(tr_headers_alone prefix headers result)
    set(by_number)
    foreach(header IN LISTS headers)
        tr_all_includes("${header}" "${headers}" "all_${header}")
        list(LENGTH "all_${header}" number)
        math(EXPR number "1000 + ${number}")
        list(APPEND by_number "${number} ${header}")
    endforeach()
    list(SORT by_number)
    set(last_ones)
    foreach(numbered IN LISTS by_number)
        string(SUBSTRING "${numbered}" 5 -1 header)
        set(before)
        if(NOT header IN_LIST "all_${header}")
            foreach(last IN LISTS last_ones)
                if(last IN_LIST "all_${header}")
                    set(before "${last}")
                endif()
            endforeach()
        endif()
        list(REMOVE_ITEM last_ones "${before}")
        list(APPEND last_ones "${header}")
        set("text_${header}" "${text_${before}}#include \"${header}\"\n")
    endforeach()
    set(files)
    foreach(last IN LISTS last_ones)
        string(MAKE_C_IDENTIFIER "${prefix}_${last}" name)
        set(file "${CMAKE_CURRENT_BINARY_DIR}/headers/${name}.cpp")
        file(GENERATE OUTPUT "${file}" CONTENT "${text_${last}}${text_${last}}")
        list(APPEND files "${file}")
    endforeach()
    set(${result} ${files} PARENT_SCOPE)
endfunction()

tr_headers_alone(alone "${headers}" alone)
# What the surface includes besides depends on the form, its own headers do not.
set(surface ${headers})
list(FILTER surface EXCLUDE REGEX "/detail/")
tr_headers_alone(surface "${surface}" surface_alone)

# A program, because all of them in many files can be linked, too.
file(GENERATE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/headers/main.cpp" CONTENT "int main() {}\n")
add_executable(headers_alone ${alone} "${CMAKE_CURRENT_BINARY_DIR}/headers/main.cpp")
target_link_libraries(headers_alone PRIVATE tech_renaissance::header_only)
tr_configure(headers_alone)
add_library(surface_alone OBJECT ${surface_alone})
target_link_libraries(surface_alone PRIVATE tech_renaissance::tech_renaissance)
tr_configure(surface_alone)
# That they compile is the point, and the optimiser takes time.
if(NOT MSVC)
    target_compile_options(headers_alone PRIVATE -O0)
    target_compile_options(surface_alone PRIVATE -O0)
endif()
