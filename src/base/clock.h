/* The clock for waiting and for rates; it is no date. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_MONOTONIC (clock_gettime(2)), which cannot fail. */
static inline int64_t clock_ms(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The same in seconds. */
static inline int64_t clock_s(void)
{
	return clock_ms() / 1000;
}

#endif
