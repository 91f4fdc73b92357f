# A CMake toolchain: programs for TR_TARGET, as in "aarch64-macos" or "arm-linux-musleabihf". TR_ZIG is the program of PyPI's ziglang: a clang
# with the C++ library and the system's headers for each of them.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TR_TARGET TR_ZIG)
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR "${TR_TARGET}")
if(TR_TARGET MATCHES "-macos")
    set(CMAKE_SYSTEM_NAME Darwin)
    set(CMAKE_INSTALL_NAME_TOOL false)  # nothing is installed
    set(CMAKE_OSX_SYSROOT "")
elseif(TR_TARGET MATCHES "-windows")
    set(CMAKE_SYSTEM_NAME Windows)
else()
    set(CMAKE_SYSTEM_NAME Linux)
endif()
set(CMAKE_CXX_COMPILER "${TR_ZIG}" c++ -target "${TR_TARGET}")
set(CMAKE_CXX_ARCHIVE_CREATE "\"${TR_ZIG}\" ar qc <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "")
