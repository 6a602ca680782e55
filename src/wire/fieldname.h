/*
 * How names of header fields are spelt in HTTP/1. Heads travel in lower case between our processes;
 * case means nothing (RFC 9110, 5.1), but scripts and some old servers look for what is usual.
 */
#ifndef WIRE_FIELDNAME_H
#define WIRE_FIELDNAME_H

#include <stddef.h>

/* Turns n bytes of a lower-case name into the usual spelling, in place: Content-Type, ETag. */
void fieldname_spell(char *name, size_t n);

#endif
