/* What images.c and image_pull.c share. */
#ifndef MANTA_KUBELET_IMAGES_INT_H
#define MANTA_KUBELET_IMAGES_INT_H

#include "kubelet/images.h"

#define IMAGE_MARK ".manta-image" /* in a finished environment; holds the image's name */

int image_lock(const char *path, struct err *err); /* the descriptor; closing it unlocks */
char *image_env_dir(const char *dir, const struct image_want *w);
bool image_env_ready(const char *path);

#endif
