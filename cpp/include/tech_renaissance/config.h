// What this build of the headers contains, and in which of two forms.
//
// TR_BUILD_PYTHON_SESSION is defined when PythonSession is part of "tech_renaissance.h". The CMake target defines it
// for the whole program according to the option of that name; without CMake it is defined here, so that including any
// header of the project is enough, unless TR_NO_PYTHON_SESSION says that the session shall stay out.
//
// TR_COMPILED is defined where the library is compiled once, from cpp/src, and linked: by the CMake target, for itself
// and its users. The headers of the surface then only declare; what they declare is defined in detail/surface. Without
// it they include those definitions, and the headers are all there is. The classes are the same in both forms.
#pragma once

#if !defined(TR_BUILD_PYTHON_SESSION) && !defined(TR_NO_PYTHON_SESSION)
#define TR_BUILD_PYTHON_SESSION 1
#endif

// Before each definition in detail/surface.
#ifdef TR_COMPILED
#define TR_INLINE
#else
#define TR_INLINE inline
#endif
