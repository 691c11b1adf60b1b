/*
 * The part of the Common Expression Language that rules in x-kubernetes-validations use: parsed
 * once, evaluated on JSON. There: literals, lists, field access, indices, == != < <= > >= in, && ||
 * !,
 * ?:, + - * / %, has(), size(), all(), exists(), exists_one(), filter(), map(), startsWith(),
 * endsWith(), contains(), matches(), type conversions int(), double(), string(). No macros beyond
 * these, no maps as literals, no time and quantity libraries: a rule that needs them does not
 * parse.
 *
 * Errors in && and || are absorbed as CEL demands when the other side decides. Parsing bounds the
 * expression's depth, evaluation its steps (CEL_MAX_COST), so that a rule cannot hang the caller.
 */
#ifndef MANTA_DATA_CEL_H
#define MANTA_DATA_CEL_H

#include "data/json.h"

#define CEL_MAX_COST 1000000 /* steps of one evaluation */
#define CEL_MAX_LENGTH 10000 /* bytes of an expression */

struct cel;

/* ERR_INVALID with a message that names the column. */
int cel_parse(struct slice text, struct cel **ret, struct err *err);
void cel_free(struct cel *c);
bool cel_uses(const struct cel *c, const char *name); /* whether a variable occurs: "oldSelf" */

/* int_or_string etc. need no hint: values are what JSON says they are. */
struct cel_vars {
    yyjson_val *self, *old_self; /* old_self NULL: not bound, using it is an error */
};

/* A rule: *ret is its truth. ERR_INVALID when evaluation fails ("no such key: x", cost). */
int cel_eval_bool(const struct cel *c, const struct cel_vars *vars, bool *ret, struct err *err);
/* A messageExpression: appends the string it gives. */
int cel_eval_string(const struct cel *c, const struct cel_vars *vars, struct buf *ret,
                    struct err *err);

#endif
