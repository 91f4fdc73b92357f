// A user's program: it tests the macro before it includes anything, as the conditional compilation of the docs does.
#ifdef TR_BUILD_PYTHON_SESSION
#include "tech_renaissance/utils/python_session.h"
#define MACRO_FIRST "on"
#else
#define MACRO_FIRST "off"
#endif

#include "tech_renaissance.h"
using namespace tr;

int main() {
    Tensor tensor = Tensor::full(Shape(4, 3), 1.5f, DType::FP32, tr::CPU);
    std::cout << "shape=" << tensor.shape().to_string() << " macro=" << MACRO_FIRST << " session=";
#ifdef TR_BUILD_PYTHON_SESSION
    PythonSession session("default", "consumer");
    std::cout << session.session_id() << std::endl;
#else
    std::cout << "none" << std::endl;
#endif
    return 0;
}
