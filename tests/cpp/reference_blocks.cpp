// The C++ blocks of the reference text that are no whole programs, each in a function that has what the block takes for
// granted. They are compiled as they stand. Then what people who know the reference system write besides.
// usage: reference_blocks WORKER_SCRIPT
#include "tech_renaissance.h"
using namespace tr;

#include "conditional.cpp.block"

static int script_exists(const std::string& script_path) {
#include "script_exists.cpp.block"
    return 0;
}

static int patience(PythonSession& session) {
#include "patience.cpp.block"
    return 0;
}

static Tensor asynchronous(PythonSession& session) {
#include "async.cpp.block"
    return result;
}

static void batch(PythonSession& session, const Tensor& a, const Tensor& b, const Tensor& c) {
#include "batch.cpp.block"
}

static void recovery(PythonSession& session, Tensor& result) {
#include "recovery.cpp.block"
}

// A fraction is no timeout, and a timeout comes last.
static_assert(detail::can_calculate<Tensor, int>() && !detail::can_calculate<Tensor, double>());
static_assert(!detail::can_calculate<int, Tensor>() && !detail::can_calculate<bool>());

static float calculations(const PythonSession& session) {
    const Tensor one = Tensor::ones(Shape(2, 2));
    session.send_tensor(one, "a");
    session.send_tensor(one, "b");
    session.send_tensor(one, "c");
    if (session.fetch_tensor(R"({"cmd": "batch_process", "params": "a,b,c"})", 5000) !=
        session.calculate("batch_process", one, one, one))
        return 0;
    Tensor sum = session.calculate("batch_process", one, one, one, 5000);
    sum = session.calculate("batch_process", one, one, sum, CallOptions{std::chrono::seconds(5)});
    return session.calculate("data", 10000).item<float>() + sum.to_vector<float>()[0];
}

static std::string own_error() {
    try {
        throw TRException("Python session failed to start");
    } catch (const TRException& e) {
        return e.code() + ":" + std::to_string(std::string(e.what()).size());
    }
}

int main(int, char** arguments) {
    const std::string script = arguments[1];
    std::cout << script_exists(script) << script_exists("no-such-script.py") << std::endl;

    PythonSession session(script, "blocks");
    session.start(500);
    std::cout << patience(session) << std::endl;

    const Tensor one = Tensor::full(Shape(2, 2), 1.0f, DType::FP32, tr::CPU);
    batch(session, one, one, one);
    std::cout << session.wait_for_tensor(10000).to_vector<float>()[3] << std::endl;

    session.send_request("batch_process input_a input_b input_c");
    std::cout << asynchronous(session).to_vector<float>()[0] << std::endl;

    std::cout << calculations(session) << " " << own_error() << std::endl;

    // The worker fails; after the restart the tag is still there.
    session.send_request("fail");
    Tensor result = Tensor::zeros(Shape(2, 2));
    recovery(session, result);
    std::cout << result.to_vector<float>()[0] << std::endl;
    session.please_exit(5000, true);
    std::cout << session.is_alive() << std::endl;
}
