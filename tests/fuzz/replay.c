/*
 * Runs one fuzz target over its corpus, without a fuzzer and with any compiler: prints TAP.
 * usage: NAME [FILE...]    without files: those of tests/fuzz/corpus/NAME below the directory that
 * we stand in. A crash is said with the name of the file.
 */
#include "../unit/tap.h"
#include "input.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

/* Rationale: no input of a corpus takes a second, even with sanitizers on a busy machine. */
#define SECONDS_MAX 60

static char file[512];

static void on_crash(int signal)
{
	static const char text[] = "# crashed by ";

	if (write(1, text, sizeof(text) - 1) < 0 || write(1, file, strlen(file)) < 0 ||
		write(1, "\n", 1) < 0)
		_exit(1);
	(void)kill(getpid(), signal);
}

/* From a block of just its size: an address sanitizer sees one byte too many. */
static bool replay(void)
{
	FILE *f = fopen(file, "re");
	long n = -1;
	uint8_t *bytes = NULL;
	bool ok;

	if (f != NULL && fseek(f, 0, SEEK_END) == 0)
		n = ftell(f);
	if (n >= 0)
		bytes = malloc((size_t)n);
	ok = n == 0 || (bytes != NULL && fseek(f, 0, SEEK_SET) == 0 &&
			       fread(bytes, 1, (size_t)n, f) == (size_t)n);
	if (ok) {
		(void)alarm(SECONDS_MAX);
		(void)LLVMFuzzerTestOneInput(bytes, (size_t)n);
	}
	free(bytes);
	if (f != NULL)
		(void)fclose(f);
	return ok;
}

static unsigned replay_folder(const char *folder, unsigned *ret_failed)
{
	DIR *dir = opendir(folder);
	unsigned n = 0;

	for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s", folder, e->d_name);
		n++;
		if (!replay())
			++*ret_failed;
	}
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	static const int signals[] = { SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL, SIGSEGV };
	struct sigaction action = { .sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND };
	const char *name = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
	unsigned n = 0, failed = 0;
	char folder[256];

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaction(signals[i], &action, NULL);
	for (int i = 1; i < argc; i++, n++) {
		(void)snprintf(file, sizeof(file), "%s", argv[i]);
		if (!replay())
			failed++;
	}
	if (argc < 2) {
		(void)snprintf(folder, sizeof(folder), "tests/fuzz/corpus/%s", name);
		n = replay_folder(folder, &failed);
	}
	tap_ok(n > 0 && failed == 0, "the fuzz target %s holds for %u inputs of its corpus", name,
		n);
	return tap_done();
}
