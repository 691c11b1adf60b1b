/*
 * What an object in quarantine shows (guard.h says how it gets there): a condition in its status,
 * for kinds that have conditions. Upstream knows no such condition; one that crashes nobody never
 * has it.
 */
#ifndef MANTA_OPERATOR_QUARANTINE_H
#define MANTA_OPERATOR_QUARANTINE_H

#include "operator/act.h"

#define QUARANTINED "Quarantined"
#define QUARANTINE_TEXT                                                                            \
    "planning this object crashed the operator twice; it is left alone until its spec changes"

bool quarantine_shown(enum ray_kind kind, yyjson_val *object);
bool quarantine_can_show(enum ray_kind kind);

/* Writes the status with the condition, or without it. on_end (may be NULL) comes from the loop,
 * once, and not when the process ends before. */
void quarantine_show(struct actor *a, enum ray_kind kind, yyjson_val *object, bool on,
                     void (*on_end)(void *ctx, bool ok), void *ctx);

#endif
