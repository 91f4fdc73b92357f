# A program may include everything in two translation units, without the library.

set(umbrella "#include \"tech_renaissance.h\"\n")
set(pair "${CMAKE_CURRENT_BINARY_DIR}/headers")
file(GENERATE OUTPUT "${pair}/odr_main.cpp" CONTENT "${umbrella}int other();\nint main() { return other(); }\n")
file(GENERATE OUTPUT "${pair}/odr_other.cpp" CONTENT "${umbrella}int other();\nint other() { return 0; }\n")
add_executable(odr_pair "${pair}/odr_main.cpp" "${pair}/odr_other.cpp")
target_link_libraries(odr_pair PRIVATE tech_renaissance::header_only)
tr_configure(odr_pair)
# That they link is the point, and the optimiser takes time.
if(NOT MSVC)
    target_compile_options(odr_pair PRIVATE -O0)
endif()
