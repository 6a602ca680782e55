/*
 * The session's authority: `agentjail @authority N_EXTRA`, descriptors as in wire/authority.h. It is
 * there before the first request and gone before the first command.
 */
#ifndef PROXY_AUTHORITY_H
#define PROXY_AUTHORITY_H

/* Returns an exit status: 0 when everything was delivered. */
int authority_main(int argc, char **argv);

#endif
