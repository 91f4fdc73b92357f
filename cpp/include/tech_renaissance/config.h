// What the headers need from the compiler, what this build contains, and which of the two forms it has.
//
// TR_BUILD_PYTHON_SESSION is defined when PythonSession is part of "tech_renaissance.h". The CMake target defines it
// for the whole program, according to the option of that name. Without CMake it is defined here, so that including any
// header of the project is enough; define TR_NO_PYTHON_SESSION to leave the session out.
//
// TR_COMPILED is defined where the library is compiled once, from cpp/src, and linked: the CMake target defines it for
// itself and its users. The public headers then only declare, and detail/surface holds the definitions. Without it they
// include those definitions, and headers are all a program needs. The classes are the same in both forms.
#pragma once

// MSVC leaves __cplusplus at C++98 unless /Zc:__cplusplus is given; _MSVC_LANG is the real version.
#if (defined(_MSVC_LANG) ? _MSVC_LANG : __cplusplus) < 201703L
#error "tech_renaissance needs C++17: compile with -std=c++17 (MSVC: /std:c++17)"
#define TR_CPP_IS_TOO_OLD 1  // keeps "tech_renaissance.h" from adding more errors
#endif

#if !defined(TR_BUILD_PYTHON_SESSION) && !defined(TR_NO_PYTHON_SESSION)
#define TR_BUILD_PYTHON_SESSION 1
#endif

// Goes before each definition in detail/surface.
#ifdef TR_COMPILED
#define TR_INLINE
#else
#define TR_INLINE inline
#endif
