# The unit tests of a layer, tests/cpp/unit/<layer>/, are a program: unit_<layer>. It is compiled as one file, because apart they would make the
# same templates again and again. Those that replace functions of the C library have a program of their own, unit_famine.

# None of them uses a session, which takes the compiler longer than all the rest of the library.
get_target_property(sources tech_renaissance SOURCES)
list(FILTER sources EXCLUDE REGEX "/python_session[.]cpp$")
add_library(without_session STATIC EXCLUDE_FROM_ALL ${sources})
target_link_libraries(without_session PUBLIC tech_renaissance::header_only)
target_compile_definitions(without_session PUBLIC TR_COMPILED)
tr_configure(without_session)

add_custom_target(unit_tests)

function(tr_add_unit_tests layer)
    set(program unit_${layer})
    tr_sources(sources "${tests}/unit/${layer}/test_*.cpp")
    if(TR_SANITIZE STREQUAL "thread")
        list(FILTER sources EXCLUDE REGEX "/surface/test_(alternatives|dynamic_values|values|print)[.]cpp$") # whose tests have one thread
    endif()
    if(NOT sources)
        return()
    endif()
    add_executable(${program} ${sources})
    set_target_properties(${program} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
    target_include_directories(${program} PRIVATE "${tests}")
    target_link_libraries(${program} PRIVATE without_session)
    tr_configure(${program})
    tr_optimise_little(${program})
    if(TR_SANITIZE AND NOT layer MATCHES "protocol|transport|famine|surface") # what reads bytes
        target_compile_options(${program} PRIVATE -fno-sanitize=alignment,null)
    endif()
    add_dependencies(unit_tests ${program})
endfunction()
