/* What the Ray container runs (spec: raycluster §8.6.5). */
#include "ray/build/pod.h"

#include <string.h>

static void add_words(struct buf *b, yyjson_val *words)
{
    json_each(words, w, i, n)
        buf_printf(b, " %s ", json_str(w, ""));
}

static bool keep_command(struct pod *b, const char *own)
{
    yyjson_mut_val *annotations = json_mut_get(b->meta, "annotations");

    return is_true(yyjson_mut_get_str(json_mut_get(annotations, ANN_OVERWRITE_CMD))) ||
           strstr(own, "ray start");
}

void pod_command(struct pod *b)
{
    struct buf own cleanup(buf_done) = BUF_INIT;
    const char *script =
        arena_printf(b->a, "ulimit -n ${RAY_START_ULIMIT_OPEN_FILES:-65536}; %s", b->start);

    add_words(&own, json_get(b->user, "command"));
    add_words(&own, json_get(b->user, "args"));
    if (keep_command(b, buf_str(&own)))
        return;
    if (own.len)
        script = arena_printf(b->a, "%s && %s", own.data, script);
    container_script(b, b->ray, script);
}
