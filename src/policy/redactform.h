/*
 * Files that a tool needs and that have a token in them: which format is one written in, by its
 * name. [files] redact takes no others, since only what can be read strictly can be shown.
 */
#ifndef POLICY_REDACTFORM_H
#define POLICY_REDACTFORM_H

enum redactform {
	REDACTFORM_NONE,
	REDACTFORM_NPMRC, /* KEY=VALUE; go env, too */
	REDACTFORM_INI,	  /* .pypirc, pip.conf */
	REDACTFORM_TOML,  /* cargo's credentials */
	REDACTFORM_YAML,  /* gh's hosts.yml: nested KEY: VALUE, nothing else of YAML */
	REDACTFORM_JSON,  /* Docker's config.json */
	REDACTFORM_NETRC, /* words */
	REDACTFORM_URLS,  /* git's credential store: a URL on each line */
	REDACTFORM_GIT,	  /* git's configuration: only secrets are replaced, not all that is unknown */
	REDACTFORM_COUNT
};

/* The format of a path's file, or REDACTFORM_NONE. */
enum redactform redactform_of(const char *path);

/* The names that are known, with blanks between them, for messages. */
extern const char redactform_names[];

#endif
