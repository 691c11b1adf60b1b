#include "ray/sched/sched.h"

#include <string.h>

static const struct scheduler no_scheduler = {"", NULL, NULL};

static const struct scheduler *const by_flag[] = {&volcano_scheduler, &yunikorn_scheduler,
                                                  &kai_scheduler, &plugins_scheduler};

static const struct scheduler *find(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(by_flag); i++)
        if (!strcmp(by_flag[i]->name, name))
            return by_flag[i];
    return NULL;
}

bool scheduler_known(const char *name)
{
    return find(name);
}

const struct scheduler *scheduler_of(const struct ray_options *o)
{
    const struct scheduler *s = find(o->batch_scheduler);

    if (s)
        return s;
    return ray_feature(o, FEATURE_KUBERNETES_WAS) ? &was_scheduler : &no_scheduler;
}
