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
    show<SessionClosed>("SessionClosed", [&] { session.fetch_response("raise"); });
    session.start();
    show<LocalProtocolError>("LocalProtocolError", [&] { session.send_tensor(Tensor::zeros(Shape(3)), "result_0"); });
    show<LocalProtocolError>("LocalProtocolError", [&] { session.wait_for_response(); });
    show<CommandError>("CommandError", [&] { session.fetch_response("raise input_a"); });
    show<CommandError>("CommandError", [&] { session.fetch_response("doubel input_a"); });
    show<CommandError>("CommandError", [&] { session.fetch_tensor("double input_a"); });
    show<TimedOut>("TimedOut", [&] {
        session.send_request("hang");
        session.wait_for_response(200);
    });

    session.terminate();
    session.start();
    show<WorkerLost>("WorkerLost", [&] { session.fetch_response("crash"); });
    return 0;
}
