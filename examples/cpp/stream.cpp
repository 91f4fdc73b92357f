// Take the values of a generator as they come, and leave when there are enough. Run it from the top of the checkout.
#include "tech_renaissance.h"
using namespace tr;

int main() {
    PythonSession session("examples/workers/story_worker.py", "stream");
    session.start();

    Stream<std::string, int> story = session.stream<std::string, int>("tell", "Once", 4);
    for (const std::string& word : story) std::cout << word << "\n";
    std::cout << story.result() << " letters\n";

    // To leave the loop closes the generator. The worker lives on.
    for (const std::string& word : session.stream<std::string>("tell", "Twice", 1000000)) {
        std::cout << word << "\n";
        if (word == "upon") break;
    }
    std::cout << session.stream<std::string, int>("tell", "And", 3).result() << " letters\n";
    return 0;
}
