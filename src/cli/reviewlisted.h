/* What the last session that changed any of them changed of files that are listed and not held. */
#ifndef CLI_REVIEWLISTED_H
#define CLI_REVIEWLISTED_H

#include "base/buf.h"
#include "cli/launch.h"

#include <stdbool.h>

/*
 * Appends it, with the session's id, as a block of text; is_json: as the members "session" and
 * "changed" with a comma in front. Nothing is appended as text where there is nothing. The audit is
 * read, no more than its newest sessions; what cannot be read is none. True: something was appended.
 */
bool reviewlisted_add(struct launch *launch, bool is_json, struct buf *out);

#endif
