/*
 * The three patches of the Kubernetes API, on a document that may be edited. Each edits the tree
 * whose root is *root (values of doc) and may replace *root itself; on an error the tree may be
 * half patched, so patch a copy (json_thaw) and drop it. Patches are read-only and copied from.
 */
#ifndef MANTA_DATA_PATCH_H
#define MANTA_DATA_PATCH_H

#include "data/json.h"

/* Operations of one JSON patch, as kube-apiserver bounds it. */
#define PATCH_MAX_OPS 10000

/*
 * JSON pointers (RFC 6901). *ret is NULL and the result ERR_NOT_FOUND where nothing is there;
 * ERR_BAD_REQUEST for a pointer that is none.
 */
int json_pointer(yyjson_mut_val *root, struct slice pointer, yyjson_mut_val **ret, struct err *err);

/*
 * JSON patch (RFC 6902), with a kube-apiserver's liberties: an index may be negative (from the
 * end), `replace` may set a member that is not there, `copy` of such a member gives null, `test`
 * finds null in it; the whole document ("") can only be replaced or tested. Errors: ERR_BAD_REQUEST
 * when patch is no list of operations (words for the client), ERR_TOO_LARGE past PATCH_MAX_OPS
 * (likewise), ERR_INVALID when an operation cannot be applied. A kube-apiserver keeps that last
 * message to itself: its client reads "the server rejected our request due to an error in our
 * request".
 */
int patch_json(yyjson_mut_doc *doc, yyjson_mut_val **root, yyjson_val *patch, struct err *err);

/* JSON merge patch (RFC 7386). Cannot fail; gives the new root. */
yyjson_mut_val *patch_merge(yyjson_mut_doc *doc, yyjson_mut_val *root, yyjson_val *patch);
/* The merge patch that makes to out of from. Lists are replaced whole. */
yyjson_mut_val *patch_merge_diff(yyjson_mut_doc *doc, yyjson_val *from, yyjson_val *to);

/*
 * What strategic merge needs to know of a struct type's member: patchStrategy, patchMergeKey and
 * the type of what is inside (of a list's items or a map's values, if it is one). type NULL: no
 * struct is known there, so members below it have no strategy.
 */
struct patch_field {
    const void *type;
    bool merge;            /* patchStrategy has "merge" */
    bool replace;          /* patchStrategy has "replace" */
    bool retain_keys;      /* patchStrategy has "retainKeys" */
    bool is_map;           /* a map with free keys: type is that of its values */
    const char *merge_key; /* patchMergeKey; NULL for lists of primitives */
};

/* Looks name up in a struct type; false when the type has no such member. */
typedef bool patch_lookup(const void *type, struct slice name, struct patch_field *ret);

struct patch_meta {
    patch_lookup *lookup;
    const void *type; /* of the root */
};

/* The lookup over the type table (data/types.h): type is a `const struct type *`. */
patch_lookup patch_lookup_types;

/*
 * Strategic merge patch. Directives: $patch (replace, delete, merge), $deleteFromPrimitiveList/x,
 * $setElementOrder/x, $retainKeys; null deletes a member. Errors, in apimachinery's words and with
 * the codes a kube-apiserver answers: ERR_BAD_REQUEST for a malformed directive, ERR_INVALID for
 * lists of lists, ERR_INTERNAL for the others (a list item without its merge key, an unknown
 * directive).
 */
int patch_strategic(yyjson_mut_doc *doc, yyjson_mut_val **root, yyjson_val *patch,
                    const struct patch_meta *meta, struct err *err);

#endif
