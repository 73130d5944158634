/* The board's file: making it, and taking it over. What goes on there is in ring.c. */
#include "pool/board.h"

#include "base/error.h"
#include "os/flag.h"
#include "os/memory.h"
#include "os/named.h"
#include "pool/store.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char magic[8] = "kithpoo1";

/** Where the slots begin. */
static size_t slots_offset(unsigned workers)
{
    return sizeof(struct board_shared) + workers * sizeof(struct desk);
}

/** What the board is without the store. */
static size_t head_size(unsigned workers, uint32_t slots)
{
    return slots_offset(workers) + slots * sizeof(struct slot);
}

static uint32_t slots_for(unsigned workers, unsigned slots)
{
    uint32_t count = 1;
    while (count < slots || count <= workers)
        count *= 2;
    return count;
}

/** Finds its parts, when it is mapped. */
static void spread(struct board *board, unsigned workers)
{
    char *memory = (char *)board->shared;
    board->desks = (struct desk *)(void *)(memory + sizeof(struct board_shared));
    board->slots = (struct slot *)(void *)(memory + slots_offset(workers));
}

static int map(struct board *board, size_t size)
{
    void *memory;
    int code = os_memory_map(&memory, board->file, 0, size);
    if (code < 0)
        return error_fail(code, "no address space to map %zu bytes for the tasks of a pool: %s", size,
                          kith_strerror(code));
    board->shared = memory;
    board->size = size;
    return 0;
}

/** Gives the head memory, and maps it with as much of the store as can be had. */
static int lay_out(struct board *board, unsigned workers, uint32_t slots)
{
    size_t head = head_size(workers, slots);
    uint64_t store = (head + STORE_BLOCK - 1) / STORE_BLOCK * STORE_BLOCK;
    int code = os_memory_back(board->file, 0, head);
    if (code < 0)
        return error_fail(code, "no shared memory for a pool of %u workers: %s", workers, kith_strerror(code));
    code = map(board, store + BOARD_STORE_MAX);
    if (code == -ENOMEM)
        code = map(board, store + BOARD_STORE_LESS);
    if (code < 0)
        return code;
    struct board_shared *shared = board->shared;
    shared->size = board->size;
    shared->store = store;
    shared->workers = workers;
    shared->slots = slots;
    memcpy(shared->magic, magic, sizeof magic);
    spread(board, workers);
    return 0;
}

int board_new(struct board *board, unsigned workers, unsigned slots)
{
    struct board made = { .file = os_memory_file("kith-pool"), .bell = -1, .made = true };
    if (made.file < 0)
        return error_fail(made.file, "no file of memory for a pool: %s", kith_strerror(made.file));
    int code = made.bell = os_flag_new();
    if (code < 0)
        error_fail(code, "no eventfd for a pool: %s", kith_strerror(code));
    else
        code = lay_out(&made, workers, slots_for(workers, slots));
    if (code < 0) {
        board_close(&made);
        return code;
    }
    *board = made;
    return 0;
}

int board_from_fds(struct board *board, int file, int bell)
{
    struct board_shared head;
    struct board taken = { .file = file, .bell = bell };
    int code = os_file_read(file, &head, sizeof head);
    if (code == -EBADF)
        return error_fail(code, "the descriptor of the pool's board is not open");
    if (code < 0 || memcmp(head.magic, magic, sizeof magic) != 0)
        return error_fail(-EINVAL, "the descriptor of the pool's board is none");
    code = map(&taken, head.size);
    if (code < 0)
        return code;
    spread(&taken, head.workers);
    *board = taken;
    return 0;
}

void board_close(struct board *board)
{
    if (board->shared)
        os_memory_unmap(board->shared, board->size);
    if (!board->made)
        return;
    close(board->file);
    if (board->bell >= 0)
        close(board->bell);
}
