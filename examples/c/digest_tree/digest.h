/* digest.h: the SHA-256 digest of one file, as any worker computes it. */
#ifndef DIGEST_TREE_DIGEST_H
#define DIGEST_TREE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32 };

/** Makes this process ready to digest. To be called once, before the first digest. @return 0 or an errno */
int digest_begin(void);

/** Opens a file for reading, unless it is no regular one any more: since the walk saw it, it may have become anything.
 *  @param size  receives how long it is, in bytes
 *  @return a descriptor, or a negated errno */
int digest_open(const char *path, uint64_t *size);

/** Told of each piece that was read. @param size  in bytes */
typedef void digest_progress(void *context, size_t size);

/** Digests what a descriptor gives, to its end. @return 0 or an errno */
int digest_content(int fd, unsigned char *digest, digest_progress *progress, void *context);

#endif
