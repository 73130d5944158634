/* kith/connection.h: pipes whose messages go through shared memory: that nobody can tell, except by speed. */
#include "alarms.h"
#include "family.h"

#include <pthread.h>
#include <sys/resource.h>

static kith_connection *one;
static kith_connection *other;
static const kith_pipe_options shared = { .shared_memory = 1 };
static kith_process_options with_one, with_other;

static int set_up_pipe(void **state)
{
    if (set_up(state) < 0 || kith_pipe(&one, &other, &shared) < 0)
        return -1;
    with_one = (kith_process_options){ .connections = &one, .connection_count = 1 };
    with_other = (kith_process_options){ .connections = &other, .connection_count = 1 };
    return 0;
}

static int tear_down_pipe(void **state)
{
    kith_connection_free(one);
    kith_connection_free(other);
    return tear_down(state);
}

static void send_text(kith_connection *connection, const char *text)
{
    assert_code(kith_connection_send(connection, text, strlen(text), KITH_NOWAIT), 0);
}

static void expect_bytes(kith_connection *connection, const void *data, size_t size)
{
    kith_bytes message;
    assert_code(kith_connection_recv(connection, &message, KITH_NOWAIT), 0);
    assert_int_equal(message.size, size);
    assert_non_null(message.data);
    assert_int_equal(memcmp(message.data, data, size), 0);
    kith_bytes_free(&message);
}

static void expect_text(kith_connection *connection, const char *text)
{
    expect_bytes(connection, text, strlen(text));
}

/* Nothing is received, and the outputs are left alone. */
static void expect_failure(kith_connection *connection, kith_timeout timeout, int code)
{
    kith_bytes message = { &message, 77 };
    assert_explained(kith_connection_recv(connection, &message, timeout), code);
    assert_ptr_equal(message.data, &message);
    assert_int_equal(message.size, 77);
}

/* ---- messages ---- */

static void messages_keep_their_order_and_bounds(void **state)
{
    (void)state;
    const kith_timeout timeouts[] = { KITH_AT_ONCE, KITH_NOWAIT, KITH_MS(10), KITH_FOREVER };
    for (size_t i = 0; i < 4; i++) {
        assert_code(kith_connection_send(one, "first", 5, timeouts[i]), 0);
        assert_code(kith_connection_send(one, NULL, 0, timeouts[i]), 0);
        send_text(one, "third");
        send_text(other, "the other way");
        kith_bytes message;
        assert_code(kith_connection_recv(other, &message, timeouts[i]), 0);
        assert_int_equal(message.size, 5);
        kith_bytes_free(&message);
        expect_text(other, "");
        expect_text(other, "third");
        expect_text(one, "the other way");
    }
}

static void messages_of_all_sizes_arrive(void **state)
{
    (void)state;
    const size_t mib = 1 << 20;
    const size_t sizes[] = { 1, 7, 8, 9, 4096, 65536, 262144, mib - 8, mib, mib + 1, 5 * mib, 70 * mib, 3 };
    unsigned char *bytes = pattern(70 * mib);
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_code(kith_connection_send(one, bytes, sizes[i], KITH_NOWAIT), 0);
        expect_bytes(other, bytes, sizes[i]);
    }
    free(bytes);
}

static void what_does_not_fit_stays(void **state)
{
    (void)state;
    char buffer[8];
    size_t size = 77;
    send_text(one, "too long for it");
    assert_explained(kith_connection_recv_into(other, buffer, sizeof buffer, &size, KITH_FOREVER), -EMSGSIZE);
    assert_int_equal(size, 15);
    expect_text(other, "too long for it");
    send_text(one, "fits");
    assert_code(kith_connection_recv_into(other, buffer, sizeof buffer, &size, KITH_FOREVER), 0);
    assert_int_equal(size, 4);
    assert_memory_equal(buffer, "fits", 4);
    send_text(one, "");
    assert_code(kith_connection_recv_into(other, NULL, 0, &size, KITH_FOREVER), 0);
    assert_int_equal(size, 0);
}

static void what_exceeds_the_bound_ends_receiving(void **state)
{
    (void)state;
    kith_connection_set_max_message(other, 4);
    send_text(one, "four");
    send_text(one, "more than that");
    expect_text(other, "four");
    expect_failure(other, KITH_FOREVER, KITH_ELIMIT);
    expect_failure(other, KITH_FOREVER, KITH_ELIMIT);
    assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 1);
}

static void values_go_through(void **state)
{
    (void)state;
    kith_arena *arena;
    kith_value *value;
    const char *text;
    assert_code(kith_arena_new(&arena), 0);
    assert_code(kith_connection_send_value(one, kith_value_str(arena, "word"), KITH_NOWAIT), 0);
    assert_code(kith_connection_recv_value(other, arena, &value, KITH_NOWAIT), 0);
    assert_code(kith_value_as_str(value, &text, NULL), 0);
    assert_string_equal(text, "word");
    kith_arena_free(arena);
}

/* ---- in time and not ---- */

static void receiving_waits_no_longer_than_told(void **state)
{
    (void)state;
    const kith_timeout timeouts[] = { KITH_AT_ONCE, KITH_NOWAIT, KITH_MS(5) };
    for (size_t i = 0; i < 3; i++) {
        int fd;
        expect_failure(one, timeouts[i], -ETIMEDOUT);
        assert_int_equal(kith_connection_poll(one, timeouts[i]), 0);
        assert_explained(kith_connection_recv_fd(one, &fd, timeouts[i]), -ETIMEDOUT);
    }
    send_text(other, "late");
    assert_int_equal(kith_connection_poll(one, KITH_FOREVER), 1);
    assert_int_equal(kith_connection_poll(one, KITH_AT_ONCE), 1);
    expect_text(one, "late");
    assert_int_equal(kith_connection_poll(one, KITH_NOWAIT), 0);
}

/* Sends until there is no room. @return how many */
static int fill(kith_connection *connection, const void *bytes, size_t size)
{
    int sent = 0, code;
    while ((code = kith_connection_send(connection, bytes, size, KITH_NOWAIT)) == 0)
        sent++;
    assert_explained(code, -ETIMEDOUT);
    return sent;
}

static void senders_wait_for_room(void **state)
{
    (void)state;
    unsigned char *bytes = pattern(10000000);
    assert_non_null(bytes);
    int sent = fill(one, bytes, 1000);
    assert_true(sent > 200 && sent < 4000);
    assert_explained(kith_connection_send(one, bytes, 0, KITH_MS(5)), -ETIMEDOUT);
    assert_explained(kith_connection_send(one, bytes, 0, KITH_AT_ONCE), -ETIMEDOUT);
    for (int i = 0; i < sent; i++)
        expect_bytes(other, bytes, 1000);
    expect_failure(other, KITH_NOWAIT, -ETIMEDOUT);
    assert_code(kith_connection_send(one, bytes, 10000000, KITH_NOWAIT), 0); /* any size, when there is room */
    assert_int_equal(fill(one, bytes, 1), 0);
    assert_int_equal(fill(other, bytes, 0) > 0, 1); /* the other way is another matter */
    expect_bytes(other, bytes, 10000000);
    send_text(one, "room again");
    expect_text(other, "room again");
    free(bytes);
}

/* Sends so many numbers. */
static int send_numbers(void *count)
{
    for (int i = 0; i < *(int *)count; i++)
        EXPECT(kith_connection_send(one, &i, sizeof i, KITH_FOREVER) == 0);
    return 0;
}

static void expect_numbers(int count)
{
    for (int i = 0; i < count; i++) {
        int number;
        size_t size;
        assert_code(kith_connection_recv_into(other, &number, sizeof number, &size, KITH_FOREVER), 0);
        assert_int_equal(number, i);
    }
}

static void a_sender_that_waits_goes_on(void **state)
{
    (void)state;
    int count = 400000; /* more than there is room for */
    kith_process *child = start(send_numbers, &count, &with_one);
    kith_connection_close(one);
    expect_numbers(count);
    expect_failure(other, KITH_FOREVER, KITH_EEOF);
    finish(child, 0);
}

/* One message at a time, each from a receiver that sleeps or is about to. */
static int echo(void *nothing)
{
    kith_bytes message;
    int code;
    while ((code = kith_connection_recv(other, &message, KITH_FOREVER)) == 0) {
        EXPECT(kith_connection_send(other, message.data, message.size, KITH_FOREVER) == 0);
        kith_bytes_free(&message);
    }
    EXPECT(code == KITH_EEOF);
    return nothing != NULL;
}

static void who_sleeps_is_woken(void **state)
{
    (void)state;
    kith_process *child = start(echo, NULL, &with_other);
    kith_connection_close(other);
    for (int i = 0; i < 100; i++) {
        kith_bytes message;
        nanosleep(&(struct timespec){ .tv_nsec = i * 2000 }, NULL); /* until it spins, yields, or sleeps */
        assert_code(kith_connection_send(one, &i, sizeof i, KITH_FOREVER), 0);
        assert_code(kith_connection_recv(one, &message, KITH_FOREVER), 0);
        assert_memory_equal(message.data, &i, sizeof i);
        kith_bytes_free(&message);
        expect_failure(one, KITH_NOWAIT, -ETIMEDOUT);
    }
    kith_connection_close(one);
    finish(child, 0);
}

enum { MANY = 20000 };

static void *send_many(void *connection)
{
    for (int i = 0; i < MANY; i++) {
        if (kith_connection_send(connection, &i, sizeof i, KITH_FOREVER) != 0)
            return connection;
    }
    return NULL;
}

static void *receive_many(void *connection)
{
    for (int i = 0; i < MANY; i++) {
        int number = -1;
        size_t size;
        if (kith_connection_recv_into(connection, &number, sizeof number, &size, KITH_FOREVER) != 0 || number != i)
            return connection;
    }
    return NULL;
}

static void each_end_sends_and_receives_at_the_same_time(void **state)
{
    (void)state;
    void *(*const bodies[])(void *) = { send_many, receive_many, send_many, receive_many };
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, bodies[i], i < 2 ? one : other), 0);
    for (int i = 0; i < 4; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        assert_null(failure);
    }
}

static void a_signal_handler_interrupts_waiting(void **state)
{
    (void)state;
    fill(one, "", 0);
    alarms_on(alarm_ignored, SA_RESTART);
    kith_bytes message;
    int received = kith_connection_recv(one, &message, KITH_FOREVER);
    int polled = kith_connection_poll(one, KITH_FOREVER);
    int sent = kith_connection_send(one, "x", 1, KITH_FOREVER);
    alarms_off();
    assert_code(received, -EINTR);
    assert_code(polled, -EINTR);
    assert_code(sent, -EINTR);
}

/* ---- the end ---- */

static void what_was_sent_before_the_end_is_received(void **state)
{
    (void)state;
    send_text(one, "last");
    kith_connection_close(one);
    assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 1);
    expect_text(other, "last");
    assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 1);
    expect_failure(other, KITH_AT_ONCE, KITH_EEOF);
    expect_failure(other, KITH_NOWAIT, KITH_EEOF);
    expect_failure(other, KITH_FOREVER, KITH_EEOF);
    assert_explained(kith_connection_send(other, "x", 1, KITH_FOREVER), -EPIPE);
    assert_code(kith_connection_close(one), 0);
}

static void a_bell_does_not_hide_the_end(void **state)
{
    (void)state;
    kith_waitable item = { .connection = other };
    assert_int_equal(kith_wait(&item, 1, KITH_NOWAIT), 0); /* from here on, senders ring */
    send_text(one, "x");
    expect_text(other, "x");
    kith_connection_close(one);
    expect_failure(other, KITH_NOWAIT, KITH_EEOF);
}

static void a_bell_is_no_message(void **state)
{
    (void)state;
    kith_waitable item = { .connection = other };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kith_wait(&item, 1, KITH_NOWAIT), 0);
        send_text(one, "x");
        assert_int_equal(kith_wait(&item, 1, KITH_FOREVER), 1);
        expect_text(other, "x");
        assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 0);
        assert_int_equal(kith_wait(&item, 1, KITH_MS(2)), 0);
        expect_failure(other, KITH_MS(2), -ETIMEDOUT);
    }
}

static void sending_to_who_has_just_closed_fails(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) { /* within the time that a sender relies on what it has seen */
        kith_connection *first, *second;
        assert_code(kith_pipe(&first, &second, &shared), 0);
        send_text(first, "x");
        kith_connection_close(second);
        assert_explained(kith_connection_send(first, "x", 1, KITH_NOWAIT), -EPIPE);
        kith_connection_free(first);
        kith_connection_free(second);
    }
}

static int wait_and_close(void *nothing)
{
    wait_to_go();
    kith_connection_close(other);
    wait_to_go();
    return nothing != NULL;
}

/* Sends until it can't. */
static void *send_endlessly(void *code)
{
    say('s');
    do
        *(int *)code = kith_connection_send(one, code, sizeof(int), KITH_FOREVER);
    while (*(int *)code == 0);
    return NULL;
}

static void a_sender_that_waits_learns_of_the_end(void **state)
{
    (void)state;
    for (int kills = 0; kills < 2; kills++) {
        pthread_t sender;
        int code;
        kith_process *child = start(wait_and_close, NULL, &with_other);
        kith_connection_close(other);
        assert_int_equal(pthread_create(&sender, NULL, send_endlessly, &code), 0);
        assert_int_equal(hear(), 's');
        if (kills)
            kith_process_kill(child);
        else
            let_go();
        pthread_join(sender, NULL);
        assert_code(code, -EPIPE);
        if (!kills)
            let_go();
        finish(child, kills ? -SIGKILL : 0);
        kith_connection_free(one);
        kith_connection_free(other);
        assert_code(kith_pipe(&one, &other, &shared), 0);
    }
}

static void the_end_comes_when_the_last_one_who_has_it_ends(void **state)
{
    (void)state;
    kith_process *with = start(wait_and_return, NULL, &with_other);
    kith_process *without = start(say_and_wait, NULL, NULL);
    kith_connection_close(other);
    assert_int_equal(hear(), 'h');
    expect_failure(one, KITH_NOWAIT, -ETIMEDOUT);
    assert_code(kith_process_kill(with), 0);
    expect_failure(one, KITH_FOREVER, KITH_EEOF);
    finish(with, -SIGKILL);
    assert_explained(kith_connection_send(one, "x", 1, KITH_FOREVER), -EPIPE);
    let_go();
    finish(without, 0);
}

static void one_way_goes_one_way(void **state)
{
    (void)state;
    kith_connection *reader, *writer;
    assert_code(kith_pipe(&reader, &writer, &(kith_pipe_options){ .one_way = 1, .shared_memory = 1 }), 0);
    send_text(writer, "x");
    expect_text(reader, "x");
    assert_explained(kith_connection_send(reader, "x", 1, KITH_NOWAIT), -EBADF);
    expect_failure(writer, KITH_NOWAIT, -EBADF);
    expect_failure(reader, KITH_MS(2), -ETIMEDOUT);
    kith_connection_free(writer);
    expect_failure(reader, KITH_NOWAIT, KITH_EEOF);
    kith_connection_free(reader);
}

static void a_closed_handle_says_so(void **state)
{
    (void)state;
    kith_connection_share share;
    kith_connection_close(one);
    expect_failure(one, KITH_NOWAIT, KITH_ECLOSED);
    assert_explained(kith_connection_send(one, "x", 1, KITH_NOWAIT), KITH_ECLOSED);
    assert_explained(kith_connection_poll(one, KITH_NOWAIT), KITH_ECLOSED);
    assert_explained(kith_connection_fd(one), KITH_ECLOSED);
    assert_explained(kith_connection_get_share(one, &share), KITH_ECLOSED);
}

/* ---- several at one end ---- */

static int receive_in_turn(void *nothing)
{
    char byte;
    size_t size;
    while (read(go[0], &byte, 1) == 1 && byte != '.') { /* a lock: who has the byte */
        EXPECT(kith_connection_recv_into(other, &byte, 1, &size, KITH_FOREVER) == 0);
        say(byte);
    }
    return nothing != NULL;
}

static void processes_receive_by_turns(void **state)
{
    (void)state;
    kith_process *children[3];
    for (int i = 0; i < 3; i++)
        children[i] = start(receive_in_turn, NULL, &with_other);
    for (char text = 'a'; text <= 'z'; text++) {
        assert_int_equal(write(go[1], "!", 1), 1);
        assert_code(kith_connection_send(one, &text, 1, KITH_NOWAIT), 0);
        assert_int_equal(hear(), text);
    }
    assert_int_equal(write(go[1], "...", 3), 3);
    for (int i = 0; i < 3; i++)
        finish(children[i], 0);
}

static int poll_and_say(void *nothing)
{
    say('p');
    EXPECT(kith_connection_poll(other, KITH_FOREVER) == 1);
    say('!');
    wait_to_go();
    return nothing != NULL;
}

static void all_who_wait_are_woken(void **state)
{
    (void)state;
    kith_process *children[3];
    for (int i = 0; i < 3; i++)
        children[i] = start(poll_and_say, NULL, &with_other);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hear(), 'p');
    send_text(one, "x");
    for (int i = 0; i < 3; i++)
        assert_int_equal(hear(), '!');
    for (int i = 0; i < 3; i++)
        let_go();
    for (int i = 0; i < 3; i++)
        finish(children[i], 0);
    expect_text(other, "x");
}

/* ---- the descriptor ---- */

static void who_polls_the_descriptor_gets_frames(void **state)
{
    (void)state;
    char bytes[16];
    kith_waitable item = { .connection = other };
    assert_int_equal(kith_wait(&item, 1, KITH_NOWAIT), 0);
    send_text(one, "before"); /* and a bell */
    int fd = kith_connection_fd(other);
    send_text(one, "hello");
    expect_text(other, "before");
    assert_true(readable(fd, 0));
    assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 1);
    assert_int_equal(read(fd, bytes, sizeof bytes), 9);
    assert_memory_equal(bytes, "\0\0\0\5hello", 9);
    assert_false(readable(fd, 0));
    assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 0);
    send_text(other, "back");
    assert_int_equal(read(kith_connection_fd(one), bytes, sizeof bytes), 8);
    assert_int_equal(write(kith_connection_fd(one), "\0\0\0\2hi", 6), 6);
    expect_text(other, "hi");
    expect_failure(other, KITH_NOWAIT, -ETIMEDOUT);
    kith_connection_close(one);
    expect_failure(other, KITH_NOWAIT, KITH_EEOF);
}

static void asked_for_at_first_it_tells_all(void **state)
{
    (void)state;
    int fd = kith_connection_fd(other);
    assert_false(readable(fd, 0));
    send_text(one, "x");
    assert_true(readable(fd, 0));
    expect_text(other, "x");
    assert_false(readable(fd, 0));
}

/* Takes frames, while who sends knows of nothing. */
static void the_descriptor_may_be_asked_for_at_any_time(void **state)
{
    (void)state;
    int count = 20000;
    kith_process *child = start(send_numbers, &count, &with_one);
    kith_connection_close(one);
    for (int i = 0; i < count; i++) {
        int number;
        size_t size;
        if (i == count / 2)
            assert_true(kith_connection_fd(other) >= 0);
        assert_code(kith_connection_recv_into(other, &number, sizeof number, &size, KITH_FOREVER), 0);
        assert_int_equal(number, i);
    }
    expect_failure(other, KITH_FOREVER, KITH_EEOF);
    finish(child, 0);
}

static void descriptors_and_messages_keep_their_order(void **state)
{
    (void)state;
    int fd;
    kith_waitable item = { .connection = other };
    assert_int_equal(kith_wait(&item, 1, KITH_NOWAIT), 0);
    send_text(one, "before");
    assert_code(kith_connection_send_fd(one, living[1], KITH_NOWAIT), 0);
    give_living_away();
    send_text(one, "after");
    assert_explained(kith_connection_recv_fd(other, &fd, KITH_FOREVER), -ENOMSG);
    expect_text(other, "before");
    expect_failure(other, KITH_FOREVER, -ENOMSG);
    assert_code(kith_connection_recv_fd(other, &fd, KITH_FOREVER), 0);
    close(fd);
    wait_until_dead();
    expect_text(other, "after");
    send_text(other, "back");
    expect_text(one, "back");
}

/* ---- handing it over ---- */

static void an_end_is_made_of_its_descriptors(void **state)
{
    (void)state;
    kith_connection_share share;
    kith_connection *copy;
    send_text(one, "before");
    assert_code(kith_connection_get_share(other, &share), 0);
    assert_true(share.socket >= 0 && share.in >= 0 && share.out >= 0);
    assert_code(kith_connection_from_share(&copy, &share), 0);
    kith_connection_close(other);
    assert_int_equal(kith_connection_poll(one, KITH_NOWAIT), 0); /* the other end is there yet */
    expect_text(copy, "before");
    send_text(copy, "back");
    expect_text(one, "back");
    kith_connection_free(copy);
    expect_failure(one, KITH_NOWAIT, KITH_EEOF);
}

static void its_descriptors_tell_its_ways(void **state)
{
    (void)state;
    kith_connection *reader, *writer, *copy;
    kith_connection_share share;
    assert_code(kith_pipe(&reader, &writer, &(kith_pipe_options){ .one_way = 1, .shared_memory = 1 }), 0);
    assert_code(kith_connection_get_share(reader, &share), 0);
    assert_true(share.in >= 0 && share.out == -1);
    assert_code(kith_connection_from_share(&copy, &share), 0);
    assert_explained(kith_connection_send(copy, "x", 1, KITH_NOWAIT), -EBADF);
    kith_connection_free(reader);
    assert_true(kith_connection_fd(writer) >= 0); /* and the copy is told by itself */
    send_text(writer, "x");
    expect_text(copy, "x");
    kith_connection_free(copy);
    kith_connection_free(writer);
}

static void what_is_no_end_is_refused(void **state)
{
    (void)state;
    kith_connection_share share;
    kith_connection *copy = NULL;
    int before = descriptors();
    assert_code(kith_connection_get_share(other, &share), 0);
    assert_explained(kith_connection_from_share(NULL, &share), -EINVAL);
    assert_explained(kith_connection_from_share(&copy, NULL), -EINVAL);
    share.out = share.socket;
    assert_explained(kith_connection_from_share(&copy, &share), -EINVAL);
    share.socket = go[0];
    assert_explained(kith_connection_from_share(&copy, &share), -EINVAL);
    assert_explained(kith_connection_get_share(other, NULL), -EINVAL);
    assert_null(copy);
    assert_int_equal(descriptors(), before);
}

/* ---- at the limits ---- */

static int make_pipe_where_descriptors_are_scarce(void)
{
    kith_connection *first, *second;
    kith_connection_share share;
    kith_bytes message;
    struct rlimit limit;
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 64;
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (dup(0) < 31)
        continue;
    EXPECT(kith_pipe(&first, &second, &shared) == 0);
    EXPECT(kith_connection_get_share(first, &share) == 0 && share.in == -1 && share.out == -1);
    EXPECT(kith_connection_send(first, "x", 1, KITH_NOWAIT) == 0);
    EXPECT(kith_connection_recv(second, &message, KITH_NOWAIT) == 0);
    kith_bytes_free(&message);
    kith_connection_free(first);
    kith_connection_free(second);
    return 0;
}

static void where_descriptors_are_scarce_it_is_a_plain_pipe(void **state)
{
    (void)state;
    assert_int_equal(apart(make_pipe_where_descriptors_are_scarce), 0);
}

#define PIPE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_pipe, tear_down_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PIPE_TEST(messages_keep_their_order_and_bounds),
        PIPE_TEST(messages_of_all_sizes_arrive),
        PIPE_TEST(what_does_not_fit_stays),
        PIPE_TEST(what_exceeds_the_bound_ends_receiving),
        PIPE_TEST(values_go_through),
        PIPE_TEST(receiving_waits_no_longer_than_told),
        PIPE_TEST(senders_wait_for_room),
        PIPE_TEST(a_sender_that_waits_goes_on),
        PIPE_TEST(who_sleeps_is_woken),
        PIPE_TEST(each_end_sends_and_receives_at_the_same_time),
        PIPE_TEST(a_signal_handler_interrupts_waiting),
        PIPE_TEST(what_was_sent_before_the_end_is_received),
        PIPE_TEST(a_bell_does_not_hide_the_end),
        PIPE_TEST(a_bell_is_no_message),
        PIPE_TEST(sending_to_who_has_just_closed_fails),
        PIPE_TEST(a_sender_that_waits_learns_of_the_end),
        PIPE_TEST(the_end_comes_when_the_last_one_who_has_it_ends),
        PIPE_TEST(one_way_goes_one_way),
        PIPE_TEST(a_closed_handle_says_so),
        PIPE_TEST(processes_receive_by_turns),
        PIPE_TEST(all_who_wait_are_woken),
        PIPE_TEST(who_polls_the_descriptor_gets_frames),
        PIPE_TEST(asked_for_at_first_it_tells_all),
        PIPE_TEST(the_descriptor_may_be_asked_for_at_any_time),
        PIPE_TEST(descriptors_and_messages_keep_their_order),
        PIPE_TEST(an_end_is_made_of_its_descriptors),
        PIPE_TEST(its_descriptors_tell_its_ways),
        PIPE_TEST(what_is_no_end_is_refused),
        PIPE_TEST(where_descriptors_are_scarce_it_is_a_plain_pipe),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
