/* Reading manifests: files, folders, standard input; one object or many, lists taken apart. */
#include "cli/cluster.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST_MAX ((size_t)16 << 20)

struct reader {
    VEC(struct manifest) found;
    VEC(struct yaml_docs) docs;
};

static int add_object(struct reader *r, yyjson_val *object, const char *file, unsigned line,
                      struct err *err)
{
    yyjson_val *items = json_get(object, "items");

    if (!*json_get_str(object, "apiVersion", "") || !*json_get_str(object, "kind", ""))
        return err_set(err, ERR_BAD_REQUEST,
                       "%s:%u: apiVersion and kind are needed in every object of a manifest", file,
                       line);
    if (yyjson_is_arr(items) && !json_at(object, "metadata.name")) {
        json_each(items, item, i, n) {
            int code = add_object(r, item, file, line, err);
            if (code < 0)
                return code;
        }
        return 0;
    }
    vec_push(&r->found, (struct manifest){object, file, line});
    return 0;
}

static int read_stdin(struct buf *b, struct err *err)
{
    char chunk[16384];

    for (ssize_t n; (n = read(STDIN_FILENO, chunk, sizeof chunk)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "standard input");
        buf_add(b, chunk, (size_t)n);
    }
    return b->over ? err_set(err, ERR_TOO_LARGE, "standard input: larger than 16 MiB") : 0;
}

static int read_one(struct reader *r, const char *file, struct err *err)
{
    struct buf text cleanup(buf_done) = BUF_LIMIT(MANIFEST_MAX);
    struct yaml_docs docs = {0};
    const char *name = strcmp(file, "-") ? file : "standard input";
    int code = strcmp(file, "-") ? file_read(file, &text, err) : read_stdin(&text, err);

    if (code < 0)
        return code;
    if (yaml_parse_all(buf_slice(&text), YAML_STRICT, &docs, err) < 0)
        return err_wrap(err, "%s", name);
    vec_push(&r->docs, docs);
    for (size_t i = 0; i < docs.n; i++) {
        code = add_object(r, json_root(docs.v[i].json), name, docs.v[i].line, err);
        if (code < 0)
            return code;
    }
    return docs.n ? 0 : err_set(err, ERR_BAD_REQUEST, "%s: no object in it", name);
}

static int is_manifest(const struct dirent *d)
{
    const char *dot = strrchr(d->d_name, '.');

    return d->d_name[0] != '.' && dot &&
           (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json"));
}

static int read_path(struct reader *r, const char *path, struct err *err)
{
    struct dirent **names;
    struct stat st;
    int code = 0;

    if (!strcmp(path, "-") || stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return read_one(r, path, err);
    int n = scandir(path, &names, is_manifest, alphasort);
    if (n < 0)
        return err_errno(err, errno, "%s", path);
    for (int i = 0; i < n; i++) {
        autofree char *file = xasprintf("%s/%s", path, names[i]->d_name);
        if (code == 0)
            code = read_one(r, file, err);
        free(names[i]);
    }
    free(names);
    return code;
}

int manifests_read(char **files, size_t n, struct manifests *ret, struct err *err)
{
    struct reader r = {0};
    int code = 0;

    for (size_t i = 0; i < n && code == 0; i++)
        code = read_path(&r, files[i], err);
    *ret = (struct manifests){r.found.v, r.found.n, r.docs.v, r.docs.n};
    if (code < 0)
        manifests_done(ret);
    return code;
}

void manifests_done(struct manifests *m)
{
    for (size_t i = 0; i < m->n_docs; i++)
        yaml_docs_done(&m->docs[i]);
    free(m->docs);
    free(m->v);
    *m = (struct manifests){0};
}
