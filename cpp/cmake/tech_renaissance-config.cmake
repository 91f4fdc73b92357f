# find_package(tech_renaissance) -> the target tech_renaissance::tech_renaissance.
#
# The one description of the target, for a checkout, a Python wheel and an installed prefix. Nothing is decided when
# the headers are installed, so every consumer may set TR_BUILD_PYTHON_SESSION for itself.

option(TR_BUILD_PYTHON_SESSION "PythonSession is part of tech_renaissance.h" ON)

include(CMakeFindDependencyMacro)
find_dependency(Threads)

if(NOT TARGET tech_renaissance::tech_renaissance)
    # Beside this folder in a checkout and in a wheel; this folder is share/cmake/tech_renaissance in a prefix.
    get_filename_component(_tr_include "${CMAKE_CURRENT_LIST_DIR}/../include" ABSOLUTE)
    if(NOT EXISTS "${_tr_include}/tech_renaissance.h")
        get_filename_component(_tr_include "${CMAKE_CURRENT_LIST_DIR}/../../../include" ABSOLUTE)
    endif()

    add_library(tech_renaissance::tech_renaissance INTERFACE IMPORTED GLOBAL)
    target_include_directories(tech_renaissance::tech_renaissance INTERFACE "${_tr_include}")
    target_compile_features(tech_renaissance::tech_renaissance INTERFACE cxx_std_17)
    target_link_libraries(tech_renaissance::tech_renaissance INTERFACE Threads::Threads)
    if(TR_BUILD_PYTHON_SESSION)
        target_compile_definitions(tech_renaissance::tech_renaissance INTERFACE TR_BUILD_PYTHON_SESSION)
    else()
        target_compile_definitions(tech_renaissance::tech_renaissance INTERFACE TR_NO_PYTHON_SESSION)
    endif()
    unset(_tr_include)
endif()
