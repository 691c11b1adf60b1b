#include "ray/options.h"

#include <string.h>
#include <strings.h>

const char *ray_env(const struct ray_options *o, const char *name)
{
    for (const struct ray_env *e = o->env; e && e->name; e++)
        if (!strcmp(e->name, name))
            return e->value;
    return NULL;
}

/* Upstream's tests are `lower(value) == "true"` for what is off by default and
 * `lower(value) != "false"` for what is on: any other text leaves the default. */
bool ray_env_true(const struct ray_options *o, const char *name, bool def)
{
    const char *v = ray_env(o, name);

    if (!v)
        return def;
    return def ? strcasecmp(v, "false") != 0 : strcasecmp(v, "true") == 0;
}

int64_t ray_env_int(const struct ray_options *o, const char *name, int64_t def)
{
    const char *v = ray_env(o, name);
    int64_t n;

    return v && slice_int64(slice_of(v), &n) ? n : def;
}
