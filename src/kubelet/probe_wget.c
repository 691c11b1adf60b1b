/* Exec probes that are nothing but wget and grep: `wget … URL | grep WORD [&& …]` by a shell. */
#include "kubelet/probe.h"

#include <stdio.h>
#include <string.h>

/* wget's options that take a value of their own word. */
static bool takes_value(struct slice word)
{
    return slice_is(word, "--tries") || slice_is(word, "-t") || slice_is(word, "-T") ||
           slice_is(word, "--timeout") || slice_is(word, "-O");
}

static bool next_word(struct slice *rest, struct slice *ret)
{
    while (rest->n && *rest->p == ' ')
        rest->p++, rest->n--;
    return rest->n && slice_cut(rest, ' ', ret);
}

static bool copy_to(char *out, size_t room, struct slice s)
{
    if (s.n >= room)
        return false;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

static bool parse_url(struct slice url, struct wget_check *c)
{
    struct slice scheme = SLICE("http://"), host, port = {0};
    int64_t n = 80;

    if (!slice_starts(url, scheme))
        return false;
    url.p += scheme.n, url.n -= scheme.n;
    const char *slash = memchr(url.p, '/', url.n);
    host = (struct slice){url.p, slash ? (size_t)(slash - url.p) : url.n};
    struct slice path = slash ? (struct slice){slash, url.n - host.n} : SLICE("/");
    const char *colon = memchr(host.p, ':', host.n);
    if (colon) {
        port = (struct slice){colon + 1, host.n - (size_t)(colon + 1 - host.p)};
        host.n = (size_t)(colon - host.p);
    }
    if ((colon && !slice_int64(port, &n)) || n < 1 || n > 65535)
        return false;
    c->port = (unsigned)n;
    return (slice_is(host, "localhost") || slice_is(host, "127.0.0.1")) &&
           copy_to(c->host, sizeof c->host, host) && copy_to(c->path, sizeof c->path, path);
}

/* "wget OPTIONS URL": quiet, to standard output; anything unknown is not ours to answer. */
static bool parse_wget(struct slice text, struct wget_check *c)
{
    struct slice word, value;
    int64_t seconds;
    bool have_url = false;

    c->timeout_ms = 60000;
    if (!next_word(&text, &word) || !slice_is(word, "wget"))
        return false;
    while (next_word(&text, &word)) {
        if (takes_value(word)) {
            bool timeout = slice_is(word, "-T") || slice_is(word, "--timeout");
            if (!next_word(&text, &value))
                return false;
            if (timeout && (!slice_int64(value, &seconds) || seconds < 1 || seconds > 3600))
                return false;
            if (timeout)
                c->timeout_ms = (unsigned)seconds * 1000;
        } else if (slice_is(word, "-q") || slice_is(word, "-O-") || slice_is(word, "-qO-")) {
            continue;
        } else if (have_url || !parse_url(word, c)) {
            return false;
        } else {
            have_url = true;
        }
    }
    return have_url;
}

static bool parse_grep(struct slice text, struct wget_check *c)
{
    struct slice word;

    if (!next_word(&text, &word) || !slice_is(word, "grep") || !next_word(&text, &word))
        return false;
    if (slice_is(word, "-q") && !next_word(&text, &word))
        return false;
    for (size_t i = 0; i < word.n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", word.p[i]))
            return false;
    return copy_to(c->word, sizeof c->word, word) && !next_word(&text, &word);
}

static bool parse_check(struct slice text, struct wget_check *c)
{
    struct slice left;

    return slice_cut(&text, '|', &left) && parse_wget(left, c) && parse_grep(text, c);
}

size_t probe_parse_wget(yyjson_val *command, struct wget_check checks[WGET_CHECKS_MAX])
{
    const char *shell = json_str(yyjson_arr_get(command, 0), "");
    const char *at = json_str(yyjson_arr_get(command, 2), NULL);
    size_t n = 0;

    if (yyjson_arr_size(command) != 3 || !at ||
        strcmp(json_str(yyjson_arr_get(command, 1), ""), "-c") != 0 ||
        (strcmp(shell, "bash") != 0 && strcmp(shell, "sh") != 0 && strcmp(shell, "/bin/sh") != 0 &&
         strcmp(shell, "/bin/bash") != 0))
        return 0;
    while (at) {
        const char *end = strstr(at, "&&");
        struct slice part = {at, end ? (size_t)(end - at) : strlen(at)};
        checks[n] = (struct wget_check){0};
        if (!parse_check(slice_trim(part), &checks[n]) || ++n == WGET_CHECKS_MAX)
            return end || n < WGET_CHECKS_MAX ? 0 : n;
        at = end ? end + 2 : NULL;
    }
    return n;
}
