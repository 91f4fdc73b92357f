// Watch a training run, end one early and keep what it has learnt, and cancel one. Run it from the top of the checkout.
#include <cstdio>

#include "tech_renaissance.h"
using namespace tr;

struct Line {
    double offset = 0;
    double slope = 0;
    std::int64_t steps = 0;
    TR_FIELDS(offset, slope, steps)
};

// Three runs. What is heard of their progress is heard by the thread that waits.
int main() {
    const std::int64_t endless = 1000000000000;
    std::vector<double> values;
    for (int i = 0; i < 50; ++i) values.push_back(-1 + i / 24.5);
    const Tensor x = Tensor::from_vector(values, Shape(50));
    for (double& value : values) value = 3 + 2 * value;
    const Tensor y = Tensor::from_vector(values, Shape(50));

    PythonSession session("examples/workers/regression_worker.py", "training");
    session.start();

    const auto show = [](const Progress& progress) {
        if (progress.fraction() == 1) std::printf("all %.0f steps: %s\n", progress.done, progress.message.c_str());
    };
    Line line = session.call<Line>("train", x, y, 300, on_progress(show));
    std::printf("y = %.2f + %.2f x\n", line.offset, line.slope);

    // Stop: the handler finishes early, and its result counts.
    Future<Line> future;
    const auto stop = [&future](const Progress& progress) {
        if (progress.done >= 300) future.stop();
    };
    future = session.submit<Line>("train", x, y, endless, on_progress(stop));
    line = future.get();
    std::printf("stopped early: y = %.2f + %.2f x\n", line.offset, line.slope);

    // Cancel: the call is over, and has no result.
    future = session.submit<Line>("train", x, y, endless, on_progress([&future](const Progress&) { future.cancel(); }));
    try {
        future.get();
    } catch (const CallCancelled& error) {
        std::printf("%s\n", error.code().c_str());
    }
    return 0;
}
