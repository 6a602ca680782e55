/*
 * See entry.h. By text alone: a pattern has no file to be resolved. The working directory comes
 * from getcwd(2), which has no symbolic links left in it, so ".." is what the user means.
 */
#include "cli/entry.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Appends each component of path to out, which has no final slash. */
static void add_components(struct buf *out, size_t floor, const char *path)
{
	while (*path != '\0') {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (out->len > floor && out->data[out->len - 1] != '/')
				out->len--;
			if (out->len > floor)
				out->len--;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			buf_adds(out, "/");
			buf_add(out, path, n);
		}
		path += n + (path[n] == '/');
	}
}

/* path, from the working directory if it is relative. */
static int add_absolute(struct buf *out, const char *path, struct err *err)
{
	AUTO_FREE char *cwd = path[0] != '/' ? getcwd(NULL, 0) : NULL;
	size_t floor = out->len;

	if (path[0] != '/' && cwd == NULL)
		return err_set(err, errno, "the working directory");
	if (cwd != NULL)
		add_components(out, floor, cwd);
	add_components(out, floor, path);
	return 0;
}

int entry_absolute(const char *path, char **ret, struct err *err)
{
	AUTO_BUF struct buf out = { 0 };

	if (add_absolute(&out, path, err) < 0)
		return -err->code;
	if (out.len == 0)
		buf_adds(&out, "/");
	if (out.failed)
		return err_set(err, ENOMEM, "a path");
	*ret = take_ptr(&out.data);
	return 0;
}

int entry_from_path(const char *path, char **ret, struct err *err)
{
	AUTO_BUF struct buf out = { 0 };
	bool is_removal = path[0] == '!';
	bool is_home;
	size_t floor;

	path += is_removal;
	is_home = path[0] == '~' && (path[1] == '/' || path[1] == '\0');
	if (strpbrk(path, "\"\n\r") != NULL)
		return err_set(
			err, 0, "a path with a quote or a line break cannot be said in a profile");
	buf_adds(&out, is_removal ? "!\"" : "\"");
	if (is_home)
		buf_adds(&out, "~");
	floor = out.len;
	if (is_home)
		add_components(&out, floor, path + 1);
	else if (add_absolute(&out, path, err) < 0)
		return -err->code;
	if (out.len == floor && !is_home)
		buf_adds(&out, "/");
	buf_adds(&out, "\"");
	if (out.failed)
		return err_set(err, ENOMEM, "a path");
	*ret = take_ptr(&out.data);
	return 0;
}
