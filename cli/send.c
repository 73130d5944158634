/* kith send: sends messages, and prints the answers. */
#include "access.h"
#include "numbers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] = "usage: kith send [OPTION...] ADDRESS [MESSAGE...]\n"
                           "\n"
                           "Connects to the listener at ADDRESS, sends each MESSAGE, and prints the answer to\n"
                           "each. Without a MESSAGE, or where it is '-', the message is what comes from stdin.\n"
                           "\n"
                           "ADDRESS is unix:PATH, unix:@NAME or tcp:HOST:PORT.\n"
                           "\n"
                           "  --text                   a MESSAGE is a text, sent as a str (without a newline at\n"
                           "                           its end, from stdin); the answer is a value, printed as\n"
                           "                           Python shows it. This is the default\n"
                           "  --json                   a MESSAGE is JSON; so is what is printed\n"
                           "  --bytes                  a MESSAGE is sent byte for byte; so is what is printed\n"
                           "  --authkey-file FILE      both sides must prove to have the key in FILE (without a\n"
                           "                           newline at its end)\n"
                           "  --tls                    TLS, with a key made of the authkey\n"
                           "  --tls-authorities FILE   TLS; the listener must have a certificate of one of these\n"
                           "                           (PEM), instead of those that the system believes\n"
                           "  --tls-host NAME          TLS; whose certificate it must be, instead of HOST's\n"
                           "  --tls-certificate FILE   TLS; a certificate to show to the listener\n"
                           "  --tls-key FILE           and its private key; if not in the same file\n"
                           "  --timeout SECONDS        how long connecting may take, and each answer (30)\n"
                           "  --retry                  while nobody listens there yet, try again\n"
                           "  --help                   this\n"
                           "\n"
                           "Ends with status 0 when every answer has come; 1 when something failed; 2 when the\n"
                           "arguments make no sense.\n";

static int run(int count, char **arguments);

const struct command command_send = { "send", "sends a message, and prints the answer", help, run };

enum form { TEXT, JSON, BYTES };

struct options {
    struct access access;
    const char *address;
    enum form form;
    kith_timeout timeout;
    bool retry;
};

/* ---- messages ---- */

/* @return STATUS_GOOD, and then the caller frees the message */
static int read_stdin(kith_bytes *message)
{
    char *data = NULL;
    size_t size = 0, capacity = 0;
    do {
        if (size == capacity) {
            capacity = capacity ? 2 * capacity : 65536;
            char *more = realloc(data, capacity);
            if (!more) {
                free(data);
                return command_fail(&command_send, "no memory for what comes from stdin");
            }
            data = more;
        }
        size += fread(data + size, 1, capacity - size, stdin);
    } while (!feof(stdin) && !ferror(stdin));
    if (ferror(stdin)) {
        free(data);
        return command_fail(&command_send, "stdin: %s", strerror(errno));
    }
    *message = (kith_bytes){ data, size };
    return STATUS_GOOD;
}

static int text_value(kith_arena *arena, const kith_bytes *text, kith_value **value)
{
    *value = kith_value_str_sized(arena, text->data, text->size);
    return *value ? 0 : kith_arena_error(arena);
}

/* @return 0, and then the caller frees the payload; or a code */
static int encode(kith_arena *arena, enum form form, const kith_bytes *message, kith_bytes *payload)
{
    kith_value *value;
    int code =
        form == JSON ? kith_json_read(arena, &value, message->data, message->size) : text_value(arena, message, &value);
    return code < 0 ? code : kith_pickle_write(value, payload, NULL);
}

static int write_out(const kith_bytes *bytes, const char *ending)
{
    fwrite(bytes->data, 1, bytes->size, stdout);
    fputs(ending, stdout);
    return command_flush(&command_send, STATUS_GOOD);
}

static int print_value(kith_arena *arena, enum form form, const kith_bytes *answer)
{
    kith_value *value;
    kith_bytes text;
    int code = kith_pickle_read(arena, &value, answer->data, answer->size, NULL);
    if (code == KITH_EMALFORMED)
        return command_fail(&command_send, "the answer is no pickle (see --bytes): %s", kith_error_detail());
    if (code == 0)
        code = form == JSON ? kith_json_write(value, &text, 0) : kith_value_repr(value, &text, 0);
    if (code < 0)
        return command_fail_code(&command_send, code);
    int status = write_out(&text, "\n");
    kith_bytes_free(&text);
    return status;
}

/* ---- a message and its answer ---- */

/* A listener with an authkey challenges before it answers anything. (An echo server says what it was told.) */
static bool is_challenge(const struct options *options, const kith_bytes *payload, const kith_bytes *answer)
{
    static const char mark[] = "#CHALLENGE#";
    const size_t size = sizeof mark - 1;
    if (options->access.authkey || answer->size < size || memcmp(answer->data, mark, size) != 0)
        return false;
    return payload->size < size || memcmp(payload->data, mark, size) != 0;
}

static int print_answer(kith_arena *arena, const struct options *options, const kith_bytes *payload,
                        const kith_bytes *answer)
{
    if (is_challenge(options, payload, answer))
        return command_fail(&command_send, "the listener wants an authkey: give it with --authkey-file");
    return options->form == BYTES ? write_out(answer, "") : print_value(arena, options->form, answer);
}

static int exchange(kith_connection *connection, kith_arena *arena, const struct options *options,
                    const kith_bytes *payload)
{
    kith_bytes answer;
    int code = kith_connection_send(connection, payload->data, payload->size, options->timeout);
    if (code == 0 || code == -EPIPE) /* why it has closed, it may have said before */
        code = kith_connection_recv(connection, &answer, options->timeout);
    if (code == -ETIMEDOUT)
        return command_fail(&command_send, "no answer in time: see --timeout");
    if (code == KITH_EEOF)
        return command_fail(&command_send, "the other side has closed without an answer");
    if (code < 0)
        return command_fail_code(&command_send, code);
    int status = print_answer(arena, options, payload, &answer);
    kith_bytes_free(&answer);
    return status;
}

static int send_message(kith_connection *connection, kith_arena *arena, const struct options *options,
                        const kith_bytes *message)
{
    kith_bytes payload;
    if (options->form == BYTES)
        return exchange(connection, arena, options, message);
    int code = encode(arena, options->form, message, &payload);
    if (code == KITH_EMALFORMED)
        return command_fail(&command_send, "the message is no JSON: %s", kith_error_detail());
    if (code < 0)
        return command_fail_code(&command_send, code);
    int status = exchange(connection, arena, options, &payload);
    kith_bytes_free(&payload);
    return status;
}

static int send_stdin(kith_connection *connection, kith_arena *arena, const struct options *options)
{
    kith_bytes message = { 0 };
    int status = read_stdin(&message);
    if (status != STATUS_GOOD)
        return status;
    void *data = message.data;
    if (options->form == TEXT && message.size > 0 && ((char *)data)[message.size - 1] == '\n')
        message.size--;
    status = send_message(connection, arena, options, &message);
    free(data);
    return status;
}

static int send_argument(kith_connection *connection, kith_arena *arena, const struct options *options, char *argument)
{
    if (strcmp(argument, "-") == 0)
        return send_stdin(connection, arena, options);
    return send_message(connection, arena, options, &(kith_bytes){ argument, strlen(argument) });
}

static int send_all(kith_connection *connection, kith_arena *arena, const struct options *options, char **messages)
{
    int status = *messages ? STATUS_GOOD : send_stdin(connection, arena, options);
    for (; *messages && status == STATUS_GOOD; messages++) {
        status = send_argument(connection, arena, options, *messages);
        kith_arena_reset(arena);
    }
    return status;
}

static int no_connection(int code)
{
    if (code == -ETIMEDOUT)
        return command_fail(&command_send, "no connection in time (see --timeout): %s", kith_error_detail());
    return command_fail_code(&command_send, code);
}

static int connect_and_send(const struct options *options, char **messages)
{
    const kith_client_options how = {
        .authkey = options->access.authkey,
        .authkey_size = options->access.authkey_size,
        .tls = access_tls(&options->access),
        .retry = options->retry,
    };
    kith_connection *connection = NULL;
    kith_arena *arena;
    int code = kith_arena_new(&arena);
    if (code < 0)
        return command_fail_code(&command_send, code);
    code = kith_connect(&connection, options->address, &how, options->timeout);
    int status = code < 0 ? no_connection(code) : send_all(connection, arena, options, messages);
    kith_connection_free(connection);
    kith_arena_free(arena);
    return status;
}

/* ---- arguments ---- */

enum { TIMEOUT = ACCESS_LAST + 1, RETRY, FORM, HELP = FORM + BYTES + 1 };

static const struct option table[] = {
    ACCESS_OPTIONS,
    { "tls-host", required_argument, NULL, ACCESS_HOST },
    { "text", no_argument, NULL, FORM + TEXT },
    { "json", no_argument, NULL, FORM + JSON },
    { "bytes", no_argument, NULL, FORM + BYTES },
    { "timeout", required_argument, NULL, TIMEOUT },
    { "retry", no_argument, NULL, RETRY },
    { "help", no_argument, NULL, HELP },
    { 0 },
};

static int take_option(struct options *options, int option)
{
    switch (option) {
    case FORM + TEXT:
    case FORM + JSON:
    case FORM + BYTES:
        options->form = (enum form)(option - FORM);
        return STATUS_GOOD;
    case RETRY:
        options->retry = true;
        return STATUS_GOOD;
    case TIMEOUT:
        if (read_seconds(optarg, &options->timeout))
            return STATUS_GOOD;
        return command_misused(&command_send, "--timeout takes a number of seconds above 0, not '%s'", optarg);
    default:
        return access_take(&options->access, option, optarg) ? STATUS_GOOD : command_misused(&command_send, NULL);
    }
}

static int run(int count, char **arguments)
{
    struct options options = { .timeout = KITH_SECONDS(30) };
    int option;
    int status = STATUS_GOOD;
    arguments[0] = (char[]){ "kith send" }; /* what getopt_long begins its messages with */
    while ((option = getopt_long(count, arguments, "", table, NULL)) != -1) {
        if (option == HELP)
            return command_help(&command_send);
        status = take_option(&options, option);
        if (status != STATUS_GOOD)
            return status;
    }
    if (optind == count)
        return command_misused(&command_send, "to which address?");
    options.address = arguments[optind];
    status = access_finish(&options.access, &command_send);
    if (status == STATUS_GOOD)
        status = connect_and_send(&options, arguments + optind + 1);
    access_end(&options.access);
    return status;
}
