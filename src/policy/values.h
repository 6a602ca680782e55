/*
 * Checks of single values and list entries, one function a kind of value, all of the type
 * keys_check. They also give the normal form that the rest of the program works with:
 * absolute paths, lower-case hosts. Applied to a normal form they accept it again.
 */
#ifndef POLICY_VALUES_H
#define POLICY_VALUES_H

#include "policy/keys.h"

keys_check values_text; /* anything but nothing */
keys_check values_name; /* profile, rule and tool names; info may be NULL */
keys_check values_profile; /* a profile's name, or inject/NAME of a preset; info may be NULL */
keys_check values_word; /* one of info->words */
keys_check values_path; /* a path pattern, or a name rule where info allows it */
keys_check values_redact; /* a path whose format is known, see policy/redactform.h */
keys_check values_audit_path;
keys_check values_env_glob;
keys_check values_env_set; /* NAME=VALUE; one pair of double quotes around VALUE is taken off */
keys_check values_host; /* HOST[:PORT] */
keys_check values_port;
keys_check values_parent_proxy; /* http://HOST[:PORT] */
keys_check values_amount; /* of [limits]; see limits.h */
keys_check values_trusted; /* a line of [agent] trusted */
keys_check values_key_name; /* SECTION.KEY */

/* Of [inject NAME]. */
keys_check values_rule_host; /* a name, *.SUFFIX or **.SUFFIX; no address, no port */
keys_check values_method;
keys_check values_url_path; /* a glob, see policy/urlpath.h */
keys_check values_header; /* "NAME: TEXT with {secret}" */
keys_check values_header_name; /* of a header that a rule may set or remove */
keys_check values_token; /* of a header of responses */
keys_check values_query; /* "NAME=TEXT with {secret}" */
keys_check values_basic; /* "USER:PASSWORD with {secret}", or "{secret}" alone: it is both */
keys_check values_secret; /* where a secret comes from; paths become absolute */
keys_check values_seconds; /* N, Ns, Nm or Nh; the normal form is N in seconds */
keys_check values_file; /* one file, absolute or ~/ */
keys_check values_env_name;
keys_check values_limit; /* see rules_limit() */

/* Of [tool NAME]. */
keys_check values_match; /* WORD ARGUMENT-PATTERN... */
keys_check values_command; /* a program and its arguments */
keys_check values_args; /* none, or patterns */
keys_check values_secret_env; /* NAME=SOURCE */
keys_check values_tool_limit; /* see tools_limit() */

/* Are they one header for a server? Case, '-', '_' and '.' do not count, as in CGI variables. */
bool values_same_header(const char *a, size_t a_bytes, const char *b, size_t b_bytes);

#endif
