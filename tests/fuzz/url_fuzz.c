/* URLs and NO_PROXY lists: first line and second line. */
#include "net/url.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data, size}, line;
    struct url u;

    if (!slice_cut(&rest, '\n', &line) || url_parse(line, &u, NULL) < 0)
        return 0;
    autofree char *authority = url_authority(&u);
    if (!*authority)
        abort();
    autofree char *list = xstrndup(rest.p ? rest.p : "", rest.n);
    struct proxy_env env = {"http://p", "http://p", list};
    proxy_for(&env, &u);
    url_done(&u);
    return 0;
}
