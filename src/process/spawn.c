#include "process/spawn.h"

#include "base/error.h"
#include "os/spawn.h"
#include "process/begin.h"
#include "process/life.h"
#include "process/settings.h"

#include <stdio.h>

/* ---- what all starts by parcel have in common ---- */

static int make_and_admit(spawn_make *make, struct kith_process *child, const struct errand *errand,
                          char *const *environment)
{
    struct parcel parcel;
    life_flush(); /* so that what the child writes comes after it */
    int code = parcel_pack(&parcel, child, errand);
    pid_t pid = code < 0 ? code : make(child, &parcel, errand, environment);
    code = pid < 0 ? pid : children_admit(child, pid, errand->options->stdio);
    parcel_forget(&parcel);
    return code;
}

/* The forkserver's children make their environment themselves. And only it knows whether they need a thread to watch
 * their parent. Both may fail. */
static bool has_to_report(const kith_process_options *options, const struct settings *settings)
{
    return options->stdio || settings_any(settings) ||
           (options->method == KITH_FORKSERVER && (settings->death_signal || settings->whole_environment));
}

int spawn_by(spawn_make *make, struct kith_process **child, const struct errand *errand, enum children_holder holder)
{
    struct kith_process *made = NULL;
    struct settings settings = SETTINGS_NONE;
    int code = begin_check();
    if (code == 0)
        code = settings_from_options(errand->options, &settings);
    if (code == 0)
        code = children_add(&made, errand->options, has_to_report(errand->options, &settings), holder);
    if (code == 0) {
        code = make_and_admit(make, made, errand, settings.whole_environment);
        if (code < 0)
            children_remove(made);
        else
            *child = made;
    }
    settings_free(&settings);
    return code;
}

/* ---- fresh images ---- */

static int pack_socket(struct kith_process *child, const struct parcel *parcel)
{
    int code = children_pack_pair(child);
    if (code < 0)
        return code;
    code = parcel_send(parcel, child->luggage[LUGGAGE_NEAR]);
    children_unpack(child, LUGGAGE_NEAR); /* what was sent stays in the other end */
    return code;
}

static pid_t spawn(struct kith_process *child, struct parcel *parcel, const struct errand *errand,
                   char *const *environment)
{
    int code = pack_socket(child, parcel);
    if (code < 0)
        return error_fail(code, "a child's descriptors can't be handed over: %s", kith_strerror(code));
    char number[12];
    snprintf(number, sizeof number, "%d", OS_SPAWN_DESCRIPTOR);
    char *argv[] = { (char *)begin_program(), (char *)BEGIN_AS_IMAGE, number, (char *)errand->entry, NULL };
    pid_t pid = os_spawn(child->luggage[LUGGAGE_FAR], argv, environment);
    if (pid < 0)
        error_fail(pid, "this program can't be begun anew: %s", kith_strerror(pid));
    return pid;
}

int spawn_start(struct kith_process **child, const struct errand *errand, enum children_holder holder)
{
    return spawn_by(spawn, child, errand, holder);
}
