/*
 * Memory that the kernel can read again from the program's files.
 */
#ifndef MANTA_BASE_PAGES_H
#define MANTA_BASE_PAGES_H

/* Unmaps the pages of code and constants of the program and its libraries: those still used come
 * back one by one from the page cache, those that only the start needed stay away. Half of what a
 * process maps at its start is code of OpenSSL's and the linker's that never runs again. Only
 * segments that cannot be written are touched, so nothing can be lost. */
void pages_drop_code(void);

#endif
