# find_package(tech_renaissance) defines two targets; a program links one of them:
#
#   tech_renaissance::tech_renaissance  a static library, compiled once, by the project that links it and with its flags
#   tech_renaissance::header_only       the headers alone: every file that includes them compiles them
#
# This file serves a checkout, a Python wheel and an installed prefix alike. Nothing is decided when the files
# are installed, so every consumer may set TR_BUILD_PYTHON_SESSION for itself.

option(TR_BUILD_PYTHON_SESSION "PythonSession is part of tech_renaissance.h" ON)

include(CMakeFindDependencyMacro)
find_dependency(Threads)

if(NOT TARGET tech_renaissance::tech_renaissance)
    # include/ and src/ stand beside this folder in a checkout and in a wheel; a prefix has src/ in this folder, which
    # is share/cmake/tech_renaissance.
    get_filename_component(_tr_include "${CMAKE_CURRENT_LIST_DIR}/../include" ABSOLUTE)
    get_filename_component(_tr_source "${CMAKE_CURRENT_LIST_DIR}/../src" ABSOLUTE)
    if(NOT EXISTS "${_tr_include}/tech_renaissance.h")
        get_filename_component(_tr_include "${CMAKE_CURRENT_LIST_DIR}/../../../include" ABSOLUTE)
        set(_tr_source "${CMAKE_CURRENT_LIST_DIR}/src")
    endif()
    if(TR_BUILD_PYTHON_SESSION)
        set(_tr_definition TR_BUILD_PYTHON_SESSION)
    else()
        set(_tr_definition TR_NO_PYTHON_SESSION)
    endif()

    add_library(tech_renaissance::header_only INTERFACE IMPORTED GLOBAL)
    target_include_directories(tech_renaissance::header_only INTERFACE "${_tr_include}")
    target_compile_features(tech_renaissance::header_only INTERFACE cxx_std_17)
    target_compile_definitions(tech_renaissance::header_only INTERFACE ${_tr_definition})
    target_link_libraries(tech_renaissance::header_only INTERFACE Threads::Threads)

    add_library(
        tech_renaissance STATIC EXCLUDE_FROM_ALL "${_tr_source}/python_session.cpp" "${_tr_source}/tensor.cpp"
        "${_tr_source}/values.cpp"
    )
    add_library(tech_renaissance::tech_renaissance ALIAS tech_renaissance)
    target_link_libraries(tech_renaissance PUBLIC tech_renaissance::header_only)
    target_compile_definitions(tech_renaissance PUBLIC TR_COMPILED)
    # It may become part of a shared library.
    set_target_properties(tech_renaissance PROPERTIES POSITION_INDEPENDENT_CODE ON)

    unset(_tr_include)
    unset(_tr_source)
    unset(_tr_definition)
endif()
