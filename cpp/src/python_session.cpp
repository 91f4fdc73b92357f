// PythonSession, compiled once: TR_COMPILED in tech_renaissance/config.h.
#include "tech_renaissance/config.h"

#ifdef TR_BUILD_PYTHON_SESSION
#include "tech_renaissance/detail/surface/python_session.h"
#endif
