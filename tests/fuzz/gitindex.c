/*
 * git's index, as a command of a cell can write it: read to some end, and it names no path whose last
 * byte is nowhere in it. Input: a path on a line, then the index.
 */
#include "input.h"
#include "base/cleanup.h"
#include "policy/trackedindex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *path = input_text(&data, &size, '\n');
	/* Of just that size: what is read beyond it is noticed. */
	AUTO_FREE uint8_t *index = malloc(size + (size == 0));
	struct trackedindex_answer answer;

	assert(index != NULL);
	memcpy(index, data, size);
	answer = trackedindex_find(index, size, path);
	assert(answer.hash_bytes == 0 || answer.hash_bytes == 20 || answer.hash_bytes == 32);
	assert(!answer.is_named || answer.hash_bytes != 0);
	if (answer.is_named && path[0] != '\0' && memmem(index, size, "link", 4) == NULL)
		assert(memchr(index, path[strlen(path) - 1], size) != NULL);
	return 0;
}
