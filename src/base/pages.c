#include "base/pages.h"
#include "base/macro.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int drop_of(struct dl_phdr_info *info, unused size_t size, void *ctx)
{
    uintptr_t page = *(uintptr_t *)ctx;

    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t from = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
        uintptr_t to = info->dlpi_addr + p->p_vaddr + p->p_filesz;
        /* Not the writable segment: what was relocated in it is in no file. */
        if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) && to > from)
            madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}

void pages_drop_code(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    dl_iterate_phdr(drop_of, &page);
}
