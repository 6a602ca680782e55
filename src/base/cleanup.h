/*
 * Ownership by scope. A variable marked AUTO_* is always initialised and gives back what it holds
 * when it leaves its scope; ownership leaves by take_fd() or take_ptr(). errno survives.
 *
 *	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
 *	if (fd < 0)
 *		return err_set(err, errno, "open %s", path);
 *	*ret_fd = take_fd(&fd);
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close(int *fd)
{
	int saved = errno;

	/* Never retried: on Linux the descriptor is gone even when close() says EINTR. */
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

static inline void cleanup_free(void *p)
{
	int saved = errno;

	free(*(void **)p);
	*(void **)p = NULL;
	errno = saved;
}

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void *take_ptr_(void *p)
{
	void *taken = *(void **)p;

	*(void **)p = NULL;
	return taken;
}

#define AUTO_CLOSE __attribute__((cleanup(cleanup_close)))
#define AUTO_FREE __attribute__((cleanup(cleanup_free)))
#define take_ptr(p) ((__typeof__(*(p)))take_ptr_(p))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
