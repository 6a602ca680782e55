/*
 * The mother of cells that live for one command each. It has a view as a cell has, in which no command
 * ever runs; each cell starts as a copy of it, by one clone(2), and makes anew what a command can write
 * (view_renew()). Masks that a helper puts into the mother's view appear in all cells at that moment.
 */
#ifndef CELL_MOTHER_H
#define CELL_MOTHER_H

#include "policy/roles.h"

/*
 * Serves until asks, a socket of cell_ask(), ends; so does everything then. Should: be called by the
 * first process of a pid namespace, in the mother's view, its mounts shared, not dumpable.
 */
_Noreturn void mother_run(const struct cell_request *request, int asks);

#endif
