/* Applies the lines of one layer to a policy: which keys it may use, `!ENTRY`, locks. */
#ifndef POLICY_LAYER_H
#define POLICY_LAYER_H

#include "policy/keys.h"
#include "policy/lines.h"
#include "policy/store.h"

enum layer_kind {
	LAYER_INSTALLED, /* came with the program; no lock holds for it */
	LAYER_PRESET, /* so too, but asked for by a layer: the locks hold */
	LAYER_SYSTEM, /* the administrator's; may lock keys */
	LAYER_USER, /* the user's, and what -p names */
	LAYER_PROJECT, /* of a project that nobody has trusted: may tighten, no more */
	LAYER_COMMAND_LINE,
	LAYER_CHECK, /* `agentjail check`: nothing below it is known */
};

/* Starts as { .policy, .kind, .file, .places }. */
struct layer {
	struct policy *policy;
	enum layer_kind kind;
	const char *file; /* kept by the policy */
	struct keys_places places;
	size_t rank, group; /* for the order of rules, see struct store_place */
	unsigned set_at[PK_COUNT]; /* line of a single value, 0: not set in this file */
	unsigned skipped_lines, first_skipped; /* LAYER_PROJECT */
	unsigned unsupported_line; /* of the first line that nothing enforces yet, and what it is */
	char unsupported[64];
	bool has_unsupported;
};

/* One line. 0, or -errno with "FILE:LINE: WHAT; REMEDY". */
int layer_line(struct layer *layer, const struct lines_entry *entry, struct err *err);

/*
 * After the last line: refuses what is not supported yet, which had to wait for messages about
 * wrong names. 0 or -errno.
 */
int layer_end(struct layer *layer, struct err *err);

#endif
