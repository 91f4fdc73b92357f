// Every failure is one typed error with a stable code. Run it from the top of the checkout.
#include "tech_renaissance.h"
using namespace tr;

// Prints the code and the first line of what an action throws, if that is of the type Error.
template <class Error, class Action>
void show(const std::string& type, Action action) {
    try {
        action();
    } catch (const Error& error) {
        const std::string text = error.what();
        std::cout << type << " " << error.code() << ": " << text.substr(0, text.find('\n')) << "\n";
    }
}

int main() {
    show<LocalProtocolError>("LocalProtocolError", [] { PythonSession("default", "../escape"); });
    show<LaunchError>("LaunchError", [] { PythonSession("missing_worker.py", "errors").start(); });
    show<FormatError>("FormatError", [] { Tensor::load("examples/workers/fragile_worker.py"); });

    PythonSession session("examples/workers/fragile_worker.py", "errors", true);
    show<SessionClosed>("SessionClosed", [&] { session.call("double", 1); });
    session.start();
    show<LocalProtocolError>("LocalProtocolError", [&] { session.send_tensor(Tensor::zeros(Shape(3)), "result_0"); });
    show<LocalProtocolError>("LocalProtocolError", [&] { session.call("double", std::string("\xff")); });
    show<CommandError>("CommandError", [&] { session.call("double", "two"); });
    show<CommandError>("CommandError", [&] { session.call("doubel", Tensor::zeros(Shape(3))); });
    show<CommandError>("CommandError", [&] { session.call("raise", "you"); });
    show<TimedOut>("TimedOut", [&] { session.call("hang", CallOptions{std::chrono::milliseconds(200)}); });

    session.terminate();
    session.start();
    show<WorkerLost>("WorkerLost", [&] { session.call("crash"); });
    return 0;
}
