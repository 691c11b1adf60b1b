/*
 * Unit tests: each TEST registers itself; the program runs all, or those whose name contains its
 * first argument, and prints "N passed, N failed" last.
 *
 *     TEST(buf_limit) { struct buf b = BUF_LIMIT(3); ... CHECK(b.over); }
 *
 * include this header in the test's one .c file only.
 */
#ifndef MANTA_BASE_TEST_H
#define MANTA_BASE_TEST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
};

static struct test *test_first, **test_last = &test_first;
static int test_failures; /* of the running test */

static inline void test_register(struct test *t)
{
    *test_last = t;
    test_last = &t->next;
}

#define TEST(id)                                                                                   \
    static void test_##id(void);                                                                   \
    static struct test test_entry_##id = {#id, test_##id, NULL};                                   \
    __attribute__((constructor)) static void test_register_##id(void)                              \
    {                                                                                              \
        test_register(&test_entry_##id);                                                           \
    }                                                                                              \
    static void test_##id(void)

#define FAIL(...)                                                                                  \
    do {                                                                                           \
        test_failures++;                                                                           \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                            \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
    } while (0)

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            FAIL("not true: %s", #cond);                                                           \
    } while (0)

#define CHECK_INT(got, want)                                                                       \
    do {                                                                                           \
        long long got_ = (long long)(got), want_ = (long long)(want);                              \
        if (got_ != want_)                                                                         \
            FAIL("%s: got %lld, want %lld", #got, got_, want_);                                    \
    } while (0)

#define CHECK_STR(got, want)                                                                       \
    do {                                                                                           \
        const char *got_ = (got), *want_ = (want);                                                 \
        if (!got_ || !want_ ? got_ != want_ : strcmp(got_, want_) != 0)                            \
            FAIL("%s:\n got  %s\n want %s", #got, got_ ? got_ : "NULL", want_ ? want_ : "NULL");   \
    } while (0)

#define CHECK_OK(call, err)                                                                        \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            FAIL("%s: %s", #call, (err)->msg);                                                     \
    } while (0)

/*
 * Compares text with the golden file; UPDATE_GOLDEN=1 in the environment writes it instead.
 */
static inline void test_golden(const char *file, int line, const char *path, const char *text)
{
    struct buf want cleanup(buf_done) = BUF_INIT;
    struct err err;

    if (getenv("UPDATE_GOLDEN")) {
        if (file_write(path, slice_of(text), 0644, &err) < 0)
            fprintf(stderr, "%s\n", err.msg), test_failures++;
        return;
    }
    if (file_read(path, &want, &err) < 0 || strcmp(buf_str(&want), text) != 0) {
        test_failures++;
        fprintf(stderr, "%s:%d: differs from %s\n--- got\n%s", file, line, path, text);
    }
}
#define CHECK_GOLDEN(path, text) test_golden(__FILE__, __LINE__, path, text)

int main(int argc, char **argv)
{
    int passed = 0, failed = 0;

    for (struct test *t = test_first; t; t = t->next) {
        if (argc > 1 && !strstr(t->name, argv[1]))
            continue;
        test_failures = 0;
        t->run();
        if (test_failures) {
            failed++;
            printf("FAIL %s\n", t->name);
        } else {
            passed++;
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed || !passed;
}

#endif
