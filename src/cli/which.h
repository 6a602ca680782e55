/* Finding a program by PATH. */
#ifndef CLI_WHICH_H
#define CLI_WHICH_H

/*
 * Finds a program as execvp(3) does, without executing it; *ret is the caller's, absolute.
 * 0, -ENOENT, or -EACCES when a file of that name is there and cannot be executed; -ENOMEM.
 */
int which_find(const char *name, char **ret);

#endif
