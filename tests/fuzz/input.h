/* What every fuzz target needs: its one function, and texts cut out of the input. */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes up to the next `end` (taken too) as a string of its own, cut at a NUL; free it. */
__attribute__((unused)) static char *input_text(const uint8_t **data, size_t *size, char end)
{
	const uint8_t *stop = *size > 0 ? memchr(*data, end, *size) : NULL;
	size_t n = stop != NULL ? (size_t)(stop - *data) : *size;
	char *text = strndup(*size > 0 ? (const char *)*data : "", n);

	assert(text != NULL);
	*data += stop != NULL ? n + 1 : n;
	*size -= stop != NULL ? n + 1 : n;
	return text;
}

#endif
