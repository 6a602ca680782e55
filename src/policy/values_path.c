/*
 * Path entries of profiles -> absolute patterns or name rules. Pure: no file is looked at. The text
 * may be a hostile project's.
 */
#include "policy/values.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/pathmatch.h"
#include "policy/redactform.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define SHOWN_BYTES 100

static const char *show(const char *text, char out[SHOWN_BYTES])
{
	return log_quote(text, strlen(text), out, SHOWN_BYTES);
}

/* Starts with '/', and has no empty component, no "." or ".." and no '/' at its end. */
static bool is_normal(const char *text)
{
	for (const char *s = text; *s != '\0'; s += strcspn(s, "/")) {
		if (*s++ != '/' || *s == '/' || *s == '\0')
			return false;
		if (s[0] == '.' && (s[1 + (s[1] == '.')] == '/' || s[1 + (s[1] == '.')] == '\0'))
			return false;
	}
	return true;
}

/* Appends the components of text to out, each with its '/', without empty ones and ".". */
static int add_components(const char *text, struct buf *out, struct err *err)
{
	if (is_normal(text)) {
		buf_adds(out, text);
		return 0;
	}
	for (const char *s = text; *s != '\0';) {
		size_t n = strcspn(s, "/");

		if (n == 2 && s[0] == '.' && s[1] == '.')
			return err_set(err, 0, "'..' in a path; write the path without it");
		if (n > 0 && !(n == 1 && s[0] == '.')) {
			buf_adds(out, "/");
			buf_add(out, s, n);
		}
		s += n + (s[n] == '/');
	}
	return 0;
}

static int name_rule(const struct keys_info *info, const char *text, struct buf *out,
	struct err *err)
{
	char shown[SHOWN_BYTES];

	if ((info->flags & KEYS_NAME_RULES) == 0)
		return err_set(err, 0,
			"'%s' is not a path; write './%s', '~/%s' or an absolute one",
			show(text, shown), shown, shown);
	if (strcmp(text, "..") == 0)
		return err_set(err, 0, "'..' in a path; write the path without it");
	if (strspn(text, "*?") == strlen(text))
		return err_set(err, 0, "'%s' is a rule for every name; write '.' for the project",
			show(text, shown));
	buf_adds(out, text);
	return 0;
}

/* The pattern covers all of HOME: HOME itself, what is above it, or every name in it. */
static bool is_whole_home(const char *pattern, const char *home)
{
	AUTO_BUF struct buf any = { 0 };

	if (strpbrk(pattern, "*?") == NULL)
		return pathmatch_is_within(home, pattern);
	/* A name that no pattern spells out: only wildcards can match it. */
	buf_addf(&any, "%s/\x01", strcmp(home, "/") == 0 ? "" : home);
	return any.data == NULL || policy_path_matches(pattern, any.data, "/");
}

static int check_breadth(const struct keys_info *info, const struct keys_places *places,
	const char *pattern, struct err *err)
{
	char shown[SHOWN_BYTES];

	if (strcmp(pattern, "/") == 0)
		return err_set(err, 0, "'/' is everything; name the directories");
	if ((info->flags & (KEYS_WRITABLE | KEYS_SHOWS)) == 0 ||
		!is_whole_home(pattern, places->home))
		return 0;
	if ((info->flags & KEYS_SHOWS) != 0 && places->is_installed)
		return 0; /* HOME below /opt, say: a closed HOME is closed there as well */
	if ((info->flags & KEYS_SHOWS) != 0)
		return err_set(err, 0, "'%s' shows all of HOME; say [sandbox] home = open instead",
			show(pattern, shown));
	return err_set(err, 0, "'%s' is HOME or more; name the directories in it",
		show(pattern, shown));
}

int values_path(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	size_t start = out->len;
	char shown[SHOWN_BYTES];
	int r;

	if (text[0] == '~' && text[1] != '/' && text[1] != '\0')
		return err_set(err, 0, "'%s' names another user's home; write its absolute path",
			show(text, shown));
	if (strchr(text, '/') == NULL && strcmp(text, "~") != 0 && strcmp(text, ".") != 0)
		return name_rule(info, text, out, err);
	if (text[0] != '/' && text[0] != '~' && strncmp(text, "./", 2) != 0 &&
		strncmp(text, "../", 3) != 0 && strcmp(text, ".") != 0)
		return err_set(err, 0, "'%s' is relative to nothing; write './%s' for the project",
			show(text, shown), shown);
	if (text[0] == '~')
		r = add_components(places->home, out, err);
	else
		r = text[0] == '.' ? add_components(places->project, out, err) : 0;
	if (r == 0)
		r = add_components(text[0] == '~' ? text + 1 : text, out, err);
	if (r < 0)
		return r;
	if (out->len == start)
		buf_adds(out, "/");
	if (out->failed)
		return err_set(err, ENOMEM, "read a path");
	if (out->len - start >= PATH_MAX)
		return err_set(err, 0, "a path of %zu bytes; %d is the most", out->len - start,
			PATH_MAX - 1);
	return check_breadth(info, places, out->data + start, err);
}

int values_redact(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	size_t start = out->len;
	char shown[SHOWN_BYTES];
	int r = values_path(info, places, text, out, err);

	if (r < 0 || out->failed)
		return r;
	if (strpbrk(out->data + start, "*?") != NULL ||
		redactform_of(out->data + start) == REDACTFORM_NONE)
		return err_set(err, 0, "'%s' is no file whose format is known; there are: %s",
			show(text, shown), redactform_names);
	return 0;
}

int values_audit_path(const struct keys_info *info, const struct keys_places *places,
	const char *text, struct buf *out, struct err *err)
{
	size_t start = out->len;
	char shown[SHOWN_BYTES];
	int r;

	if (strpbrk(text, "*?") != NULL || (text[0] != '/' && strncmp(text, "~/", 2) != 0))
		return err_set(err, 0, "'%s' is no directory; write an absolute path or '~/...'",
			show(text, shown));
	r = values_path(info, places, text, out, err);
	if (r == 0 && !out->failed && pathmatch_is_within(out->data + start, places->project))
		return err_set(err, 0,
			"'%s' is in the project, where the cell could change it; put it elsewhere",
			show(text, shown));
	return r;
}
