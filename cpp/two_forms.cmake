# A program that links the library may link objects, too, that were made of the headers alone. (Linkers for Windows refuse.)
if(NOT WIN32)
    add_library(header_only_form OBJECT "${tests}/header_only_form.cpp")
    target_link_libraries(header_only_form PRIVATE tech_renaissance::header_only)
    tr_configure(header_only_form)
    # That it links is the point; the sanitizers see the other form.
    target_compile_options(header_only_form PRIVATE -O0 -fno-sanitize=all)
    target_link_libraries(test_two_forms PRIVATE header_only_form)
endif()
