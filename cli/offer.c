#include "offer.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is being taken apart. */
struct reading {
    const struct command *command;
    const char *whole; /* as it was given, for messages */
    char *at;          /* what is left of it */
    kith_arena *arena;
    kith_value *list; /* of arguments */
};

static int wrong(const struct reading *reading, const char *why)
{
    return command_misused(reading->command, "--object %s: %s", reading->whole, why);
}

static int failed(const struct reading *reading)
{
    return command_fail(reading->command, "--object %s: %s", reading->whole, kith_error_detail());
}

/* Cuts off a word, which ends before one of these or with the text. @param end  receives which; '\0' */
static char *take_word(struct reading *reading, const char *ends, char *end)
{
    char *word = reading->at;
    size_t length = strcspn(word, ends);
    *end = word[length];
    word[length] = '\0';
    reading->at = word + length + (*end != '\0');
    return word;
}

/* ---- arguments ---- */

/* How far a text of JSON goes that a comma or a parenthesis ends. */
static size_t json_length(const char *text)
{
    size_t length = 0;
    bool quoted = false;
    for (int depth = 0; text[length]; length++) {
        char c = text[length];
        if (quoted && c == '\\' && text[length + 1])
            length++;
        else if (c == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (strchr("[{", c))
            depth++;
        else if (strchr("]}", c))
            depth--;
        else if (depth <= 0 && strchr(",)", c))
            break;
    }
    return length;
}

static int read_json(const struct reading *reading, kith_value **value, const void *text, size_t size)
{
    return kith_json_read(reading->arena, value, text, size) < 0 ? failed(reading) : STATUS_GOOD;
}

/* An argument as it stands. What begins with a letter is most often a text whose quotes are missing, or were the
 * shell's. */
static int read_word(const struct reading *reading, kith_value **value, const char *text, size_t size)
{
    if (kith_json_read(reading->arena, value, text, size) == 0)
        return STATUS_GOOD;
    if (!isalpha((unsigned char)*text))
        return failed(reading);
    return command_fail(reading->command, "--object %s: %s is no JSON: a text has quotes, as in 'n=Value(\"i\",0)'",
                        reading->whole, text);
}

static int read_file(const struct reading *reading, kith_value **value, const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "re");
    ssize_t got = file ? getdelim(&text, &size, '\0', file) : -1;
    int status;
    if (got >= 0)
        status = read_json(reading, value, text, (size_t)got);
    else if (file && feof(file))
        status = command_fail(reading->command, "--object %s: %s is empty", reading->whole, path);
    else
        status = command_fail(reading->command, "--object %s: %s: %s", reading->whole, path, strerror(errno));
    free(text);
    if (file)
        fclose(file);
    return status;
}

/* @param end  receives what follows: ',' or ')' or '\0' */
static int take_value(struct reading *reading, kith_value **value, char *end)
{
    char *text = reading->at;
    size_t length = *text == '@' ? strcspn(text, ",)") : json_length(text);
    *end = text[length];
    text[length] = '\0';
    reading->at = text + length + (*end != '\0');
    return *text == '@' ? read_file(reading, value, text + 1) : read_word(reading, value, text, length);
}

/* @return the keyword that comes next, cut off; NULL when none does */
static char *take_keyword(struct reading *reading)
{
    char *word = reading->at;
    size_t length = 0;
    while (isalnum((unsigned char)word[length]) || word[length] == '_')
        length++;
    if (length == 0 || word[length] != '=')
        return NULL;
    word[length] = '\0';
    reading->at = word + length + 1;
    return word;
}

static int take_argument(struct reading *reading, struct offer *offer, char *end)
{
    kith_value *value = NULL;
    reading->at += strspn(reading->at, " ");
    const char *keyword = take_keyword(reading);
    int status = take_value(reading, &value, end);
    if (status != STATUS_GOOD)
        return status;
    if (!keyword && kith_value_length(offer->kwargs) > 0)
        return wrong(reading, "an argument without a keyword follows one that has it");
    int code = keyword ? kith_value_set(offer->kwargs, keyword, value) : kith_value_append(reading->list, value);
    return code < 0 ? failed(reading) : STATUS_GOOD;
}

/* Up to the closing parenthesis. */
static int take_arguments(struct reading *reading, struct offer *offer)
{
    char end = ',';
    reading->at += strspn(reading->at, " ");
    if (*reading->at == ')') {
        reading->at++;
        return STATUS_GOOD;
    }
    while (end == ',') {
        int status = take_argument(reading, offer, &end);
        if (status != STATUS_GOOD)
            return status;
    }
    return end == ')' ? STATUS_GOOD : wrong(reading, "its arguments end without a ')'");
}

static int make_tuple(const struct reading *reading, struct offer *offer)
{
    size_t count = kith_value_length(reading->list);
    kith_value **items = calloc(count + 1, sizeof *items);
    for (size_t i = 0; items && i < count; i++)
        items[i] = kith_value_at(reading->list, i);
    offer->args = items ? kith_value_tuple(reading->arena, items, count) : NULL;
    free(items);
    return offer->args ? STATUS_GOOD : command_fail(reading->command, "%s", strerror(ENOMEM));
}

/* ---- restrictions ---- */

static int take_methods(struct reading *reading, struct offer *offer, char *list)
{
    size_t most = 1;
    for (const char *c = list; *c; c++)
        most += *c == ':';
    free((void *)offer->access.methods);
    const char **methods = calloc(most, sizeof *methods);
    offer->access = (kith_access){ .read_only = offer->access.read_only, .methods = methods };
    if (!methods)
        return command_fail(reading->command, "%s", strerror(ENOMEM));
    char *rest = NULL;
    for (char *name = strtok_r(list, ":", &rest); name; name = strtok_r(NULL, ":", &rest))
        methods[offer->access.method_count++] = name;
    return offer->access.method_count ? STATUS_GOOD : wrong(reading, "methods=METHOD:METHOD names none");
}

static int take_restrictions(struct reading *reading, struct offer *offer)
{
    char end = ',';
    int status = STATUS_GOOD;
    while (status == STATUS_GOOD && end) {
        char *word = take_word(reading, ",", &end);
        if (strcmp(word, "read-only") == 0)
            offer->access.read_only = 1;
        else if (strncmp(word, "methods=", strlen("methods=")) == 0)
            status = take_methods(reading, offer, word + strlen("methods="));
        else
            status = wrong(reading, "what may follow is ',read-only' and ',methods=METHOD:METHOD...'");
    }
    return status;
}

/* ---- all of it ---- */

static int take_all(struct reading *reading, struct offer *offer)
{
    char end;
    offer->name = take_word(reading, "=", &end);
    if (end != '=' || !*offer->name)
        return wrong(reading, "write NAME=TYPE, as jobs=Queue");
    offer->type = take_word(reading, "(,", &end);
    if (!*offer->type)
        return wrong(reading, "it has no type: write NAME=TYPE, as jobs=Queue");
    if (strcmp(offer->type, "Pool") == 0)
        return wrong(reading, "a Pool runs entry points of its server's program, and this one has none: publish it "
                              "from a program of your own");
    if (end == '(') {
        int status = take_arguments(reading, offer);
        if (status != STATUS_GOOD)
            return status;
        end = *reading->at;
        if (end && end != ',')
            return wrong(reading, "something follows its arguments that is no restriction");
        reading->at += end == ',';
    }
    return end == ',' ? take_restrictions(reading, offer) : STATUS_GOOD;
}

int offer_read(struct offer *offer, kith_arena *arena, const struct command *command, const char *text)
{
    struct reading reading = { .command = command, .whole = text, .arena = arena, .list = kith_value_list(arena) };
    *offer = (struct offer){ .text = strdup(text), .kwargs = kith_value_dict(arena) };
    if (!offer->text || !offer->kwargs || !reading.list) {
        offer_end(offer);
        return command_fail(command, "%s", strerror(ENOMEM));
    }
    reading.at = offer->text;
    int status = take_all(&reading, offer);
    if (status == STATUS_GOOD)
        status = make_tuple(&reading, offer);
    if (status != STATUS_GOOD)
        offer_end(offer);
    return status;
}

void offer_end(struct offer *offer)
{
    free((void *)offer->access.methods);
    free(offer->text);
    *offer = (struct offer){ 0 };
}
