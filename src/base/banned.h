/*
 * Functions that this tree does not use: a compile error instead of a review comment.
 * Force-included into every file after the system headers that declare them.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef sprintf /* a macro of the fortified stdio.h where the compiler is clang */
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat strtok gets system popen
#pragma GCC poison mktemp tmpnam tempnam asctime ctime gmtime localtime atoi atol

#endif
