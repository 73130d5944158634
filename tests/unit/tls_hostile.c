/* kith/connection.h: what another side may do to a connection with TLS that OpenSSL lets it do. The other side is
 * OpenSSL, driven by hand. */
#include "apart.h"
#include "certificates.h"
#include "cmocka_kith.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static const struct certificate certificates[] = { { "server", NULL, "IP:127.0.0.1", 86400 } };

static kith_listener *listener;
static kith_connection *server;
static SSL_CTX *context;
static SSL *stranger;
static int stranger_socket;
static int descriptors_before;

static int set_up(void **state)
{
    (void)state;
    descriptors_before = descriptors();
    stranger_socket = -1;
    context = SSL_CTX_new(TLS_client_method());
    return context ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    SSL_free(stranger);
    SSL_CTX_free(context);
    stranger = NULL;
    if (stranger_socket >= 0)
        close(stranger_socket);
    kith_connection_free(server);
    kith_listener_free(listener);
    server = NULL;
    listener = NULL;
    assert_int_equal(descriptors(), descriptors_before);
    return 0;
}

static void listen_with_certificate(void)
{
    const kith_tls_options tls = { .certificate = certificate_path("server", ".pem"),
                                   .key = certificate_path("server", ".key") };
    const kith_listener_options how = { .tls = &tls };
    assert_code(kith_listener_new(&listener, "tcp:127.0.0.1:0", &how), 0);
}

static void *shake_hands(void *nothing)
{
    return SSL_connect(stranger) == 1 ? nothing : stranger;
}

static void stranger_comes(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    pthread_t thread;
    void *failed;
    address.sin_port = htons((uint16_t)atoi(strrchr(kith_listener_address(listener), ':') + 1));
    stranger_socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(stranger_socket, (struct sockaddr *)&address, sizeof address), 0);
    stranger = SSL_new(context);
    assert_int_equal(SSL_set_fd(stranger, stranger_socket), 1);
    assert_int_equal(pthread_create(&thread, NULL, shake_hands, NULL), 0);
    assert_code(kith_listener_accept(listener, &server, KITH_SECONDS(20)), 0);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
}

/* Sends nothing but new keys, as much as there is room for: each is a small record that TLS deals with by itself. */
static void flood_with_keys(void)
{
    enum { RECORDS = 16000 };
    char *bytes;
    BIO *records = BIO_new(BIO_s_mem());
    BIO *socket = BIO_new_socket(stranger_socket, BIO_NOCLOSE);
    assert_non_null(records);
    assert_non_null(socket);
    SSL_set0_wbio(stranger, records);
    for (int i = 0; i < RECORDS; i++) {
        assert_int_equal(SSL_key_update(stranger, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(stranger), 1);
    }
    size_t size = (size_t)BIO_get_mem_data(records, &bytes);
    assert_int_equal(send(stranger_socket, bytes, size, MSG_NOSIGNAL), size);
    SSL_set0_wbio(stranger, socket);
}

/* How much of what the stranger has sent was not received yet, on both sides of the network. */
static int unread(void)
{
    int sent = 0, came = 0;
    assert_int_equal(ioctl(stranger_socket, SIOCOUTQ, &sent), 0);
    assert_int_equal(ioctl(kith_connection_fd(server), FIONREAD, &came), 0);
    return sent + came;
}

static void new_keys_without_end_do_not_outlast_the_timeout(void **state)
{
    (void)state;
    kith_bytes message;
    listen_with_certificate();
    stranger_comes();
    flood_with_keys();
    assert_code(kith_connection_poll(server, KITH_SECONDS(20)), 1);
    assert_explained(kith_connection_recv(server, &message, KITH_NOWAIT), -ETIMEDOUT);
    assert_true(unread() > 0);
    assert_int_equal(SSL_write(stranger, "\0\0\0\5hello", 9), 9);
    assert_code(kith_connection_recv(server, &message, KITH_SECONDS(20)), 0); /* and nothing is lost */
    assert_int_equal(message.size, 5);
    assert_memory_equal(message.data, "hello", 5);
    kith_bytes_free(&message);
}

/* ---- all ---- */

static int make_certificates(void **state)
{
    (void)state;
    return certificates_make(certificates, 1);
}

static int remove_certificates(void **state)
{
    (void)state;
    return certificates_remove(certificates, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(new_keys_without_end_do_not_outlast_the_timeout),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
