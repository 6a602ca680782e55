/*
 * Where the secrets of a rule come from: which key of [inject NAME] fills which slot of its keeper,
 * and what such a value says.
 */
#ifndef POLICY_SOURCES_H
#define POLICY_SOURCES_H

#include "policy/rules.h"
#include "wire/keepmsg.h"

enum sources_kind {
	SOURCES_ENV,     /* a variable of the user's environment */
	SOURCES_FILE,    /* a file of the user's */
	SOURCES_COMMAND, /* what a command prints */
	SOURCES_KEYRING, /* the desktop's keyring: SERVICE/ACCOUNT */
	SOURCES_KIND_COUNT
};

/* The line that fills the slot, or NULL: the rule has nothing for it. */
const struct policy_item *sources_item(const struct rules_rule *rule, enum keepmsg_slot slot);

/* Takes "KIND:ARGUMENT" apart; *ret_arg points into text. False when it is none. */
bool sources_parse(const char *text, enum sources_kind *ret, const char **ret_arg);

/* "secret", "client-cert"...: the key as the user writes it. */
const char *sources_key_name(enum keepmsg_slot slot);
const char *sources_kind_name(enum sources_kind kind); /* "env", "file"... */

/* May its value have line ends in it? */
bool sources_is_pem(enum keepmsg_slot slot);

/* Puts "FILE:LINE: [inject NAME] KEY = KIND:...: " before err's text. Returns -err->code. */
int sources_err(struct err *err, const struct rules_rule *rule, enum keepmsg_slot slot);

#endif
