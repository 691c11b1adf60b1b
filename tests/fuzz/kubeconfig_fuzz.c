/* A kubeconfig of anybody: an error or a configuration, nothing else. */
#include "kube/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kube_config *c = NULL;
    struct err err;

    if (kube_config_parse((struct slice){(const char *)data, size}, "/nonexistent", NULL, &c,
                          &err) == 0)
        kube_config_free(c);
    return 0;
}
