// The main job, from C++: a worker with real PyTorch says hello and multiplies matrices, and every call is timed.
// Run it from the top of the checkout. The exit status is not zero if any answer is wrong.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <utility>

#include "tech_renaissance.h"
using namespace tr;

// Milliseconds that an action takes.
double time_ms(const std::function<void()>& action) {
    const auto begin = std::chrono::steady_clock::now();
    action();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

double median_ms(int count, const std::function<void()>& action) {
    std::vector<double> times;
    for (int i = 0; i < count; ++i) times.push_back(time_ms(action));
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}

// The table of what each call took.
class Table {
public:
    void add(const std::string& call, double ms) { rows_.push_back({call, ms}); }

    void print() const {
        std::printf("  %-48s %12s\n  %s\n", "call", "time", std::string(61, '-').c_str());
        for (const auto& [call, ms] : rows_) std::printf("  %-48s %9.3f ms\n", call.c_str(), ms);
        std::fflush(stdout);
    }

private:
    struct Row {
        std::string call;
        double ms;
    };
    std::vector<Row> rows_;
};

// Prints what was checked; ends the program if it is wrong.
void check(bool right, const std::string& what) {
    std::cout << "  " << (right ? "ok    " : "WRONG ") << what << std::endl;
    if (!right) std::exit(EXIT_FAILURE);
}

void say_hello(PythonSession& session, Table& table) {
    std::string answer;
    const auto hello = [&] { answer = session.call<std::string>("hello", "world"); };
    table.add("first hello", time_ms(hello));
    table.add("hello, median of 200", median_ms(200, hello));
    check(answer == "hello world", "the worker answers: " + answer);
}

void multiply(PythonSession& session, Table& table) {
    const Tensor a = Tensor::full(Shape(4, 3), 1.5f);
    const Tensor b = Tensor::full(Shape(3, 5), 2.0f);
    Tensor result;
    const auto matmul = [&] { result = session.call<Tensor>("matmul", a, b); };
    table.add("first matmul, 4x3 and 3x5", time_ms(matmul));
    table.add("matmul, median of 200", median_ms(200, matmul));
    check(result == Tensor::full(Shape(4, 5), 9.0f), "4x3 times 3x5 is 4x5, 9.0 in every element");
    result.print("\nresult");
    std::cout << "\n";
}

// From ordinary memory, and from memory that the worker sees, too.
void multiply_large(PythonSession& session, Table& table) {
    const Tensor ordinary = Tensor::ones(Shape(1024, 1024));
    const Tensor shared = session.empty(Shape(1024, 1024));
    std::fill_n(shared.data<float>(), shared.numel(), 1.0f);
    const std::pair<std::string, const Tensor&> kinds[] = {{"copied, 4 MiB", ordinary}, {"shared", shared}};
    for (const auto& [what, a] : kinds) {
        Tensor result;
        const auto matmul = [&, &x = a] { result = session.call<Tensor>("matmul", x, x); };
        table.add("matmul of 1024x1024, " + what + ", median of 5", median_ms(5, matmul));
        check(result == Tensor::full(Shape(1024, 1024), 1024.0f), "1024x1024 times itself is right, " + what);
    }
}

int main() try {
    Table table;
    PythonSession session("examples/workers/demo_worker.py", "demo_cpp");
    std::cout << "\nA C++ host and a PyTorch worker\n\n";
    const double start_ms = time_ms([&] {
        session.start();
        check(session.wait_until_ready(60000), "the worker is ready");
    });
    table.add("start until ready (Python and PyTorch loaded)", start_ms);

    say_hello(session, table);
    std::cout << "        it runs " << session.call<std::string>("versions") << std::endl;
    multiply_large(session, table);
    multiply(session, table);
    table.add("leave, process ended (PyTorch unloaded)", time_ms([&] { session.please_exit(5000, true); }));
    table.print();
    return 0;
} catch (const TRException& error) {
    std::cerr << error.code() << ": " << error.what() << "\n";
    return EXIT_FAILURE;
}
