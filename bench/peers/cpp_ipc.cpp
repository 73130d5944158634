// bench/peers/cpp_ipc.cpp: cpp-ipc (libipc), its channel from one process to one. A getter is handed a long message
// where it lies in shared memory, until it frees it. The workers open the channel by its name after the fork; all
// names of a run have one prefix, by which its files in /dev/shm are found and removed.
#include "leftovers.h"
#include "reason.h"
#include "transport.h"

#include <libipc/ipc.h>

#include <string>
#include <unistd.h>

namespace
{

using pair = ipc::chan<ipc::relat::single, ipc::relat::single, ipc::trans::unicast>;

constexpr std::uint64_t for_ever = ipc::invalid_value;

struct channel {
    std::size_t size;
    std::string prefix;
    std::string name;
    pair getter, putter; // of this process, as it has joined
    ipc::buff_t last;    // the message got before, the getter's until it gets the next
};

int cpp_ipc_open(void **result, const workload *load)
{
    static unsigned channels;
    if (load->putters > 1 || load->getters > 1)
        return because(CANNOT, "with several getters each would get every message");
    auto *self = new channel;
    self->size = load->size;
    self->prefix = "kith-bench-" + std::to_string(getpid()) + "-" + std::to_string(channels++);
    self->name = "pair";
    *result = self;
    return 0;
}

int cpp_ipc_join(void *opened, enum role role, unsigned)
{
    auto *self = static_cast<channel *>(opened);
    bool getting = role == ROLE_GETTER;
    pair &end = getting ? self->getter : self->putter;
    if (!end.connect(ipc::prefix{ self->prefix.c_str() }, self->name.c_str(), getting ? ipc::receiver : ipc::sender))
        return because(FAILED, "connect");
    return 0;
}

int cpp_ipc_put(void *opened, const void *message)
{
    auto *self = static_cast<channel *>(opened);
    return self->putter.send(message, self->size, for_ever) ? 0 : because(FAILED, "send");
}

ssize_t cpp_ipc_peek(void *opened, const void **message)
{
    auto *self = static_cast<channel *>(opened);
    self->last = self->getter.recv(for_ever);
    *message = self->last.data();
    return self->last.empty() ? because(FAILED, "recv") : static_cast<ssize_t>(self->last.size());
}

ssize_t cpp_ipc_get(void *opened, void *, const void **message)
{
    return cpp_ipc_peek(opened, message);
}

int cpp_ipc_release(void *opened, const void *)
{
    static_cast<channel *>(opened)->last = ipc::buff_t();
    return 0;
}

void cpp_ipc_close(void *opened)
{
    auto *self = static_cast<channel *>(opened);
    std::string prefix = self->prefix;
    delete self;
    remove_shared_memory((prefix + "_").c_str()); // the workers were killed, so the library could not do it
}

transport make_table()
{
    transport table{};
    table.open = cpp_ipc_open;
    table.join = cpp_ipc_join;
    table.put = cpp_ipc_put;
    table.get = cpp_ipc_get;
    table.close = cpp_ipc_close;
    table.peek = cpp_ipc_peek;
    table.release = cpp_ipc_release;
    table.mapped = true;
    table.most = 255;
    return table;
}

} // namespace

extern "C" const transport cpp_ipc_transport = make_table();
