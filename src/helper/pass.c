/*
 * What is harmless of a held configuration goes to the host's file. Runs in the cell's helper. Hostile:
 * the copy. The host's file is reached through a copy of the project's mount without any other mounts,
 * and written in one piece in place: a rename onto it would be one onto a mount point.
 */
#include "helper/hold.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/gitconfig.h"

#include <string.h>

static bool is_same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static const char *text_of(const struct buf *b)
{
	return b->data != NULL ? b->data : "";
}

void hold_pass(struct holds *h, struct hold *hold)
{
	AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };
	AUTO_BUF struct buf base = { 0 }, copy = { 0 }, host = { 0 }, merged = { 0 };
	AUTO_CLOSE int fd = -1;
	struct gitconfig_merge merge = { .origin = hold->is_new ? GITCONFIG_CELL : GITCONFIG_HOST };
	struct err err = { 0 };

	if (!hold->is_config || h->plain < 0)
		return;
	fd = hold_open_host(h, hold->path);
	if (fd < 0 ||
		heldstore_find(&h->store, hold->path, &e, &err) < 0 ||
		heldstore_read(&e, HELDSTORE_BASE, &base, &err) <= 0 ||
		heldstore_read(&e, HELDSTORE_COPY, &copy, &err) <= 0 ||
		buf_read_fd(&host, fd, GITCONFIG_BYTES_MAX) < 0)
		return;
	/* What the host has of a repository that commands made is ours, and is made anew in their order. */
	merge.host = hold->is_new ? "" : text_of(&host);
	merge.host_bytes = hold->is_new ? 0 : host.len;
	merge.copy = text_of(&copy);
	merge.copy_bytes = copy.len;
	/* Where the host has changed it meanwhile, the user decides. */
	if (!is_same(&base, &host) || gitconfig_merge(&merge, &merged, &err) < 0 || merge.n_passed == 0 ||
		is_same(&merged, &host))
		return;
	if (!hold_write_host(fd, &merged))
		return;
	(void)heldstore_write(&e, HELDSTORE_BASE, merged.data, merged.len, &err);
	if (hold->guard >= 0) {
		hold->host.len = 0;
		buf_add(&hold->host, merged.data, merged.len);
	}
}
