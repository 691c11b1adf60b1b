/* Image names and exec probes, both free text of a pod. */
#include "data/json.h"
#include "kubelet/images.h"
#include "kubelet/probe.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wget_check checks[WGET_CHECKS_MAX];
    struct image_want want;
    char *text = malloc(size + 1);
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *command = yyjson_mut_arr(doc);

    memcpy(text, data, size);
    text[size] = '\0';
    if (image_parse(text, &want))
        assert(strlen(want.ray) >= 5);
    yyjson_mut_arr_add_str(doc, command, "bash");
    yyjson_mut_arr_add_str(doc, command, "-c");
    yyjson_mut_arr_add_str(doc, command, text);
    struct json *frozen autojson = json_freeze(command);
    assert(probe_parse_wget(json_root(frozen), checks) <= WGET_CHECKS_MAX);
    free(text);
    return 0;
}
