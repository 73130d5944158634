/* kith/connection.h: TLS: who gets in and who does not, with certificates and with a key made of the authkey; and what
 * differs from a plain connection once one is in. */
#include "apart.h"
#include "certificates.h"
#include "cmocka_kith.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

enum { DAY = 86400 };

static const struct certificate certificates[] = {
    { "authority", NULL, NULL, DAY },
    { "stranger", NULL, NULL, DAY },
    { "server", "authority", "DNS:localhost,IP:127.0.0.1", DAY },
    { "elsewhere", "authority", "DNS:elsewhere.example,IP:192.0.2.1", DAY },
    { "expired", "authority", "DNS:localhost,IP:127.0.0.1", -3600 },
    { "client", "authority", NULL, DAY },
    { "strange-client", "stranger", NULL, DAY },
    { "presumptuous", "client", NULL, DAY }, /* signed by one that is no authority */
};
enum { CERTIFICATES = sizeof certificates / sizeof *certificates };

static const char KEY[] = "sixteen letters.";
static const char OTHER_KEY[] = "sixteen letters!";

/* ---- meetings: one listener, one client ---- */

static kith_listener *listener;
static kith_connection *server;
static kith_connection *client;
static kith_listener_stats stats;
static int accepted;
static int descriptors_before;

static int set_up(void **state)
{
    (void)state;
    descriptors_before = descriptors();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kith_connection_free(server);
    kith_connection_free(client);
    kith_listener_free(listener);
    server = client = NULL;
    listener = NULL;
    assert_int_equal(descriptors(), descriptors_before);
    return 0;
}

static kith_tls_options certificate_of(const char *name)
{
    return (kith_tls_options){ .certificate = certificate_path(name, ".pem"), .key = certificate_path(name, ".key") };
}

static kith_tls_options believing(const char *name)
{
    return (kith_tls_options){ .authorities = certificate_path(name, ".pem") };
}

static const kith_tls_options by_key = { .from_authkey = 1 };

/* What each side has: TLS or NULL, an authkey or NULL. */
struct side {
    const kith_tls_options *tls;
    const char *key;
};

static int listen_with(struct side side, kith_timeout patience)
{
    return kith_listener_new(&listener, "tcp:127.0.0.1:0",
                             &(kith_listener_options){
                                 .tls = side.tls,
                                 .authkey = side.key,
                                 .authkey_size = side.key ? strlen(side.key) : 0,
                                 .handshake_timeout = patience,
                             });
}

static int connect_with(struct side side, kith_timeout timeout)
{
    return kith_connect(&client, kith_listener_address(listener),
                        &(kith_client_options){
                            .tls = side.tls,
                            .authkey = side.key,
                            .authkey_size = side.key ? strlen(side.key) : 0,
                        },
                        timeout);
}

/* Until the one client is in, or has failed. */
static void *receive_client(void *nothing)
{
    do {
        accepted = kith_listener_accept(listener, &server, KITH_MS(10));
        if (kith_listener_get_stats(listener, &stats) < 0)
            break;
    } while (accepted == -ETIMEDOUT && stats.refused + stats.gone + stats.timed_out == 0);
    return nothing;
}

/* @return what kith_connect said; `accepted` and `stats` say how the server saw it */
static int meet_in(struct side there, struct side here, kith_timeout patience, kith_timeout timeout)
{
    pthread_t thread;
    assert_code(listen_with(there, patience), 0);
    assert_int_equal(pthread_create(&thread, NULL, receive_client, NULL), 0);
    int code = connect_with(here, timeout);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return code;
}

static int meet(struct side there, struct side here)
{
    return meet_in(there, here, 0, KITH_SECONDS(20));
}

static void send_text(kith_connection *connection, const char *text)
{
    assert_code(kith_connection_send(connection, text, strlen(text), KITH_SECONDS(20)), 0);
}

static void expect_text(kith_connection *connection, const char *text)
{
    kith_bytes message;
    assert_code(kith_connection_recv(connection, &message, KITH_SECONDS(20)), 0);
    assert_int_equal(message.size, strlen(text));
    assert_memory_equal(message.data, text, message.size);
    kith_bytes_free(&message);
}

static void expect_failure(kith_connection *connection, int code)
{
    kith_bytes message;
    assert_explained(kith_connection_recv(connection, &message, KITH_SECONDS(20)), code);
}

static void expect_detail(const char *part)
{
    if (!strstr(kith_error_detail(), part))
        fail_msg("the detail does not say \"%s\": %s", part, kith_error_detail());
}

static void they_talk(void)
{
    assert_code(accepted, 0);
    send_text(client, "there");
    expect_text(server, "there");
    send_text(server, "and back");
    expect_text(client, "and back");
}

static void meet_and_talk(struct side there, struct side here)
{
    assert_code(meet(there, here), 0);
    they_talk();
}

/* Neither side gets a connection. */
static void meet_in_vain(struct side there, struct side here, const char *why)
{
    assert_explained(meet(there, here), KITH_ETLS);
    expect_detail(why);
    assert_null(client);
    assert_null(server);
    assert_int_equal(stats.refused + stats.gone, 1);
}

/* ---- certificates ---- */

static void a_client_believes_a_server_of_its_authority(void **state)
{
    (void)state;
    kith_tls_options there = certificate_of("server");
    kith_tls_options here = believing("authority");
    meet_and_talk((struct side){ &there, NULL }, (struct side){ &here, NULL });
}

static void certificates_go_with_an_authkey(void **state)
{
    (void)state;
    kith_tls_options there = certificate_of("server");
    kith_tls_options here = believing("authority");
    meet_and_talk((struct side){ &there, "k" }, (struct side){ &here, "k" });
}

static void an_authkey_that_differs_is_refused_inside_tls(void **state)
{
    (void)state;
    kith_tls_options there = certificate_of("server");
    kith_tls_options here = believing("authority");
    assert_explained(meet((struct side){ &there, "k" }, (struct side){ &here, "l" }), KITH_EAUTH);
    assert_int_equal(stats.refused, 1);
}

static void a_certificate_is_for_names_too(void **state)
{
    (void)state;
    kith_tls_options there = certificate_of("server");
    kith_tls_options here = believing("authority");
    here.host = "localhost";
    meet_and_talk((struct side){ &there, NULL }, (struct side){ &here, NULL });
}

static void a_server_of_another_authority_is_refused(void **state)
{
    (void)state;
    kith_tls_options there = certificate_of("server");
    kith_tls_options here = believing("stranger");
    meet_in_vain((struct side){ &there, NULL }, (struct side){ &here, NULL }, "kith_tls_options.authorities");
}

static void a_server_that_only_believes_itself_is_refused_by_the_system(void **state)
{
    (void)state;
    kith_tls_options there = certificate_of("authority");
    kith_tls_options here = { .host = "localhost" };
    meet_in_vain((struct side){ &there, NULL }, (struct side){ &here, NULL }, "self-signed certificate");
}

static void an_expired_certificate_is_refused(void **state)
{
    (void)state;
    kith_tls_options there = certificate_of("expired");
    kith_tls_options here = believing("authority");
    meet_in_vain((struct side){ &there, NULL }, (struct side){ &here, NULL }, "has expired");
}

static void another_address_is_refused(void **state)
{
    (void)state;
    kith_tls_options there = certificate_of("elsewhere");
    kith_tls_options here = believing("authority");
    meet_in_vain((struct side){ &there, NULL }, (struct side){ &here, NULL }, "IP address mismatch");
}

static void another_name_is_refused(void **state)
{
    (void)state;
    kith_tls_options there = certificate_of("server");
    kith_tls_options here = believing("authority");
    here.host = "elsewhere.example";
    meet_in_vain((struct side){ &there, NULL }, (struct side){ &here, NULL }, "hostname mismatch");
}

/* ---- certificates of clients ---- */

static kith_tls_options demanding(const char *authority)
{
    kith_tls_options options = certificate_of("server");
    options.authorities = certificate_path(authority, ".pem");
    return options;
}

static kith_tls_options presenting(const char *name)
{
    kith_tls_options options = certificate_of(name);
    options.authorities = certificate_path("authority", ".pem");
    return options;
}

static void a_server_may_demand_certificates_of_clients(void **state)
{
    (void)state;
    kith_tls_options there = demanding("authority");
    kith_tls_options here = presenting("client");
    meet_and_talk((struct side){ &there, NULL }, (struct side){ &here, NULL });
}

static void a_client_without_a_certificate_learns_it_when_receiving(void **state)
{
    (void)state;
    kith_tls_options there = demanding("authority");
    kith_tls_options here = believing("authority");
    assert_code(meet((struct side){ &there, NULL }, (struct side){ &here, NULL }), 0);
    assert_int_equal(stats.refused, 1);
    expect_failure(client, KITH_ETLS);
    expect_detail("certificate required");
    expect_failure(client, KITH_ETLS);
}

static void a_client_with_an_authkey_learns_it_when_connecting(void **state)
{
    (void)state;
    kith_tls_options there = demanding("authority");
    kith_tls_options here = believing("authority");
    meet_in_vain((struct side){ &there, KEY }, (struct side){ &here, KEY }, "certificate required");
}

static void a_server_may_take_a_single_client(void **state)
{
    (void)state;
    kith_tls_options there = demanding("client");
    kith_tls_options here = presenting("client");
    meet_and_talk((struct side){ &there, NULL }, (struct side){ &here, NULL });
}

static void whom_a_client_has_signed_is_refused(void **state)
{
    (void)state;
    kith_tls_options there = demanding("client");
    kith_tls_options here = presenting("presumptuous");
    meet_in_vain((struct side){ &there, KEY }, (struct side){ &here, KEY }, "refuses");
}

static void a_client_of_another_authority_is_refused(void **state)
{
    (void)state;
    kith_tls_options there = demanding("authority");
    kith_tls_options here = presenting("strange-client");
    meet_in_vain((struct side){ &there, KEY }, (struct side){ &here, KEY }, "unknown CA");
}

/* ---- files ---- */

static void expect_no_listener(kith_tls_options tls, const char *why)
{
    assert_explained(listen_with((struct side){ &tls, NULL }, 0), KITH_ETLS);
    expect_detail(why);
    assert_null(listener);
}

static void files_that_are_wrong_are_named(void **state)
{
    (void)state;
    kith_tls_options tls = certificate_of("server");
    tls.key = certificate_path("client", ".key");
    expect_no_listener(tls, "client.key does not hold the certificate's key");
    tls.key = certificate_path("nowhere", ".key");
    expect_no_listener(tls, "nowhere.key can't be read");
    tls = certificate_of("server");
    tls.certificate = certificate_path("server", ".key");
    expect_no_listener(tls, "server.key does not hold a certificate");
    tls = certificate_of("server");
    tls.authorities = certificate_path("server", ".key");
    expect_no_listener(tls, "server.key does not hold certificates");
}

static void a_key_may_be_in_the_certificates_file(void **state)
{
    (void)state;
    char both[128];
    snprintf(both, sizeof both, "%s", certificate_path("both", ".pem"));
    X509 *certificate = certificate_load("server", ".pem", 0);
    EVP_PKEY *key = certificate_load("server", ".key", 1);
    FILE *file = fopen(both, "w");
    assert_non_null(file);
    assert_true(PEM_write_X509(file, certificate) && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    assert_int_equal(fclose(file), 0);
    X509_free(certificate);
    EVP_PKEY_free(key);
    kith_tls_options tls = { .certificate = both };
    int code = listen_with((struct side){ &tls, NULL }, 0);
    unlink(both);
    assert_code(code, 0);
}

/* It must not be asked for at the terminal, where there may be none, or somebody else's. */
static void a_key_with_a_passphrase_is_refused(void **state)
{
    (void)state;
    char locked[128];
    snprintf(locked, sizeof locked, "%s", certificate_path("locked", ".key"));
    EVP_PKEY *key = certificate_load("server", ".key", 1);
    FILE *file = fopen(locked, "w");
    assert_non_null(file);
    assert_true(PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL));
    assert_int_equal(fclose(file), 0);
    EVP_PKEY_free(key);
    kith_tls_options tls = certificate_of("server");
    tls.key = locked;
    int code = listen_with((struct side){ &tls, NULL }, 0);
    unlink(locked);
    assert_explained(code, KITH_ETLS);
    expect_detail("without a passphrase");
}

static void options_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    const kith_tls_options nothing = { 0 };
    kith_tls_options both = certificate_of("server");
    both.from_authkey = 1;
    assert_explained(listen_with((struct side){ &nothing, NULL }, 0), -EINVAL);
    assert_explained(listen_with((struct side){ &both, KEY }, 0), -EINVAL);
    assert_explained(listen_with((struct side){ &by_key, NULL }, 0), -EINVAL);
    kith_tls_options tls = { .key = certificate_path("client", ".key") };
    assert_code(listen_with((struct side){ NULL, NULL }, 0), 0);
    assert_explained(connect_with((struct side){ &tls, NULL }, KITH_SECONDS(20)), -EINVAL);
    const char *const hosts[] = { "", ".", ".example" }; /* OpenSSL would take them for all, or many */
    for (int i = 0; i < 3; i++) {
        tls = (kith_tls_options){ .host = hosts[i] };
        assert_explained(connect_with((struct side){ &tls, NULL }, KITH_SECONDS(20)), -EINVAL);
    }
}

/* ---- a key instead ---- */

static void the_same_authkey_lets_in(void **state)
{
    (void)state;
    meet_and_talk((struct side){ &by_key, KEY }, (struct side){ &by_key, KEY });
}

static void another_authkey_does_not(void **state)
{
    (void)state;
    meet_in_vain((struct side){ &by_key, KEY }, (struct side){ &by_key, OTHER_KEY }, "the same authkey");
    assert_int_equal(stats.refused, 1);
}

static void a_short_authkey_is_refused(void **state)
{
    (void)state;
    assert_explained(listen_with((struct side){ &by_key, "fifteen letters" }, 0), -EINVAL);
    assert_code(listen_with((struct side){ &by_key, KEY }, 0), 0);
    assert_explained(connect_with((struct side){ &by_key, "fifteen letters" }, KITH_SECONDS(20)), -EINVAL);
}

/* A certificate that the client would believe in other circumstances does not stand in for the key. */
static void a_certificate_does_not_stand_in_for_the_key(void **state)
{
    (void)state;
    kith_tls_options there = certificate_of("server");
    assert_int_equal(setenv("SSL_CERT_FILE", certificate_path("authority", ".pem"), 1), 0);
    meet_in_vain((struct side){ &there, KEY }, (struct side){ &by_key, KEY }, "from_authkey");
    assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
}

static void a_client_that_wants_a_certificate_gets_no_key(void **state)
{
    (void)state;
    kith_tls_options here = believing("authority");
    meet_in_vain((struct side){ &by_key, KEY }, (struct side){ &here, KEY }, "from_authkey");
}

/* ---- TLS on one side only ---- */

static void a_plain_listener_is_no_tls(void **state)
{
    (void)state;
    assert_explained(meet((struct side){ NULL, KEY }, (struct side){ &by_key, KEY }), KITH_ETLS);
    expect_detail("from_authkey");
}

static void a_plain_client_with_an_authkey_waits_in_vain(void **state)
{
    (void)state;
    assert_explained(meet_in((struct side){ &by_key, KEY }, (struct side){ NULL, KEY }, KITH_MS(50), KITH_SECONDS(20)),
                     KITH_EEOF);
    assert_int_equal(stats.timed_out, 1);
}

static void what_a_plain_client_says_is_refused(void **state)
{
    (void)state;
    kith_tls_options there = certificate_of("server");
    pthread_t thread;
    assert_code(listen_with((struct side){ &there, NULL }, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, receive_client, NULL), 0);
    assert_code(connect_with((struct side){ NULL, NULL }, KITH_SECONDS(20)), 0);
    send_text(client, "hello");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(stats.refused, 1);
}

static void a_client_waits_for_tls_no_longer_than_told(void **state)
{
    (void)state;
    kith_tls_options here = believing("authority");
    assert_code(meet_in((struct side){ NULL, NULL }, (struct side){ &here, NULL }, 0, KITH_MS(50)), -ETIMEDOUT);
    assert_null(client);
}

/* ---- once it is in ---- */

static void meet_by_key(void)
{
    assert_code(meet((struct side){ &by_key, KEY }, (struct side){ &by_key, KEY }), 0);
    assert_code(accepted, 0);
}

static void *send_large(void *connection)
{
    const size_t size = (size_t)8 << 20;
    unsigned char *data = malloc(size);
    int code = -ENOMEM;
    for (size_t i = 0; data && i < size; i++)
        data[i] = (unsigned char)(i * 2654435761U >> 24);
    if (data)
        code = kith_connection_send(connection, data, size, KITH_SECONDS(60));
    free(data);
    return (void *)(intptr_t)code;
}

static void expect_large(kith_connection *connection)
{
    kith_bytes message;
    assert_code(kith_connection_recv(connection, &message, KITH_SECONDS(60)), 0);
    assert_int_equal(message.size, (size_t)8 << 20);
    size_t same = 0;
    while (same < message.size && ((unsigned char *)message.data)[same] == (unsigned char)(same * 2654435761U >> 24))
        same++;
    assert_int_equal(same, message.size);
    kith_bytes_free(&message);
}

static void *receive_large(void *connection)
{
    expect_large(connection);
    return NULL;
}

static void large_messages_go_both_ways_at_the_same_time(void **state)
{
    (void)state;
    pthread_t threads[3];
    void *code;
    meet_by_key();
    assert_int_equal(pthread_create(&threads[0], NULL, send_large, client), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, send_large, server), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, receive_large, client), 0);
    expect_large(server);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], &code), 0);
        assert_code((int)(intptr_t)code, 0);
    }
}

static void messages_of_all_sizes_arrive(void **state)
{
    (void)state;
    static char text[40000];
    memset(text, 'x', sizeof text - 1);
    const size_t sizes[] = { 0, 1, 2, 16379, 16380, 16381, 16384, 32764, 32765, sizeof text - 1 };
    meet_by_key();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        text[sizes[i]] = '\0';
        send_text(client, text);
        expect_text(server, text);
        text[sizes[i]] = 'x';
    }
}

static void messages_of_a_byte_go_side_by_side(void **state)
{
    (void)state;
    meet_by_key();
    for (int turn = 0; turn < 20; turn++) {
        for (int i = 0; i < 100; i++)
            send_text(client, (char[]){ (char)('a' + i % 26), '\0' });
        for (int i = 0; i < 100; i++)
            expect_text(server, (char[]){ (char)('a' + i % 26), '\0' });
    }
}

static void what_is_sent_is_not_to_be_seen(void **state)
{
    (void)state;
    char seen[1000];
    meet_by_key();
    send_text(client, "words for nobody else");
    assert_code(kith_connection_poll(server, KITH_SECONDS(20)), 1);
    ssize_t size = recv(kith_connection_fd(server), seen, sizeof seen, MSG_PEEK);
    assert_true(size > 21);
    assert_null(memmem(seen, (size_t)size, "words", 5));
    expect_text(server, "words for nobody else");
}

/* TLS has read both from the socket, which no longer tells of the second. */
static void a_message_that_tls_has_read_already_is_found(void **state)
{
    (void)state;
    meet_by_key();
    send_text(client, "first");
    send_text(client, "second");
    expect_text(server, "first");
    assert_code(kith_connection_poll(server, KITH_SECONDS(20)), 1);
    kith_waitable wanted = { .connection = server };
    assert_code(kith_wait(&wanted, 1, KITH_SECONDS(20)), 1);
    expect_text(server, "second");
    assert_code(kith_connection_poll(server, KITH_NOWAIT), 0);
}

static void *connect_and_send(void *nothing)
{
    if (connect_with((struct side){ &by_key, KEY }, KITH_SECONDS(20)) == 0)
        (void)!kith_connection_send(client, "early", 5, KITH_SECONDS(20));
    return nothing;
}

/* The server sees the end of the handshake only when a message has come with it. */
static void a_message_that_comes_with_the_handshake_is_found(void **state)
{
    (void)state;
    pthread_t thread;
    int joined;
    assert_code(listen_with((struct side){ &by_key, KEY }, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, connect_and_send, NULL), 0);
    do {
        struct timespec soon;
        accepted = kith_listener_accept(listener, &server, KITH_NOWAIT);
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 20000000;
        soon.tv_sec += soon.tv_nsec / 1000000000;
        soon.tv_nsec %= 1000000000;
        joined = pthread_timedjoin_np(thread, NULL, &soon);
    } while (joined == ETIMEDOUT);
    assert_int_equal(joined, 0);
    if (!server)
        assert_code(kith_listener_accept(listener, &server, KITH_SECONDS(20)), 0);
    assert_code(kith_connection_poll(server, KITH_SECONDS(20)), 1);
    expect_text(server, "early");
}

static void what_has_no_room_is_not_sent_at_all(void **state)
{
    (void)state;
    char message[1000] = "a thousand bytes";
    int sent = 0;
    int code;
    meet_by_key();
    while ((code = kith_connection_send(client, message, sizeof message, KITH_NOWAIT)) == 0)
        sent++;
    assert_code(code, -ETIMEDOUT);
    for (int i = 0; i < sent; i++) {
        size_t size;
        assert_code(kith_connection_recv_into(server, message, sizeof message, &size, KITH_SECONDS(20)), 0);
        assert_int_equal(size, sizeof message);
    }
    send_text(client, "another");
    expect_text(server, "another");
}

static void descriptors_do_not_go_through_tls(void **state)
{
    (void)state;
    int fd;
    meet_by_key();
    assert_explained(kith_connection_send_fd(client, 0, KITH_SECONDS(20)), -ENOTSUP);
    assert_explained(kith_connection_recv_fd(server, &fd, KITH_SECONDS(20)), -ENOTSUP);
}

/* ---- the end ---- */

static void a_close_is_a_goodbye(void **state)
{
    (void)state;
    meet_by_key();
    send_text(client, "last words");
    assert_code(kith_connection_close(client), 0);
    expect_text(server, "last words");
    expect_failure(server, KITH_EEOF);
    expect_failure(server, KITH_EEOF);
}

static void expect_renewal(const char *text)
{
    pthread_t thread;
    kith_connection_free(server);
    server = NULL;
    assert_int_equal(pthread_create(&thread, NULL, receive_client, NULL), 0);
    send_text(client, text);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_code(accepted, 0);
    expect_text(server, text);
    they_talk();
}

static void a_lost_connection_is_made_anew(void **state)
{
    (void)state;
    pthread_t thread;
    const kith_client_options how = { .authkey = KEY, .authkey_size = strlen(KEY), .tls = &by_key, .reconnect = 1 };
    assert_code(listen_with((struct side){ &by_key, KEY }, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, receive_client, NULL), 0);
    assert_code(kith_connect(&client, kith_listener_address(listener), &how, KITH_SECONDS(20)), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    they_talk();
    assert_code(kith_connection_close(server), 0);
    expect_failure(client, KITH_EEOF);
    expect_renewal("there again");
    assert_int_equal(send(kith_connection_fd(server), "what is no TLS", 14, MSG_NOSIGNAL), 14);
    expect_failure(client, KITH_ETLS);
    expect_renewal("and again");
}

static int connect_and_die(void)
{
    EXPECT(connect_with((struct side){ &by_key, KEY }, KITH_SECONDS(20)) == 0);
    EXPECT(kith_connection_send(client, "last words", 10, KITH_SECONDS(20)) == 0);
    return raise(SIGKILL);
}

static void a_death_is_none(void **state)
{
    (void)state;
    assert_code(listen_with((struct side){ &by_key, KEY }, 0), 0);
    pid_t pid = apart_start(connect_and_die);
    receive_client(NULL);
    assert_int_equal(apart_wait(pid), -SIGKILL);
    assert_code(accepted, 0);
    expect_text(server, "last words");
    expect_failure(server, KITH_ETRUNCATED);
    expect_detail("goodbye");
}

static int use_what_is_inherited(void)
{
    kith_bytes message;
    EXPECT(kith_connection_send(client, "child", 5, KITH_SECONDS(20)) == KITH_ECLOSED);
    EXPECT(strstr(kith_error_detail(), "keys can't be shared"));
    EXPECT(kith_connection_recv(client, &message, KITH_SECONDS(20)) == KITH_ECLOSED);
    kith_connection_free(client);
    kith_connection_free(server);
    client = server = NULL;
    return 0;
}

static void a_child_neither_uses_nor_ends_it(void **state)
{
    (void)state;
    meet_by_key();
    send_text(server, "for the parent");
    assert_int_equal(apart(use_what_is_inherited), 0);
    expect_text(client, "for the parent");
    send_text(client, "still here");
    expect_text(server, "still here");
}

/* ---- all ---- */

static int make_certificates(void **state)
{
    (void)state;
    return certificates_make(certificates, CERTIFICATES);
}

static int remove_certificates(void **state)
{
    (void)state;
    return certificates_remove(certificates, CERTIFICATES);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_believes_a_server_of_its_authority),
        TEST(certificates_go_with_an_authkey),
        TEST(an_authkey_that_differs_is_refused_inside_tls),
        TEST(a_certificate_is_for_names_too),
        TEST(a_server_of_another_authority_is_refused),
        TEST(a_server_that_only_believes_itself_is_refused_by_the_system),
        TEST(an_expired_certificate_is_refused),
        TEST(another_address_is_refused),
        TEST(another_name_is_refused),
        TEST(a_server_may_demand_certificates_of_clients),
        TEST(a_client_without_a_certificate_learns_it_when_receiving),
        TEST(a_client_with_an_authkey_learns_it_when_connecting),
        TEST(a_server_may_take_a_single_client),
        TEST(whom_a_client_has_signed_is_refused),
        TEST(a_client_of_another_authority_is_refused),
        TEST(files_that_are_wrong_are_named),
        TEST(a_key_may_be_in_the_certificates_file),
        TEST(a_key_with_a_passphrase_is_refused),
        TEST(options_that_contradict_each_other_are_refused),
        TEST(the_same_authkey_lets_in),
        TEST(another_authkey_does_not),
        TEST(a_short_authkey_is_refused),
        TEST(a_certificate_does_not_stand_in_for_the_key),
        TEST(a_client_that_wants_a_certificate_gets_no_key),
        TEST(a_plain_listener_is_no_tls),
        TEST(a_plain_client_with_an_authkey_waits_in_vain),
        TEST(what_a_plain_client_says_is_refused),
        TEST(a_client_waits_for_tls_no_longer_than_told),
        TEST(large_messages_go_both_ways_at_the_same_time),
        TEST(messages_of_all_sizes_arrive),
        TEST(messages_of_a_byte_go_side_by_side),
        TEST(what_is_sent_is_not_to_be_seen),
        TEST(a_message_that_tls_has_read_already_is_found),
        TEST(a_message_that_comes_with_the_handshake_is_found),
        TEST(what_has_no_room_is_not_sent_at_all),
        TEST(descriptors_do_not_go_through_tls),
        TEST(a_close_is_a_goodbye),
        TEST(a_lost_connection_is_made_anew),
        TEST(a_death_is_none),
        TEST(a_child_neither_uses_nor_ends_it),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
