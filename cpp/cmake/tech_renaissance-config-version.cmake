# The version is written only in _version.py: beside this file in an installed prefix, otherwise in the Python package.
foreach(_tr_place IN ITEMS "." "../.." "../../src/tech_renaissance")
    if(EXISTS "${CMAKE_CURRENT_LIST_DIR}/${_tr_place}/_version.py")
        file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/${_tr_place}/_version.py" _tr_line REGEX "^__version__ = ")
        break()
    endif()
endforeach()
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" PACKAGE_VERSION "${_tr_line}")
string(REGEX MATCH "^[0-9]+\\.[0-9]+" _tr_minor "${PACKAGE_VERSION}")

# Before 1.0 a new minor version may break its users, so only the same minor version satisfies a request.
if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
endif()
if(NOT PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION AND NOT PACKAGE_FIND_VERSION VERSION_LESS _tr_minor)
    set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()

unset(_tr_place)
unset(_tr_line)
unset(_tr_minor)
