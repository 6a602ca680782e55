/*
 * What has to hold for the rules of all layers together, once they are in their order.
 *
 * The order of rules: that of their first lines. Layers come in the order in which they are read,
 * and a file comes before what it inherits. It counts within one layer only: its file and the files
 * that this inherits, or the presets of one command line, were written to go together. Files of two
 * layers know nothing of each other. So rules of two layers that may match one request and do
 * different things with it are refused, and so is a rule all of whose requests an earlier one of its
 * own layer takes.
 */
#ifndef POLICY_RULECHECK_H
#define POLICY_RULECHECK_H

#include "base/err.h"
#include "policy/store.h"

/*
 * 0, or -errno with "FILE:LINE: WHAT; REMEDY"; what is only doubtful becomes a warning. is_alone:
 * one file is judged without the layers that it may add to, so that a rule may lack its half.
 */
int rulecheck_all(struct policy *policy, bool is_alone, struct err *err);

/* Its parts. Two rules, a before b. */
int rulecheck_pair(const struct rules_rule *a, const struct rules_rule *b, struct err *err);

/* May commands write what the rule's secrets or authorities come from, or read a secret there? */
int rulecheck_places(const struct policy *policy, const struct rules_rule *rule, struct err *err);

/* The same for any source of a secret, and for the program and the files of a command's words. */
int rulecheck_source(const struct policy *policy, const char *source, struct err *err);
int rulecheck_command(const struct policy *policy, const char *line, struct err *err);

/* Adds what is doubtful to the policy's warnings. */
int rulecheck_doubts(struct policy *policy, const struct rules_rule *rule, struct err *err);

#endif
