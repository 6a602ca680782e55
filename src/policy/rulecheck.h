/* What has to hold for the rules of all layers together, once they are in their order. */
#ifndef POLICY_RULECHECK_H
#define POLICY_RULECHECK_H

#include "base/err.h"
#include "policy/store.h"

/* 0, or -errno with "FILE:LINE: WHAT; REMEDY"; what is only doubtful becomes a warning. */
int rulecheck_all(struct policy *policy, struct err *err);

#endif
