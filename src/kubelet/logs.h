/*
 * Reading container logs (crilog.h) for pods/log: the options of the API, following, and the answer
 * to an HTTP request that goes on as long as the container runs.
 */
#ifndef MANTA_KUBELET_LOGS_H
#define MANTA_KUBELET_LOGS_H

#include "base/buf.h"
#include "base/err.h"
#include "net/loop.h"
#include "net/server.h"

struct log_options {
    bool follow, previous, timestamps;
    int64_t tail_lines;  /* -1: all */
    int64_t limit_bytes; /* -1: no limit */
    int64_t since_ns;    /* wall clock; 0: from the beginning */
};

/* The query of a pods/log request (percent-encoded). ERR_BAD_REQUEST with the field's name. */
int log_options_parse(struct slice query, int64_t now_ns, struct log_options *ret, struct err *err);

/* A name or value of a query without its percent-encoding, cut to the room. */
void log_query_decode(struct slice s, char *out, size_t room);

/* One line of a log file without its newline. False if it is none. */
struct log_line {
    int64_t ns;
    struct slice stamp, text;
    bool full; /* a newline of the container ended it */
};
bool log_line_parse(struct slice line, struct log_line *ret);

/* What follows the options of a file: turns its bytes into what a reader sees. Pure. */
struct log_filter {
    struct log_options o;
    bool inside;  /* the last piece was a part of a line */
    int64_t sent; /* bytes */
    bool done;    /* the limit is reached */
};
void log_filter_feed(struct log_filter *f, struct slice line, struct buf *out);

/* Where the last *n lines begin in a file of that size; *n becomes how many of them it does not
 * have. */
int64_t log_tail_offset(int fd, int64_t size, int64_t *n);

struct log_serve {
    uv_loop_t *loop;
    const char *path; /* of the log; its older files (crilog.h) come first */
    struct log_options options;
    /* Whether its container may still write to it; the stream ends otherwise. ctx is freed by
     * free_ctx (may be NULL) at the end. */
    bool (*running)(void *ctx);
    void (*free_ctx)(void *ctx);
    void *ctx;
};
void logs_serve(struct http_req *r, const struct log_serve *s);

#endif
