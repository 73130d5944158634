// bench/peers/boost.cpp: Boost.Interprocess message_queue. Its segment is unlinked at once: the workers inherit the
// mapping.
#include "reason.h"
#include "transport.h"

#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/version.hpp>

#include <exception>
#include <string>
#include <unistd.h>

using boost::interprocess::create_only;
using boost::interprocess::message_queue;
using boost::interprocess::permissions;

namespace
{

struct channel {
    std::size_t size;
    message_queue queue;

    channel(const std::string &name, const workload &load)
        : size(load.size), queue(create_only, name.c_str(), load.capacity, load.size, permissions(0600))
    {
        message_queue::remove(name.c_str());
    }
};

const char *boost_version()
{
    static const std::string version = std::to_string(BOOST_VERSION / 100000) + "." +
                                       std::to_string(BOOST_VERSION / 100 % 1000) + "." +
                                       std::to_string(BOOST_VERSION % 100);
    return version.c_str();
}

int boost_open(void **result, const workload *load)
{
    try {
        *result = new channel("kith-bench-" + std::to_string(getpid()), *load);
        return 0;
    } catch (const std::exception &error) {
        return because(FAILED, "message_queue: %s", error.what());
    }
}

int boost_put(void *opened, const void *message)
{
    auto *self = static_cast<channel *>(opened);
    try {
        self->queue.send(message, self->size, 0);
        return 0;
    } catch (const std::exception &error) {
        return because(FAILED, "send: %s", error.what());
    }
}

ssize_t boost_get(void *opened, void *buffer, const void **)
{
    auto *self = static_cast<channel *>(opened);
    try {
        message_queue::size_type size;
        unsigned priority;
        self->queue.receive(buffer, self->size, size, priority);
        return static_cast<ssize_t>(size);
    } catch (const std::exception &error) {
        return because(FAILED, "receive: %s", error.what());
    }
}

void boost_close(void *opened)
{
    delete static_cast<channel *>(opened);
}

transport make_table()
{
    transport table{};
    table.version = boost_version;
    table.open = boost_open;
    table.put = boost_put;
    table.get = boost_get;
    table.close = boost_close;
    table.mapped = true;
    return table;
}

} // namespace

extern "C" const transport boost_transport = make_table();
