/*
 * What the storm executes, thousands of times: prints the two tokens it was given, one as argument
 * and one in the environment, and the mount namespace that it finds itself in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char ns[64] = "";
	const char *token = getenv("STORM");

	if (readlink("/proc/self/ns/mnt", ns, sizeof(ns) - 1) < 0)
		return 2;
	printf("%s %s %s\n", argc > 1 ? argv[1] : "-", token ? token : "-", ns);
	return argc == 3 ? 0 : 3;
}
