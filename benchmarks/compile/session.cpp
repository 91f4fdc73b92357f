// A program of a few lines that uses a session and a tensor, to be compiled and timed.
#include <tech_renaissance.h>

int main() {
    tr::PythonSession session("worker.py");
    session.start();
    session.send_tensor(session.empty(tr::Shape(2, 3), tr::DType::FP32), "x");
    std::cout << session.fetch_response("hello") << session.fetch_tensor("double x") << "\n";
}
