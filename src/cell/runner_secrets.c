/*
 * Runs in the runner of a tool's own cell, which nothing in that cell can read (it is not dumpable).
 * Hostile: nothing; the pipes were filled by the tool's sources before the job was sent.
 */
#include "cell/runner_secrets.h"

#include "base/buf.h"
#include "wire/keepmsg.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A name, "=", the value of at most KEEPMSG_SECRET_MAX bytes, one to see that there are no more. */
#define NAME_MAX_BYTES 256u
#define STRING_BYTES (NAME_MAX_BYTES + KEEPMSG_SECRET_MAX + 2u)

static int read_one(int fd, const char *name_equals, char *to, struct err *err)
{
	size_t n = strlen(name_equals);

	if (n >= NAME_MAX_BYTES)
		return err_set(err, E2BIG, "a variable's name");
	memcpy(to, name_equals, n);
	for (;;) {
		ssize_t got = read(fd, to + n, STRING_BYTES - 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(err, errno, "a tool's secret");
		if (got == 0)
			break;
		n += (size_t)got;
		if (n == STRING_BYTES - 1)
			return err_set(err, E2BIG, "a tool's secret");
	}
	to[n] = '\0';
	return 0;
}

int runner_secrets_read(struct job *job, char *strings[JOB_SECRETS_MAX], struct err *err)
{
	char **env = job->envp + job->head.envc - job->head.n_secrets;

	for (uint32_t i = 0; i < job->head.n_secrets; i++) {
		/* Never in swap; pages of its own, so that they can be wiped as a whole. */
		strings[i] = mmap(NULL, STRING_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (strings[i] == MAP_FAILED) {
			strings[i] = NULL;
			return err_set(err, errno, "a tool's secret");
		}
		(void)mlock(strings[i], STRING_BYTES);
		if (read_one(job->secrets[i], env[i], strings[i], err) < 0)
			return -err->code;
		env[i] = strings[i];
	}
	return 0;
}

void runner_secrets_wipe(char *strings[JOB_SECRETS_MAX])
{
	for (size_t i = 0; i < JOB_SECRETS_MAX; i++) {
		if (strings[i] == NULL)
			continue;
		explicit_bzero(strings[i], STRING_BYTES);
		(void)munmap(strings[i], STRING_BYTES);
		strings[i] = NULL;
	}
}
