/* child_options: what can be said of a child before it begins: its environment and directory, how much memory and how
 * many files it may have, how nice it is; and its stdout goes through a pipe to its parent. */
#include "must.h"

#include <kith/process.h>

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int look_around(void *argument)
{
    (void)argument;
    char directory[4096];
    struct rlimit files;
    errno = 0;
    void *memory = malloc((size_t)1 << 30);
    printf("malloc of 1 GiB: %s\n", memory ? "there it is" : strerror(errno));
    free(memory);
    printf("GREETING is %s\n", getenv("GREETING"));
    printf("HOME is %s\n", getenv("HOME") ? getenv("HOME") : "not set");
    printf("the directory is %s\n", getcwd(directory, sizeof directory));
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        printf("%ju files may be open\n", (uintmax_t)files.rlim_cur);
    printf("nice is %d\n", getpriority(PRIO_PROCESS, 0));
    return 0;
}

int main(void)
{
    kith_stdio stdio[3] = { [STDOUT_FILENO] = { .kind = KITH_STDIO_PIPE } };
    kith_process_options options = {
        .name = "looker",
        .environment = (const char *const[]){ "GREETING=hello", "HOME", NULL },
        .directory = "/",
        .stdio = stdio,
        .limits = &(kith_process_limit){ RLIMIT_NOFILE, 64, 64 },
        .limit_count = 1,
        .max_memory = 256 << 20,
        .nice = 5,
    };
    kith_process *child;
    MUST(kith_process_start(&child, look_around, NULL, &options));

    /* The start has put this end of the pipe here. It ends when the child does. */
    FILE *output = fdopen(stdio[STDOUT_FILENO].fd, "r");
    char line[5000];
    while (output && fgets(line, sizeof line, output))
        printf("child: %s", line);
    if (output)
        fclose(output);

    int code;
    MUST(kith_process_join(child, KITH_FOREVER));
    MUST(kith_process_exit_code(child, &code));
    printf("%s ended with %d\n", kith_process_name(child), code);
    kith_process_close(child);
    return 0;
}
