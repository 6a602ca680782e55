/*
 * Policies: text of a profile is refused or dumps to what reads back and dumps to the same; so do
 * bytes that claim to be a dump. Input: 1 byte: odd: a dump, else a profile; then its bytes.
 */
#include "input.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/policy.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static int memfd_of(const void *bytes, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	assert(fd >= 0 && write_all(fd, bytes, n) == 0);
	return fd;
}

static void dump(const struct policy *policy, struct buf *out)
{
	AUTO_CLOSE int fd = memfd_of("", 0);
	struct err err;

	assert(policy_dump(policy, fd, &err) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	assert(buf_read_fd(out, fd, 16u << 20) == 0);
}

static struct policy *undump(const void *bytes, size_t n)
{
	AUTO_CLOSE int fd = memfd_of(bytes, n);
	struct policy *policy = NULL;
	struct err err;

	return policy_undump(fd, &policy, &err) == 0 ? policy : NULL;
}

static struct policy *check_file(const void *bytes, size_t n)
{
	static char path[64];
	AUTO_CLOSE int fd = -1;
	struct policy *policy = NULL;
	struct err err = { 0 };

	if (path[0] == '\0') {
		(void)snprintf(path, sizeof(path), "/tmp/agentjail-fuzz.XXXXXX");
		fd = mkstemp(path);
	}
	if (fd < 0)
		fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
	assert(fd >= 0 && write_all(fd, bytes, n) == 0);
	if (policy_check_file(path, &policy, &err) == 0)
		return policy;
	assert(err.text[0] != '\0');
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy *policy, *again;
	AUTO_BUF struct buf first = { 0 };
	AUTO_BUF struct buf second = { 0 };

	if (size < 1)
		return 0;
	policy = (data[0] & 1) != 0 ? undump(data + 1, size - 1) : check_file(data + 1, size - 1);
	if (policy == NULL)
		return 0;
	dump(policy, &first);
	policy_free(policy);
	again = undump(first.data, first.len);
	assert(again != NULL);
	dump(again, &second);
	policy_free(again);
	assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	return 0;
}
