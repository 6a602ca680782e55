/* One key of the user's for one held file. */
#ifndef CLI_REVIEWASK_H
#define CLI_REVIEWASK_H

#include "base/err.h"

#include <stdbool.h>

enum reviewask_answer {
	REVIEWASK_APPLY,
	REVIEWASK_DROP,
	REVIEWASK_SKIP,
	REVIEWASK_AGAIN,
	REVIEWASK_QUIT,
};

/* Is there a terminal to ask on, and to show what is asked about? */
bool reviewask_can(void);

/*
 * Asks on standard output and takes one key from standard input; what was typed before it was asked
 * does not count. 0 or -errno with err. The end of the input, ^C and ^D are to quit.
 */
int reviewask(bool may_apply, enum reviewask_answer *ret, struct err *err);

#endif
