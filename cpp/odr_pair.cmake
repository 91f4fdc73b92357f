# A program may include everything in two translation units.

set(umbrella "#include \"tech_renaissance.h\"\n")
set(pair "${CMAKE_CURRENT_BINARY_DIR}/headers")
file(GENERATE OUTPUT "${pair}/odr_main.cpp" CONTENT "${umbrella}int other();\nint main() { return other(); }\n")
file(GENERATE OUTPUT "${pair}/odr_other.cpp" CONTENT "${umbrella}int other();\nint other() { return 0; }\n")
add_executable(odr_pair "${pair}/odr_main.cpp" "${pair}/odr_other.cpp")
tr_configure(odr_pair)
