#include "base/table.h"

int table_find(const char *const *names, size_t n, const char *word)
{
    for (size_t i = 0; word && i < n; i++)
        if (names[i] && strcmp(names[i], word) == 0)
            return (int)i;
    return -1;
}
