#include "apiserver/controllers/controllers.h"

static const struct controller *const all[] = {
    &namespace_controller, &serviceaccount_controller, &root_ca_controller, &gc_controller,
    &endpoints_controller, &endpointslice_controller,  &job_controller,     &ttl_controller,
};

struct controllers {
    void *running[ARRAY_SIZE(all)];
};

struct controllers *api_controllers_start(struct apiserver *api)
{
    struct controllers *c = xnew(struct controllers);

    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (api_controller_enabled(api, all[i]->name))
            c->running[i] = all[i]->start(api);
    return c;
}

void controllers_stop(struct controllers *c)
{
    if (!c)
        return;
    for (size_t i = ARRAY_SIZE(all); i-- > 0;)
        if (c->running[i])
            all[i]->stop(c->running[i]);
    free(c);
}
