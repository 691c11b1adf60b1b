/*
 * Images are environments on this machine. A name like `rayproject/ray:2.52.0-py311-cpu` means a
 * Python environment with that Ray, made on first use under the cache directory and kept; a name
 * that `manta image add` mapped means a directory of one's own (a virtual environment: it has
 * bin/). Nothing is downloaded but Python packages, through the machine's ordinary pip settings.
 *
 * Mappings are one JSON object {"NAME": "/abs/path"} in images.json in the cache directory,
 * replaced as a whole under a lock.
 */
#ifndef MANTA_KUBELET_IMAGES_H
#define MANTA_KUBELET_IMAGES_H

#include "base/err.h"
#include "base/vec.h"

struct image {
    char *name;  /* as written in the pod */
    char *path;  /* absolute; the environment's prefix */
    bool mapped; /* by `manta image add`; otherwise made by a pull */
};

struct image_list {
    VEC(struct image) items;
};
void image_list_done(struct image_list *l);

/* $XDG_CACHE_HOME/manta or ~/.cache/manta. The caller's. */
char *image_cache_dir(void);

/* The verbs of `manta image`. dir: the cache directory, NULL for the default. */
int image_add(const char *dir, const char *name, const char *path, struct err *err);
int image_remove(const char *dir, const char *name, struct err *err); /* NOT_FOUND if unknown */
int image_list(const char *dir, struct image_list *ret, struct err *err);

/* What an image name asks for, when it is one of Ray's. */
struct image_want {
    char ray[32];   /* "2.52.0" */
    char python[8]; /* "3.11", "" if the name has no -pyNNN */
};
/* False for names that are not rayproject/ray (or ray-ml) of a released version. */
bool image_parse(const char *name, struct image_want *ret);

/*
 * The environment of an image if it is here already: ERR_NOT_FOUND if a pull is needed. *ret_path
 * is the caller's.
 */
int image_find(const char *dir, const char *name, char **ret_path, struct err *err);

/*
 * Makes it (blocks for seconds to minutes; meant for a child process): several at once make it
 * once, the others wait for the lock. progress (may be NULL) gets one line of text at a time.
 */
int image_pull(const char *dir, const char *name, void (*progress)(const char *line),
               char **ret_path, struct err *err);

/* The Ray version that is installed in an environment, "" if it has none. */
int image_ray_version(const char *path, char ret[32], struct err *err);

#endif
