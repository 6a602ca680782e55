/* The keepers' role: `agentjail @keeper`, with the descriptors of enum keeper_fd (wire/keepmsg.h). */
#ifndef KEEPER_MAIN_H
#define KEEPER_MAIN_H

int keeper_main(int argc, char **argv);

#endif
