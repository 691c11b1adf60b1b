#include "kube/split.h"

static const char items[] = "items";

/* Follows strings; true if c belongs to one (or ends it). */
static bool in_string(struct split *s, char c)
{
    if (!s->in_string) {
        s->in_string = c == '"';
        return s->in_string;
    }
    if (s->escaped)
        s->escaped = false;
    else if (c == '\\')
        s->escaped = true;
    else if (c == '"')
        s->in_string = false;
    return true;
}

/* At depth 1: whether the string just read is "items", and whether its value starts here. */
static void watch_name(struct split *s, char c, bool string)
{
    if (string && c == '"' && s->in_string) {
        s->name_len = 0;
    } else if (string && s->in_string) {
        bool same = s->name_len < sizeof items - 1 && items[s->name_len] == c;
        s->name_len = same ? (uint8_t)(s->name_len + 1) : 255;
    } else if (string) {
        s->items_next = s->name_len == sizeof items - 1;
    } else if (c == ',') {
        s->items_next = false;
    }
}

static int end_item(struct split *s, struct err *err)
{
    if (s->part.over)
        return err_set(err, ERR_TOO_LARGE, "an item of the list is larger than %zu bytes",
                       SPLIT_ITEM_MAX);
    int r = s->on_item(s->ctx, buf_slice(&s->part), err);
    buf_reset(&s->part);
    return r;
}

/* One byte inside the array of items. */
static int item_byte(struct split *s, char c, bool string, struct err *err)
{
    if (!string && s->depth == 2 && c == ']') {
        s->in_items = false;
        s->items_next = false;
        s->depth = 1;
        buf_addc(&s->rest, c);
        return 0;
    }
    if (s->depth == 2 && s->part.len == 0 && (string || c != '{'))
        return string || (c != ',' && c != ' ' && c != '\n' && c != '\r' && c != '\t')
                   ? err_set(err, ERR_BAD_REQUEST, "an item of the list is no object")
                   : 0;
    buf_addc(&s->part, c);
    if (string)
        return 0;
    if (c == '{' || c == '[')
        s->depth++;
    else if ((c == '}' || c == ']') && --s->depth == 2)
        return end_item(s, err);
    return 0;
}

static int list_byte(struct split *s, char c, struct err *err)
{
    bool string = in_string(s, c);

    if (s->in_items)
        return item_byte(s, c, string, err);
    buf_addc(&s->rest, c);
    if (s->depth == 1)
        watch_name(s, c, string);
    if (string)
        return 0;
    if (c == '[' && s->depth == 1 && s->items_next)
        s->in_items = true;
    if (c == '{' || c == '[')
        s->depth++;
    else if ((c == '}' || c == ']') && s->depth)
        s->depth--;
    return 0;
}

static int feed_list(struct split *s, struct slice bytes, struct err *err)
{
    for (size_t i = 0; i < bytes.n; i++) {
        int r = list_byte(s, bytes.p[i], err);
        if (r < 0)
            return r;
    }
    if (s->rest.over)
        return err_set(err, ERR_TOO_LARGE, "the list without its items is too large");
    return 0;
}

static int feed_lines(struct split *s, struct slice bytes, struct err *err)
{
    while (bytes.n) {
        const char *end = memchr(bytes.p, '\n', bytes.n);
        size_t n = end ? (size_t)(end - bytes.p) : bytes.n;

        if (end && s->part.len == 0) { /* a whole line, as nearly always: no copy */
            if (n) {
                int r = s->on_item(s->ctx, (struct slice){bytes.p, n}, err);
                if (r < 0)
                    return r;
            }
        } else {
            buf_add(&s->part, bytes.p, n);
            int r = end ? end_item(s, err) : 0;
            if (r < 0)
                return r;
        }
        n += end != NULL;
        bytes = (struct slice){bytes.p + n, bytes.n - n};
    }
    if (s->part.over)
        return err_set(err, ERR_TOO_LARGE, "a line of the watch is larger than %zu bytes",
                       SPLIT_ITEM_MAX);
    return 0;
}

int split_feed(struct split *s, struct slice bytes, struct err *err)
{
    s->part.max = SPLIT_ITEM_MAX;
    s->rest.max = (size_t)1 << 20;
    return s->list ? feed_list(s, bytes, err) : feed_lines(s, bytes, err);
}

void split_done(struct split *s)
{
    buf_done(&s->part);
    buf_done(&s->rest);
}
