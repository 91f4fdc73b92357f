// The states of a session. That the table is that of Python and the specification is tested from there.
#include "tech_renaissance/detail/protocol/connection.h"

#include "check.h"

using tr::LocalProtocolError;
using tr::RemoteProtocolError;
using tr::detail::Connection;
using tr::detail::State;

namespace {

Connection busy_connection() {
    Connection connection;
    connection.received_ready();
    connection.sent_request(1);
    connection.sent_request(2);
    return connection;
}

}  // namespace

TEST("a session starts, serves and leaves") {
    Connection connection;
    CHECK(connection.state() == State::starting);
    connection.received_ready();
    CHECK(connection.state() == State::ready);
    connection.sent_request(1);
    CHECK(connection.state() == State::busy);
    connection.received_response(1);
    CHECK(connection.state() == State::ready);
    connection.sent_exit();
    CHECK(connection.state() == State::exiting);
    connection.received_exiting();
    CHECK(connection.state() == State::exited);
}

TEST("only the last response makes it ready") {
    Connection connection = busy_connection();
    connection.received_response(2);
    CHECK(connection.state() == State::busy);
    CHECK(connection.is_waiting(1));
    CHECK(!connection.is_waiting(2));
    connection.received_response(1);
    CHECK(connection.state() == State::ready);
    CHECK(connection.waiting().empty());
}

TEST("a response must be to a request that waits for one") {
    Connection connection = busy_connection();
    CHECK_THROWS(RemoteProtocolError, "bad_state", connection.received_response(3));
    CHECK_THROWS(RemoteProtocolError, "bad_state", connection.received_response(std::nullopt));
    CHECK(connection.state() == State::busy);
    CHECK_EQ(2u, connection.waiting().size());
}

TEST("a response to nothing is the worker's mistake") {
    Connection connection;
    connection.received_ready();
    CHECK_THROWS(RemoteProtocolError, "bad_state", connection.received_response(1));
    CHECK_THROWS(RemoteProtocolError, "bad_state", connection.received_response(std::nullopt));
}

TEST("what we may not send is our mistake, and changes nothing") {
    Connection connection;
    CHECK_THROWS(LocalProtocolError, "bad_state", connection.sent_request(1));
    CHECK_THROWS(LocalProtocolError, "bad_state", connection.sent_exit());
    CHECK(connection.state() == State::starting);
    connection.received_ready();
    CHECK(connection.state() == State::ready);
}

TEST("what the worker may not send is its mistake, and changes nothing") {
    Connection connection = busy_connection();
    CHECK_THROWS(RemoteProtocolError, "bad_state", connection.received_ready());
    connection.received_exiting();
    CHECK_THROWS(RemoteProtocolError, "bad_state", connection.received_exiting());
    CHECK_THROWS(RemoteProtocolError, "bad_state", connection.received_ready());
    CHECK(connection.state() == State::exited);
}

TEST("after exit nothing more is asked, but what was asked is answered") {
    Connection connection = busy_connection();
    connection.sent_exit();
    CHECK_THROWS(LocalProtocolError, "bad_state", connection.sent_request(3));
    connection.received_response(1);
    connection.received_response(2);
    CHECK(connection.state() == State::exiting);
}

TEST("the worker may be lost at any time") {
    Connection connection = busy_connection();
    connection.lost();
    CHECK(connection.state() == State::lost);
    CHECK(connection.waiting().empty());
    connection.lost();
    CHECK(connection.state() == State::lost);
}

TEST("a worker that left in order is not lost afterwards") {
    Connection connection = busy_connection();
    connection.received_exiting();
    connection.lost();
    CHECK(connection.state() == State::exited);
}
