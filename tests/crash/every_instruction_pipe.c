/* Kill after every instruction of the calls on a pipe through shared memory: see rounds.h for what is proved, and how
 * to call it. */
#include "rounds.h"

#include <kith/connection.h>

#include <errno.h>

enum { MESSAGE = 1016, NUMBERS = 64 };

struct setting {
    uint32_t sent; /* so many messages are sent before */
};

static kith_connection *sending;
static kith_connection *receiving;
static kith_queue *lane; /* what is in it, for looks that change nothing */

/* ---- messages ---- */

static uint32_t numbers;      /* of the messages so far; they count from 1 */
static uint8_t seen[NUMBERS]; /* how often each was received */

static void compose(struct call *call, uint32_t number)
{
    call->number = number;
    for (size_t i = 0; i < MESSAGE; i++)
        call->message[i] = (unsigned char)(number * 7 + i);
    memcpy(call->message, &number, sizeof number);
}

static void see(const struct call *call)
{
    struct call whole;
    uint32_t number;
    memcpy(&number, call->message, sizeof number);
    expect(call->size == MESSAGE && number >= 1 && number <= numbers, "a message comes that nobody sent");
    compose(&whole, number);
    expect(memcmp(call->message, whole.message, MESSAGE) == 0, "a message is torn");
    if (number < NUMBERS)
        seen[number]++;
}

/* ---- calls ---- */

static int send_one(struct call *call)
{
    return kith_connection_send(sending, call->message, MESSAGE, KITH_FOREVER);
}

static int receive_within(struct call *call, kith_timeout timeout)
{
    return kith_connection_recv_into(receiving, call->message, MESSAGE, &call->size, timeout);
}

static int receive_waiting(struct call *call)
{
    return receive_within(call, KITH_FOREVER);
}

static int receive_at_once(struct call *call)
{
    return receive_within(call, KITH_NOWAIT);
}

static int poll_waiting(struct call *call)
{
    (void)call;
    int code = kith_connection_poll(receiving, KITH_FOREVER);
    return code == 1 ? 0 : code;
}

static int wait_waiting(struct call *call)
{
    (void)call;
    kith_waitable item = { .connection = receiving };
    int code = kith_wait(&item, 1, KITH_FOREVER);
    return code == 1 ? 0 : code;
}

/* From here on, by the socket. */
static int ask_for_descriptor(struct call *call)
{
    (void)call;
    int fd = kith_connection_fd(receiving);
    return fd < 0 ? fd : 0;
}

/* ---- what the test does ---- */

static void send_number(void)
{
    struct call call;
    compose(&call, ++numbers);
    expect(kith_connection_send(sending, call.message, MESSAGE, KITH_NOWAIT) == 0, "nothing can be sent");
}

static void send_two(void)
{
    send_number();
    send_number();
}

static void another_and_send(void)
{
    another();
    send_number();
}

/** As a rule the message is gone before the one who was woken for it has moved. */
static void another_and_send_in_vain(void)
{
    struct call call = { 0 };
    another_and_send();
    if (receive_at_once(&call) == 0)
        see(&call);
}

/* ---- who waits ---- */

static bool nothing_sent(void)
{
    return kith_queue_empty(lane) == 1;
}

static void send_for_all(int sleeping)
{
    for (int i = 0; i < sleeping; i++)
        send_number();
}

static void send_for_one(int sleeping)
{
    (void)sleeping;
    send_number();
}

static bool never(void)
{
    return false;
}

static void give_message(struct call *call)
{
    compose(call, ++numbers);
}

static const struct crowd receivers = { receive_waiting, NULL, nothing_sent, send_for_all };
static const struct crowd watchers = { poll_waiting, NULL, nothing_sent, send_for_one };
static const struct crowd senders = { send_one, give_message, never, NULL };

/* ---- a round ---- */

static void begin(void)
{
    kith_connection_share share;
    numbers = 0;
    memset(seen, 0, sizeof seen);
    must(kith_pipe(&receiving, &sending, &(kith_pipe_options){ .one_way = 1, .shared_memory = 1 }), "kith_pipe");
    must(kith_connection_get_share(receiving, &share), "kith_connection_get_share");
    must(kith_queue_from_fd(&lane, share.in), "kith_queue_from_fd");
    while (numbers < scenario->setting->sent)
        send_number();
    if (scenario->act == send_one)
        give_message(actor_call());
}

/** Each message was seen once. Of a call that did not return: its own may be missing, or the one that it received. */
static void judge_messages(void)
{
    const struct call *dead = actor_call();
    bool over = atomic_load(&dead->over), missing = false;
    for (int i = -1; i < round_now.count; i++) {
        const struct call *call = i < 0 ? dead : bystander_call(i);
        if (atomic_load(&call->over) && call->code == 0 && call->size > 0)
            see(call);
    }
    for (uint32_t number = 1; number <= numbers; number++) {
        expect(seen[number] <= 1, "a message comes twice");
        if (seen[number] == 0) {
            expect(!over && !missing && (!dead->number || dead->number == number), "a message is lost");
            missing = true;
        }
    }
}

static void judge(void)
{
    struct call call = { 0 };
    while (!round_now.wrong && receive_at_once(&call) == 0)
        see(&call);
    judge_messages();
    send_number();
    expect(receive_at_once(&call) == 0, "what is sent is not received");
    kith_connection_close(sending);
    expect(receive_within(&call, KITH_SECONDS(PATIENCE)) == KITH_EEOF,
           "the end is not told"); /* bystanders have it yet */
}

static void end(void)
{
    kith_queue_free(lane);
    kith_connection_free(sending);
    kith_connection_free(receiving);
}

/* ---- scenarios ---- */

static const struct setting empty = { 0 };
static const struct setting two = { .sent = 2 };

static const struct scenario scenarios[] = {
    { "send, nobody waits", &empty, .act = send_one },
    { "send, a receiver sleeps", &empty, .act = send_one, .crowd = &receivers, .asleep = 1 },
    { "send, two receivers sleep", &empty, .act = send_one, .crowd = &receivers, .asleep = 2 },
    { "send, two who only wait sleep", &empty, .act = send_one, .crowd = &watchers, .asleep = 2 },
    { "send, a receiver is about to sleep", &empty, .act = send_one, .crowd = &receivers, .held = true },
    { "send, a receiver sleeps, another is about to", &empty, .act = send_one, .crowd = &receivers, .asleep = 1,
      .held = true },
    { "send, a receiver comes", &empty, .act = send_one, .crowd = &receivers, .arrival = true },
    { "send, a receiver sleeps, another comes", &empty, .act = send_one, .crowd = &receivers, .asleep = 1,
      .arrival = true },
    { "send, another sender comes", &empty, .act = send_one, .crowd = &senders, .arrival = true },
    { "receive, nobody waits", &two, .act = receive_waiting },
    { "receive, another receiver comes", &two, .act = receive_waiting, .crowd = &receivers, .arrival = true },
    { "receive that finds nothing, a receiver sleeps", &empty, .act = receive_at_once, .code = -ETIMEDOUT,
      .crowd = &receivers, .asleep = 1 },
    { "receive that sleeps, and is woken", &empty, .act = receive_waiting, .meanwhile = send_number },
    { "receive that sleeps behind another receiver", &empty, .act = receive_waiting, .crowd = &receivers, .asleep = 1,
      .meanwhile = send_two },
    { "receive that sleeps and is woken with another receiver", &empty, .act = receive_waiting, .crowd = &receivers,
      .meanwhile = another_and_send, .again = send_number },
    { "receive that sleeps, is woken and finds nothing, another receiver sleeps", &empty, .act = receive_waiting,
      .crowd = &receivers, .meanwhile = another_and_send_in_vain, .again = send_two },
    { "receive that sleeps, a sender comes", &empty, .act = receive_waiting, .crowd = &senders, .arrival = true,
      .meanwhile = send_number },
    { "poll that sleeps, is woken, and finds nothing, a receiver sleeps", &empty, .act = poll_waiting,
      .crowd = &receivers, .meanwhile = another_and_send_in_vain, .again = send_two },
    { "kith_wait that sleeps behind a receiver", &empty, .act = wait_waiting, .crowd = &receivers, .asleep = 1,
      .meanwhile = send_two },
    { "to ask for the descriptor", &two, .act = ask_for_descriptor },
    { "to ask for the descriptor, a receiver sleeps", &empty, .act = ask_for_descriptor, .crowd = &receivers,
      .asleep = 1 },
    { "to ask for the descriptor, a sender comes", &two, .act = ask_for_descriptor, .crowd = &senders,
      .arrival = true },
};

int main(int count, char **arguments)
{
    const struct family pipes = FAMILY(scenarios, begin, judge, end);
    return play_families(&pipes, 1, count, arguments);
}
