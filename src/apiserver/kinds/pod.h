/* Parts of pods' admission. */
#ifndef MANTA_APISERVER_KINDS_POD_H
#define MANTA_APISERVER_KINDS_POD_H

#include "apiserver/apiserver.h"

/* LimitRanger: defaults from the namespace's LimitRanges, then their bounds. */
void pod_admit_limits(struct change *ch);

#endif
