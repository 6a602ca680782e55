/* Secrets of a tool's command: from pipes into its environment, by way of nobody else's memory. */
#ifndef CELL_RUNNER_SECRETS_H
#define CELL_RUNNER_SECRETS_H

#include "wire/job.h"

/*
 * Reads the pipes of a job's secrets and points its last variables to "NAME=VALUE" in memory of its
 * own. 0 or -errno with err, which has no byte of a value; runner_secrets_wipe() in both cases.
 */
int runner_secrets_read(struct job *job, char *strings[JOB_SECRETS_MAX], struct err *err)
	__attribute__((warn_unused_result));

/* Should: be called as soon as the command has its own copy. */
void runner_secrets_wipe(char *strings[JOB_SECRETS_MAX]);

#endif
