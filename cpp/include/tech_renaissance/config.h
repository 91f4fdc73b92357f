// What this build of the headers contains.
//
// TR_BUILD_PYTHON_SESSION is defined when PythonSession is part of "tech_renaissance.h". The CMake target defines it
// for the whole program according to the option of that name; without CMake it is defined here, so that including any
// header of the project is enough, unless TR_NO_PYTHON_SESSION says that the session shall stay out.
#pragma once

#if !defined(TR_BUILD_PYTHON_SESSION) && !defined(TR_NO_PYTHON_SESSION)
#define TR_BUILD_PYTHON_SESSION 1
#endif
