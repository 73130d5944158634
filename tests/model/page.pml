/* The page (src/manager/page.[ch]) between one client and the server, and the socket beside it.
 *
 *     the stores to word in client          page_send, page_await, page_free
 *     stop                                  page_stop
 *     take, answer                          page_take, page_answer
 *     the loop in client                    a call: page_client.c
 *     leaving the page, and sleeping        page_leave, page_leave_fence and the look behind it: page_server.c
 *     to_server, to_client                  the socket: what has been sent stays to be received after a death
 *
 * A request is its number; a reply has the number of its request. A request that does not fit, and a request that goes
 * before without its reply being waited for, come whenever the client likes; so does a reply that does not fit. What
 * takes long is a server that does no step. A call by the page takes a message from a queue, as a get.
 *
 * Properties:
 *   - each call gets its own reply, or learns that the server is gone; requests are carried out once, in order
 *   - nobody waits for ever: at the end the server sleeps at the socket, or is gone, and so is the client
 *   - a message that a reply had, and that no call returned, is put back when the client dies, unless the client has
 *     said that it has it; one that a call returned is not
 *   - with PATIENT clients, which spin until the reply is there when they have seen that the page is attended behind
 *     their request: the same. So they never spin for a server that sleeps
 *
 * Parameters: CALLS; DEATHS: 0, or 1, of either; PATIENT. */
#define FREE 0
#define REQUEST 1
#define TAKEN 2
#define REPLY 3
#define SOCKET 4

byte word, data; /* the page */
bool attended;

chan to_server = [2] of { byte };
chan to_client = [2] of { byte };
bool client_gone, server_gone;

byte carried_out; /* the rest is for the properties alone: the number of the last request */
byte returned;    /* of the last call that returned */
byte received;    /* of the last reply that the client has said it has */
byte held;        /* the message that a reply by the page had, until the next request */
byte put_back;

#define STEP(action)                       \
    if                                     \
    :: atomic { action }                   \
    :: mortal -> goto dying                \
    fi

/* ---- the client ---- */

inline send_by_socket(number)
{
    STEP(
        if
        :: server_gone -> goto ending
        :: else -> to_server!number
        fi)
}

inline receive_by_socket()
{
    if
    :: atomic { to_client?got -> skip }
    :: atomic { server_gone && empty(to_client) -> goto ending }
    :: mortal -> goto dying
    fi
}

/* got: the state that the page is in, when this does not change it */
inline stop()
{
    STEP(
        if
#ifdef MUTANT_TAKEN_BACK_BY_STORE
        :: word != REPLY -> word = FREE; got = FREE
#else
        :: word == REQUEST -> word = FREE; got = FREE
        :: word == TAKEN -> word = SOCKET; got = SOCKET
#endif
        :: else -> got = word
        fi)
}

#ifdef PATIENT
#define ENOUGH (!attended_seen)
#else
#define ENOUGH true
#endif

inline spin()
{
    if
    :: word == REPLY || word == SOCKET
    :: ENOUGH
    :: mortal -> goto dying
    fi;
    stop()
}

/* What has become of a request that is in the page, or whose reply is awaited there. */
inline receive()
{
    if
    :: got == REPLY ->
        STEP(assert(data == number));
#ifdef MUTANT_RETURNS_BEFORE_FREE
        STEP(returned = number);
        STEP(word = FREE; received = number)
#else
        STEP(word = FREE; received = number);
        STEP(returned = number)
#endif
    :: got == SOCKET ->
        receive_by_socket();
        assert(got == number);
        STEP(word = FREE; returned = number; received = number)
    :: got == FREE -> send_by_socket(number); owed++
    :: else -> assert(false)
    fi
}

proctype client(bool mortal)
{
    byte calls = CALLS, number = 0, owed = 0, got = 0;
    bool attended_seen = false;
    do
    :: calls == 0 -> goto ending
    :: else ->
        calls--;
        number++;
        STEP(attended_seen = attended);
        if
#ifdef MUTANT_OWED
        :: attended_seen ->
#else
        :: attended_seen && owed == 0 ->
#endif
            STEP(data = number);
            STEP(word = REQUEST);
#ifndef MUTANT_NO_LOOK_AT_ATTENDED
            STEP(attended_seen = attended);
#endif
            spin();
            receive()
        :: !attended_seen && owed == 0 -> /* the request by the socket, the reply by the page */
            STEP(word = TAKEN);
            send_by_socket(number);
            spin();
            receive()
        :: true -> send_by_socket(number); owed++ /* it does not fit, or the page is left alone */
        fi;
        /* Without waiting for the reply, when another call follows. */
        if
        :: calls > 0 && owed == 1
        :: true ->
            do
            :: owed == 0 -> break
            :: else ->
                receive_by_socket();
                owed--;
                assert(got == number - owed);
                STEP(returned = got; received = got)
            od
        fi
    od;
dying:
ending:
    client_gone = true
}

/* ---- the server ---- */

inline carry_out(number)
{
    STEP(assert(number == carried_out + 1); carried_out = number; held = 0)
}

inline answer()
{
    STEP(
        if
        :: word == TAKEN -> fits = true
        :: true -> fits = false
        fi);
    if
    :: fits -> STEP(data = number)
    :: else
    fi;
    STEP(
        if
#ifdef MUTANT_ANSWERED_BY_STORE
        :: fits -> word = REPLY; held = number
#else
        :: fits && word == TAKEN -> word = REPLY; held = number
        :: fits && word != TAKEN -> fits = false
#endif
        :: !fits && word == TAKEN -> word = SOCKET
        :: else
        fi);
    if
    :: fits || client_gone
    :: else -> STEP(to_client!number)
    fi
}

/* done: whether there was a request in the page */
inline take()
{
    STEP(
        done = (word == REQUEST);
        if
        :: done -> word = TAKEN
        :: else
        fi);
    if
    :: done ->
        STEP(number = data);
        carry_out(number);
        answer()
    :: else
    fi
}

proctype server(bool mortal)
{
    byte number = 0;
    bool done = false, fits = false;
    do
    :: atomic { to_server?number -> skip }
        carry_out(number);
        STEP(attended = true);
        answer()
    :: attended -> take()
    :: attended && empty(to_server) -> /* it has looked often enough */
#ifndef MUTANT_SLEEPS_ATTENDING
        STEP(attended = false);
#endif
#ifndef MUTANT_NO_LOOK_AGAIN
        take();
#endif
        if
        :: atomic { nempty(to_server) || client_gone -> skip } /* asleep */
        :: mortal -> goto dying
        fi
    :: !attended && empty(to_server) && client_gone -> break
    od;
    /* The end of the line. */
    STEP(
        if
        :: held != 0 && word == REPLY -> put_back = held
        :: else
        fi);
    goto over;
dying:
    server_gone = true;
over:
    skip
}

/* ---- all together ---- */

init {
    bool mortal_client = false, mortal_server = false;
    atomic {
        if
        :: DEATHS > 0 -> mortal_client = true
        :: DEATHS > 0 -> mortal_server = true
        :: true
        fi;
        run client(mortal_client);
        run server(mortal_server)
    }
    timeout -> atomic {
        assert(client_gone);
        assert(server_gone || mortal_client || returned == CALLS);
        assert(server_gone || mortal_client || _nr_pr == 1);
        /* what was handed over by the page and not received is put back, and what was returned is not */
        assert(put_back == 0 || put_back > returned);
        assert(server_gone || held == 0 || held <= received || put_back == held)
    }
}
