/* Runs in the process that holds a value: a source, or agentjail before it executes itself again.
 */
#include "keeper/source.h"

#include <string.h>

static const char *bad_byte(const char *bytes, size_t n, bool is_pem)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == '\0')
			return "has a NUL byte in it";
		if (is_pem && (c == '\n' || c == '\r' || c == '\t'))
			continue;
		if (c == '\n' || c == '\r')
			return "has a line end in it: it must be one line";
		if (c < 0x20 || c == 0x7f)
			return "has a control character in it";
	}
	return NULL;
}

int source_value_check(struct source_value *value, bool is_pem, bool *ret_trimmed, struct err *err)
{
	const char *bad;

	*ret_trimmed = false;
	if (value->n > KEEPMSG_SECRET_MAX)
		return err_set(err, 0, "the value is larger than %u KiB", KEEPMSG_SECRET_MAX >> 10);
	if (!is_pem && value->n > 0 && value->bytes[value->n - 1] == '\n') {
		value->n--;
		*ret_trimmed = true;
	}
	if (value->n == 0)
		return err_set(err, 0, "the value is empty");
	bad = bad_byte(value->bytes, value->n, is_pem);
	if (bad != NULL)
		return err_set(err, 0, "the value %s", bad);
	return 0;
}
