/* The command line's entry points, called by main.c alone. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

struct launch;

/* cli_main() has filled the launch: the caller hands its plan to the warden. */
#define CLI_LAUNCH (-1)

/*
 * Does what the command line asks for. An exit status from 0, everything said on stdout and
 * stderr, or CLI_LAUNCH. launch starts as {0} but for is_again; launch_done() in every case.
 */
int cli_main(int argc, char **argv, struct launch *launch);

/* Role `@options`: the tables of options and verbs for the tests, one row a line, tabs between. */
int cli_options_main(int argc, char **argv);

#endif
