/* digest: a file is read piece by piece, and libcrypto does the rest. */
#include "digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

static EVP_MD_CTX *context; /* this process's, for one file after the other */

int digest_begin(void)
{
    context = EVP_MD_CTX_new();
    if (!context)
        return ENOMEM;
    return EVP_DigestInit_ex(context, EVP_sha256(), NULL) ? 0 : ENOTSUP;
}

int digest_open(const char *path, uint64_t *size)
{
    struct stat status;
    int error, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a FIFO must not wait */
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0) {
        error = errno;
    } else if (!S_ISREG(status.st_mode)) {
        error = EINVAL;
    } else {
        *size = (uint64_t)status.st_size;
        return fd;
    }
    close(fd);
    return -error;
}

int digest_content(int fd, unsigned char *digest, digest_progress *progress, void *progress_context)
{
    static unsigned char buffer[256 * 1024];
    if (!EVP_DigestInit_ex(context, NULL, NULL)) /* the same as before: SHA-256, from digest_begin */
        return ENOMEM;
    for (;;) {
        ssize_t got = read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        if (got == 0)
            return EVP_DigestFinal_ex(context, digest, NULL) ? 0 : ENOMEM;
        if (!EVP_DigestUpdate(context, buffer, (size_t)got))
            return ENOMEM;
        progress(progress_context, (size_t)got);
    }
}
