/* Does git's index name a path? gitformat-index(5). */
#ifndef POLICY_TRACKEDINDEX_H
#define POLICY_TRACKEDINDEX_H

#include <stdbool.h>
#include <stddef.h>

struct trackedindex_answer {
	bool is_named;
	size_t hash_bytes; /* of the repository's object names: 20 or 32; 0: no index that we know */
};

/*
 * With a slash at its end, path stands for all that is in that directory. Versions 2 to 4, hostile. A split index may have the path in its other half: then it is named.
 * What cannot be read to its end names nothing.
 */
struct trackedindex_answer trackedindex_find(const void *index, size_t n, const char *path);

#endif
