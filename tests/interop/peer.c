/* The C side of the tests against stock Python: each subcommand does one thing that shared_memory.py asks for, and
 * prints what came of it. */
#include <kith/kith.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int must(int code, const char *what)
{
    if (code >= 0)
        return code;
    printf("%s: %s %s\n", what, kith_error_name(code), kith_error_detail());
    exit(1);
}

#define MUST(call) must(call, #call)

static void print_hex(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        printf("%02x", ((const unsigned char *)data)[i]);
    putchar('\n');
}

/* ---- segments ---- */

static void segment_create(char **arguments)
{
    kith_segment *segment;
    MUST(kith_segment_open(&segment, arguments[0], KITH_CREATE, strtoul(arguments[1], NULL, 10)));
    strcpy(kith_segment_data(segment), arguments[2]);
    puts(kith_segment_name(segment));
    kith_segment_free(segment);
}

static void segment_make_up(char **arguments)
{
    (void)arguments;
    kith_segment *segment;
    MUST(kith_segment_open(&segment, NULL, KITH_CREATE, 10));
    puts(kith_segment_name(segment));
    kith_segment_free(segment);
}

static void segment_print(char **arguments)
{
    kith_segment *segment;
    MUST(kith_segment_open(&segment, arguments[0], KITH_OPEN, 0));
    print_hex(kith_segment_data(segment), kith_segment_size(segment));
    kith_segment_free(segment);
}

static void segment_write(char **arguments)
{
    kith_segment *segment;
    MUST(kith_segment_open(&segment, arguments[0], KITH_OPEN, 0));
    strcpy(kith_segment_data(segment), arguments[1]);
    kith_segment_free(segment);
}

static void segment_unlink(char **arguments)
{
    MUST(kith_segment_unlink(arguments[0]));
}

/* ---- lists ---- */

static kith_list_item parse(const char *type, const char *value)
{
    kith_list_item item = { .type = KITH_LIST_NONE };
    if (strcmp(type, "bool") == 0)
        item = (kith_list_item){ .type = KITH_LIST_BOOL, .boolean = atoi(value) };
    else if (strcmp(type, "int") == 0)
        item = (kith_list_item){ .type = KITH_LIST_INT, .integer = strtoll(value, NULL, 10) };
    else if (strcmp(type, "float") == 0)
        item = (kith_list_item){ .type = KITH_LIST_FLOAT, .real = strtod(value, NULL) };
    else if (strcmp(type, "str") == 0)
        item = (kith_list_item){ .type = KITH_LIST_STR, .data = value, .size = strlen(value) };
    else if (strcmp(type, "bytes") == 0)
        item = (kith_list_item){ .type = KITH_LIST_BYTES, .data = value, .size = strlen(value) };
    return item;
}

static void print_item(const kith_list_item *item)
{
    switch (item->type) {
    case KITH_LIST_NONE:
        puts("None");
        break;
    case KITH_LIST_BOOL:
        puts(item->boolean ? "True" : "False");
        break;
    case KITH_LIST_INT:
        printf("int %" PRId64 "\n", item->integer);
        break;
    case KITH_LIST_FLOAT:
        printf("float %.17g\n", item->real);
        break;
    case KITH_LIST_STR:
    case KITH_LIST_BYTES:
        printf(item->type == KITH_LIST_STR ? "str " : "bytes ");
        print_hex(item->data, item->size);
        break;
    }
}

/* NAME, then TYPE VALUE for each item. */
static void list_create(char **arguments)
{
    kith_list_item items[32];
    size_t count = 0;
    kith_list *list;
    for (char **pair = arguments + 1; pair[0] && pair[1]; pair += 2)
        items[count++] = parse(pair[0], pair[1]);
    MUST(kith_list_open(&list, arguments[0], KITH_CREATE, items, count));
    kith_list_free(list);
}

static void list_print(char **arguments)
{
    kith_list *list;
    MUST(kith_list_open(&list, arguments[0], KITH_OPEN, NULL, 0));
    for (size_t i = 0; i < kith_list_length(list); i++) {
        kith_list_item item;
        MUST(kith_list_get(list, i, &item));
        print_item(&item);
        kith_list_item_free(&item);
    }
    kith_list_free(list);
}

/* NAME INDEX TYPE VALUE */
static void list_set(char **arguments)
{
    kith_list *list;
    kith_list_item item = parse(arguments[2], arguments[3]);
    MUST(kith_list_open(&list, arguments[0], KITH_OPEN, NULL, 0));
    MUST(kith_list_set(list, strtoul(arguments[1], NULL, 10), &item));
    kith_list_free(list);
}

/* ---- descriptors ---- */

static pid_t start_python(const char *python, const char *code, int descriptor)
{
    char number[16];
    snprintf(number, sizeof number, "%d", descriptor);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        fcntl(descriptor, F_SETFD, 0);
        execl(python, python, "-c", code, number, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void print_until_end(int descriptor)
{
    char bytes[100];
    ssize_t got;
    while ((got = read(descriptor, bytes, sizeof bytes)) > 0)
        fwrite(bytes, 1, (size_t)got, stdout);
    putchar('\n');
}

/* PYTHON CODE: runs Python with the number of a descriptor, the other end of a pipe. Sends it the writing end of a
 * system's pipe and prints what comes out of that; then receives a message, which is printed, and a descriptor, which
 * is written to. */
static void descriptors(char **arguments)
{
    kith_connection *mine, *theirs;
    kith_bytes message;
    int ends[2], fd, status;
    MUST(kith_pipe(&mine, &theirs, NULL));
    pid_t pid = start_python(arguments[0], arguments[1], kith_connection_fd(theirs));
    kith_connection_free(theirs);
    must(pipe2(ends, O_CLOEXEC), "pipe2");
    MUST(kith_connection_send_fd(mine, ends[1], KITH_FOREVER));
    close(ends[1]);
    print_until_end(ends[0]);
    MUST(kith_connection_recv(mine, &message, KITH_FOREVER));
    printf("%.*s\n", (int)message.size, (const char *)message.data);
    kith_bytes_free(&message);
    MUST(kith_connection_recv_fd(mine, &fd, KITH_FOREVER));
    must((int)write(fd, "from kith", 9), "write");
    close(fd);
    must(waitpid(pid, &status, 0), "waitpid");
    printf("status %d\n", status);
    close(ends[0]);
    kith_connection_free(mine);
}

static const struct {
    const char *name;
    int arguments; /* at least */
    void (*run)(char **arguments);
} commands[] = {
    { "segment-create", 3, segment_create }, { "segment-make-up", 0, segment_make_up },
    { "segment-print", 1, segment_print },   { "segment-write", 2, segment_write },
    { "segment-unlink", 1, segment_unlink }, { "list-create", 1, list_create },
    { "list-print", 1, list_print },         { "list-set", 4, list_set },
    { "descriptors", 2, descriptors },
};

int main(int count, char **arguments)
{
    for (size_t i = 0; count > 1 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(arguments[1], commands[i].name) == 0 && count - 2 >= commands[i].arguments) {
            commands[i].run(arguments + 2);
            return 0;
        }
    }
    fprintf(stderr, "usage: peer COMMAND ARGUMENT...\n");
    return 2;
}
