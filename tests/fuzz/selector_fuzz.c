/* selector: label and field selectors; the canonical text must parse to itself. */
#include "data/selector.h"
#include "parts.h"

static void labels(struct slice text)
{
    struct selector *a cleanup(selector_free_p) = NULL, *b cleanup(selector_free_p) = NULL;
    struct buf once cleanup(buf_done) = BUF_INIT, twice cleanup(buf_done) = BUF_INIT;

    if (selector_parse(text, &a, NULL) < 0)
        return;
    selector_matches(a, NULL);
    selector_to_string(a, &once);
    if (selector_parse(slice_of(buf_str(&once)), &b, NULL) < 0)
        abort();
    selector_to_string(b, &twice);
    if (strcmp(buf_str(&once), buf_str(&twice)) != 0)
        abort();
}

static void fields(struct slice text)
{
    struct field_selector *a cleanup(field_selector_free_p) = NULL,
                             *b cleanup(field_selector_free_p) = NULL;
    struct buf once cleanup(buf_done) = BUF_INIT;

    if (field_selector_parse(text, &a, NULL) < 0)
        return;
    field_selector_matches(a, NULL, 0, NULL);
    field_selector_to_string(a, &once);
    if (field_selector_parse(slice_of(buf_str(&once)), &b, NULL) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct selector *s cleanup(selector_free_p) = NULL;
    autojson struct json *j = NULL;

    labels(text);
    fields(text);
    if (json_parse(text, &j, NULL) == 0)
        selector_from_json(json_root(j), &s, NULL);
    return 0;
}
