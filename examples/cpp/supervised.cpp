// End calls that take too long, cancel one, and let a crashed worker be replaced. Run it from the top of the checkout.
#include <thread>

#include "tech_renaissance.h"
using namespace tr;

// Give a worker what it must have before it serves.
void load(PythonSession& session) {
    session.call("load", Tensor::from_vector<float>({2, 3, 4}, Shape(3)));
    std::cout << "the weights are loaded\n";
}

// The same session goes on through all of it.
int main() {
    SessionOptions options;
    options.script_path = "examples/workers/model_worker.py";
    options.session_id = "supervised";
    options.quiet_mode = true;
    options.restart = Restart::on_crash;
    options.on_restart = load;
    PythonSession session(options);
    session.start();
    load(session);

    // A command that sleeps is interrupted at its deadline. Its worker lives on.
    CallOptions briefly;
    briefly.deadline = std::chrono::milliseconds(100);
    try {
        session.call("wait", briefly);
    } catch (const TimedOut& error) {
        std::cout << "wait: " << error.code() << ", by " << error.step() << "\n";
    }

    // One that looks at self.cancelled needs only to be told.
    try {
        session.call("train", briefly);
    } catch (const TimedOut& error) {
        std::cout << "train: " << error.code() << ", by " << error.step() << "\n";
    }

    // Any thread may cancel.
    Future<Value> future = session.submit("train");
    std::thread other([&future] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        future.cancel();
    });
    try {
        future.get();
    } catch (const CallCancelled& error) {
        std::cout << "train: " << error.code() << "\n";
    }
    other.join();

    // A crash costs the call that it happened in. The next one waits for the new worker, and load for it.
    try {
        session.call("crash");
    } catch (const WorkerLost& error) {
        const PostMortem& record = *error.post_mortem();
        std::cout << record.message << ": " << error.code() << ", " << record.signal << "\n";
    }
    const std::vector<float> result =
        session.call<Tensor>("predict", Tensor::from_vector<float>({1, 1, 2}, Shape(3))).to_vector<float>();
    std::cout << "prediction: " << result[0] << ", " << result[1] << ", " << result[2] << "\n";
    return 0;
}
