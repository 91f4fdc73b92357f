// What the headers need of the compiler, what this build of them contains, and in which of two forms.
//
// TR_BUILD_PYTHON_SESSION is defined when PythonSession is part of "tech_renaissance.h". The CMake target defines it
// for the whole program according to the option of that name; without CMake it is defined here, so that including any
// header of the project is enough, unless TR_NO_PYTHON_SESSION says that the session shall stay out.
//
// TR_COMPILED is defined where the library is compiled once, from cpp/src, and linked: by the CMake target, for itself
// and its users. The headers of the surface then only declare; what they declare is defined in detail/surface. Without
// it they include those definitions, and the headers are all there is. The classes are the same in both forms.
#pragma once

// MSVC leaves __cplusplus at C++98 unless /Zc:__cplusplus is given; _MSVC_LANG is what it compiles.
#if (defined(_MSVC_LANG) ? _MSVC_LANG : __cplusplus) < 201703L
#error "tech_renaissance needs C++17: compile with -std=c++17 (MSVC: /std:c++17)"
#define TR_CPP_IS_TOO_OLD 1  // "tech_renaissance.h" adds nothing to that error
#endif

#if !defined(TR_BUILD_PYTHON_SESSION) && !defined(TR_NO_PYTHON_SESSION)
#define TR_BUILD_PYTHON_SESSION 1
#endif

// Before each definition in detail/surface.
#ifdef TR_COMPILED
#define TR_INLINE
#else
#define TR_INLINE inline
#endif
