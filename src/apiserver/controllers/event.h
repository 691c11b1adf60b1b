/* Events that controllers write about objects. */
#ifndef MANTA_APISERVER_CONTROLLERS_EVENT_H
#define MANTA_APISERVER_CONTROLLERS_EVENT_H

#include "apiserver/apiserver.h"

/* A new Event about obj, of kind res. Fire and forget: a lost event changes nothing. */
void event_send(struct apiserver *api, const struct resource *res, yyjson_val *obj,
                const char *component, const char *type, const char *reason, const char *message);

#endif
