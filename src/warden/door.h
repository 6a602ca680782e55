/*
 * The warden's side of the tool door (wire/door.h): takes calls of commands in the cell, decides
 * each, and starts the runs that are granted.
 */
#ifndef WARDEN_DOOR_H
#define WARDEN_DOOR_H

#include "base/err.h"

struct door;
struct warden;

/* *ret: NULL when the policy has no tools. 0 or -errno with err. */
int door_init(const struct warden *w, struct door **ret, struct err *err);
void door_stop(struct door *door); /* and every run; NULL is fine */

/* A new cell listens. Should: be called when there is a door. */
int door_open(struct warden *w, struct door *door, struct err *err);

int door_fd(const struct door *door); /* for poll, POLLIN; -1: none */
void door_dispatch(struct warden *w, struct door *door);

#endif
