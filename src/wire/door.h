/*
 * The tool door: what a tool's link in a cell asks the warden, and what it hears. Freestanding:
 * included by the link's program (shim/door.c), which has no libc.
 *
 * The link connects to DOOR_SOCKET (SOCK_SEQPACKET) and sends one message: struct shim_hello with
 * version DOOR_VERSION, and descriptors: a sealed memfd, then those of open_mask, in order. In the
 * memfd, hello.strings_bytes in all, each string with its NUL: the name the link was called by, the
 * working directory, argc arguments, envc variables. The answer is a struct job_msg: DOOR_HERE,
 * DOOR_TAKEN or JOB_MSG_FAILED. After DOOR_TAKEN the socket is the command's, as in wire/hello.h.
 */
#ifndef WIRE_DOOR_H
#define WIRE_DOOR_H

#include "wire/hello.h"

/* In a cell: a mount of its own, read-only, so no command can put anything in its place. */
#define DOOR_DIR "/run/agentjail"
#define DOOR_SOCKET DOOR_DIR "/door"
#define DOOR_TOOLS DOOR_DIR "/tools" /* first in PATH; a link for each word */

#define DOOR_VERSION 0x646f6f72u /* no version of a shim's hello */

enum door_msg_type {
	DOOR_HERE = 0x100, /* nothing is granted: the program of that name runs in place */
	DOOR_TAKEN, /* the command has a cell of its own */
};

#endif
