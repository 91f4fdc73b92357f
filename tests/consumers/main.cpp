// A user's program: it tests the macro before it includes anything, as the conditional compilation of the docs does.
#ifdef TR_BUILD_PYTHON_SESSION
#include "tech_renaissance/utils/python_session.h"
#define MACRO_FIRST "on"
#else
#define MACRO_FIRST "off"
#endif

#include "tech_renaissance.h"
using namespace tr;

#ifdef TR_COMPILED
#define FORM "compiled"
#else
#define FORM "headers"
#endif

Tensor other();

int main() {
    std::cout << "form=" << FORM << " shape=" << other().shape().to_string() << " macro=" << MACRO_FIRST << " session=";
#ifdef TR_BUILD_PYTHON_SESSION
    PythonSession session("default", "consumer");
    std::cout << session.session_id() << std::endl;
#else
    std::cout << "none" << std::endl;
#endif
    return 0;
}
