/* x-kubernetes-validations: running the rules of every value that is there. */
#include "data/schema_node.h"
#include "base/mem.h"

struct runner {
    struct field_path path;
    struct field_errors *errs;
};

static const char *path_of(struct runner *r)
{
    return r->path.text.len ? path_text(&r->path) : NULL;
}

static const char *type_word(yyjson_val *v)
{
    return yyjson_is_obj(v)    ? "object"
           : yyjson_is_arr(v)  ? "array"
           : yyjson_is_str(v)  ? "string"
           : yyjson_is_bool(v) ? "boolean"
           : yyjson_is_real(v) ? "number"
                               : "integer";
}

static void broken_rule(struct runner *r, const struct schema_rule *rule, yyjson_val *val,
                        const struct err *err)
{
    autofree char *text =
        xasprintf("%s evaluating rule: %s", err->msg, *rule->message ? rule->message : rule->text);

    field_invalid_str(r->errs, path_of(r), type_word(val), text);
}

/* The message: of the expression if it gives one line, else the rule's own, else the rule. */
static void message_of(const struct schema_rule *rule, const struct cel_vars *vars, struct buf *ret)
{
    struct buf made cleanup(buf_done) = BUF_INIT;

    if (rule->message_expr && cel_eval_string(rule->message_expr, vars, &made, NULL) == 0) {
        struct slice text = slice_trim(buf_slice(&made));
        if (text.n && text.n <= 5120 && !memchr(text.p, '\n', text.n)) {
            buf_add_slice(ret, text);
            return;
        }
    }
    if (*rule->message)
        buf_add_slice(ret, slice_trim(slice_of(rule->message)));
    else
        buf_printf(ret, "failed rule: %s", rule->text);
}

static void failed_rule(struct runner *r, const struct schema_rule *rule, yyjson_val *val,
                        const struct cel_vars *vars)
{
    struct buf text cleanup(buf_done) = BUF_INIT, message cleanup(buf_done) = BUF_INIT;
    size_t mark = path_mark(&r->path);

    message_of(rule, vars, &text);
    if (*rule->field_path)
        buf_adds(&r->path.text, rule->field_path + (*rule->field_path == '.' && !r->path.text.len));
    if (rule->reason == FIELD_FORBIDDEN)
        field_forbidden(r->errs, path_of(r), buf_str(&text));
    else if (rule->reason == FIELD_MISSING)
        field_required(r->errs, path_of(r), buf_str(&text));
    else if (yyjson_is_ctn(val)) { /* its value is not shown */
        buf_adds(&message, rule->reason == FIELD_DUPLICATE ? "Duplicate value" : "Invalid value: ");
        if (rule->reason != FIELD_DUPLICATE)
            buf_add_slice(&message, buf_slice(&text));
        field_error_add(r->errs, rule->reason, path_of(r), buf_str(&message));
    } else if (rule->reason == FIELD_DUPLICATE)
        field_duplicate(r->errs, path_of(r), val);
    else
        field_invalid(r->errs, path_of(r), val, buf_str(&text));
    path_back(&r->path, mark);
}

static void run_rules(struct runner *r, const struct schema *s, yyjson_val *val, yyjson_val *old)
{
    struct cel_vars vars = {.self = val, .old_self = old};

    for (size_t i = 0; s->extra && i < s->extra->n_rules; i++) {
        const struct schema_rule *rule = &s->extra->rules[i];
        struct err err = {0};
        bool holds = true;
        if (rule->uses_old && !old)
            continue;
        if (cel_eval_bool(rule->rule, &vars, &holds, &err) < 0)
            broken_rule(r, rule, val, &err);
        else if (!holds && (rule->uses_old || !old || !json_equal(old, val)))
            failed_rule(r, rule, val, &vars);
    }
}

static void run(struct runner *r, const struct schema *s, yyjson_val *val, yyjson_val *old);

static void run_members(struct runner *r, const struct schema *s, yyjson_val *obj, yyjson_val *old)
{
    size_t mark = path_mark(&r->path);

    json_each_member(obj, key, val) {
        struct slice name = {yyjson_get_str(key), yyjson_get_len(key)};
        const struct schema *prop = schema_property(s, name);
        const struct schema *member = prop ? prop : s->additional;
        if (!member)
            continue;
        if (prop)
            path_child(&r->path, name);
        else
            path_key(&r->path, name);
        run(r, member, val, yyjson_obj_getn(old, name.p, name.n));
        path_back(&r->path, mark);
    }
}

static void run(struct runner *r, const struct schema *s, yyjson_val *val, yyjson_val *old)
{
    size_t mark = path_mark(&r->path);

    if (!(s->flags & SCHEMA_HAS_RULES) || yyjson_is_null(val))
        return;
    if (yyjson_is_null(old))
        old = NULL;
    run_rules(r, s, val, old);
    if (yyjson_is_obj(val))
        run_members(r, s, val, old);
    json_each(val, item, i, n) {
        if (!s->items)
            break;
        path_index(&r->path, i);
        run(r, s->items, item, schema_old_item(s, old, item));
        path_back(&r->path, mark);
    }
}

void schema_validate_rules(const struct schema *s, yyjson_val *obj, yyjson_val *old,
                           struct field_errors *errs)
{
    struct runner r = {.errs = errs};

    run(&r, s, obj, old);
    buf_done(&r.path.text);
}
