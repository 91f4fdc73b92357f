// A worker in a loop of Boost.Asio, which waits for the session's descriptor. For POSIX systems.
#include <boost/asio.hpp>

#include "tech_renaissance.h"

namespace asio = boost::asio;

// Dispatches whenever the session has something to do, for as long as this lives.
class Attached {
public:
    Attached(asio::io_context& loop, tr::PythonSession& session)
        : session_(session), handle_(loop, session.wait_handle()) {
        wait();
    }
    ~Attached() { handle_.release(); }  // the descriptor belongs to the session

private:
    void wait() {
        session_.dispatch();
        handle_.async_wait(asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code error) {
            if (!error) wait();
        });
    }

    tr::PythonSession& session_;
    asio::posix::stream_descriptor handle_;
};

int main() {
    asio::io_context loop;
    tr::PythonSession session("examples/workers/hello_worker.py", "asio");
    session.start(30000);
    session.submit<std::string>("hello", "asio").on_done([&loop](tr::Future<std::string> done) {
        std::cout << done.get() << std::endl;
        loop.stop();
    });
    Attached attached(loop, session);
    loop.run();
    return 0;
}
