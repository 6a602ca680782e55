/* Memory of the libraries that a value passes through: wiped when it is given back. */
#ifndef KEEPER_MEMORY_H
#define KEEPER_MEMORY_H

#include "base/buf.h"
#include "base/err.h"

#include <nghttp2/nghttp2.h>
#include <stddef.h>

/*
 * Should: be called first of all, before OpenSSL has allocated anything: from then on it wipes what
 * it frees. 0 or -errno with err.
 */
int memory_init(struct err *err) __attribute__((warn_unused_result));

/* For nghttp2_session_client_new3(). */
nghttp2_mem *memory_nghttp2(void);

/* n bytes of ordinary memory for what may hold a value; NULL: none left. */
void *memory_take(size_t n);
void memory_give(void *p); /* wipes and frees; NULL is fine */

/* As buf_add(), without leaving old bytes behind when it grows. 0 or -ENOMEM. */
int memory_add(struct buf *b, const void *bytes, size_t n);
void memory_forget(struct buf *b); /* wipes what is in it and starts anew; it keeps its room */
void memory_done(struct buf *b);

#endif
