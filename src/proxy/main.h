/* The proxy role: `agentjail @proxy N_LOCALHOST [N_RULES]`, descriptors as in wire/proxymsg.h. */
#ifndef PROXY_MAIN_H
#define PROXY_MAIN_H

/*
 * argv[2]: how many descriptors follow from PROXY_FD_LOCALHOST on (two for each port; one that does
 * not exist is left closed). Returns an exit status: 0 when the warden has closed its socket.
 */
int proxy_main(int argc, char **argv);

#endif
