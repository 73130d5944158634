/* The kill torture of queue_kills, on Boost.Interprocess's message_queue: shows that the torture catches what it is
 * for. Boost's queue is guarded by a lock that knows nothing of deaths, so sooner or later a kill wedges it. The test
 * passes when it does.
 *
 * usage: boost_kills [KILLS [SEED]]   Output is TAP. The shared memory loses its name as soon as it is made: whatever
 * ends this program, nothing is left. */
#include "traffic.h"

#include <boost/interprocess/ipc/message_queue.hpp>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <unistd.h>

namespace ipc = boost::interprocess;

namespace
{

constexpr std::size_t messages = 8, big = 4096, largest = big + TRAFFIC_HEADER;

ipc::message_queue *queue;

int put(const void *data, std::size_t size)
{
    try {
        queue->send(data, size, 0);
        return 0;
    } catch (const ipc::interprocess_exception &) {
        return -1; // corrupt: as good as wedged
    }
}

int get(void *buffer, std::size_t capacity, std::size_t *size)
{
    try {
        unsigned priority;
        ipc::message_queue::size_type got;
        queue->receive(buffer, capacity, got, priority);
        *size = got;
        return 0;
    } catch (const ipc::interprocess_exception &) {
        return -1;
    }
}

int left()
{
    return static_cast<int>(queue->get_num_msg());
}

} // namespace

int main(int count, char **arguments)
{
    int kills = count > 1 ? std::atoi(arguments[1]) : 2000;
    std::uint64_t seed =
        count > 2 ? std::strtoull(arguments[2], nullptr, 0) : static_cast<std::uint64_t>(std::time(nullptr));
    std::uint64_t random = seed;
    std::string name = "kith-boost-kills-" + std::to_string(getpid());
    queue = new ipc::message_queue(ipc::create_only, name.c_str(), messages, largest);
    ipc::message_queue::remove(name.c_str());
    traffic_queue tortured = { put, get, left, big, 5 };
    int lethal = 0;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::printf("1..1\n# seed %llu\n", static_cast<unsigned long long>(seed));
    bool good = traffic_torture(&tortured, kills, &random, &lethal);
    bool caught = lethal > 0 || !good;
    std::printf("%sok 1 - Boost's message_queue is found out%s\n", caught ? "" : "not ",
                caught ? "" : ": it survived all kills");
    std::fflush(stdout);
    std::_Exit(caught ? 0 : 1); // its destructor may wait for what will never come
}
