/*
 * Label and field selectors.
 *
 * A label selector is a list of requirements that must all hold; none at all matches everything.
 * Text form: "a=b,c==d,e!=f,g in (x,y),h notin (z),i,!j,k>1,l<2". JSON form: the LabelSelector type
 * (matchLabels, matchExpressions). Rules and the wording of errors are k8s.io/apimachinery's
 * (labels.Parse, fields.ParseSelector), since clients see them. Every error is ERR_BAD_REQUEST.
 *
 *     struct selector *s cleanup(selector_free_p) = NULL;
 *     r = selector_parse(slice_of("app in (a,b),!old"), &s, err);
 *     if (selector_matches(s, json_at(obj, "metadata.labels"))) ...
 *
 * A selector is immutable after parsing and owns its strings. A NULL selector matches everything.
 */
#ifndef MANTA_DATA_SELECTOR_H
#define MANTA_DATA_SELECTOR_H

#include "data/json.h"

enum selector_op {
    SELECTOR_EXISTS,
    SELECTOR_NOT_EXISTS,
    SELECTOR_EQ,
    SELECTOR_NE,
    SELECTOR_IN,
    SELECTOR_NOT_IN,
    SELECTOR_GT,
    SELECTOR_LT,
};

struct selector_req {
    const char *key;
    enum selector_op op;
    char **values; /* sorted, unique; none for EXISTS and NOT_EXISTS, one for EQ, NE, GT, LT */
    size_t n;
};

struct selector {
    struct selector_req *reqs; /* sorted by key */
    size_t n;
};

int selector_parse(struct slice text, struct selector **ret, struct err *err);
/* A LabelSelector; null, absent (NULL) or {} gives a selector that matches everything. */
int selector_from_json(yyjson_val *label_selector, struct selector **ret, struct err *err);
/* A plain map, as a Service's or a ReplicationController's spec.selector. */
int selector_from_map(yyjson_val *labels, struct selector **ret, struct err *err);
void selector_free(struct selector *s);
DEFINE_CLEANUP(struct selector *, selector_free)

/* labels is an object of strings; NULL counts as {}. */
bool selector_matches(const struct selector *s, yyjson_val *labels);
bool selector_is_everything(const struct selector *s);
void selector_to_string(const struct selector *s, struct buf *ret); /* canonical text */

/*
 * Field selectors: "metadata.name=x,status.phase!=Running". Only =, == and !=; a backslash escapes
 * comma, equals sign and itself in a value.
 */
struct field_req {
    char *field, *value;
    bool negated;
};

struct field_selector {
    struct field_req *reqs;
    size_t n;
};

/* A field that a resource lets be selected. */
struct field_label {
    const char *name;   /* as in the selector */
    const char *path;   /* json_at() path in the object; NULL: same as name */
    const char *absent; /* value of a member that is not there; NULL means "" */
};

int field_selector_parse(struct slice text, struct field_selector **ret, struct err *err);
void field_selector_free(struct field_selector *s);
DEFINE_CLEANUP(struct field_selector *, field_selector_free)

/*
 * Refuses fields that are not among labels (n of them). generic chooses the words of resources with
 * only the two metadata fields, custom resources among them: `"x" is not a known field selector:
 * only "metadata.name", …`; otherwise `field label not supported: x`.
 */
int field_selector_check(const struct field_selector *s, const struct field_label *labels, size_t n,
                         bool generic, struct err *err);
/* Fields that are not among labels are looked up by their own name as a path. */
bool field_selector_matches(const struct field_selector *s, const struct field_label *labels,
                            size_t n, yyjson_val *obj);
/* The value that "field=value" demands, or NULL: lets a server turn it into a lookup by name. */
const char *field_selector_exact(const struct field_selector *s, const char *field);
void field_selector_to_string(const struct field_selector *s, struct buf *ret);

#endif
