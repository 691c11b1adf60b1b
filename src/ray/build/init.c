/* The init container with which a worker waits for its head (spec: raycluster §8.8). */
#include "ray/build/pod.h"
#include "ray/build/scripts.h"

void pod_wait_gcs(struct pod *b)
{
    static const char *const copied[] = {"image", "imagePullPolicy", "securityContext", "env",
                                         "volumeMounts"};
    const char *address = arena_printf(b->a, "%s:%s", b->fqdn, b->port);
    yyjson_mut_val *c =
        yyjson_mut_arr_add_obj(b->doc, edit_list(b->doc, b->spec, "initContainers"));

    json_put_str(b->doc, c, "name", CONTAINER_WAIT_GCS);
    for (size_t i = 0; i < ARRAY_SIZE(copied); i++)
        if (json_get(b->user, copied[i]))
            json_put(b->doc, c, copied[i], json_thaw(b->doc, json_get(b->user, copied[i])));
    container_script(b, c, arena_printf(b->a, SCRIPT_WAIT_GCS, address, address));
    put_resources(b->doc, c, "200m", "256Mi");
}
