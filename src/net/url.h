/*
 * http and https URLs as clients need them, and which proxy to use: the rules of Go's
 * golang.org/x/net/http/httpproxy, since users set the same variables for kubectl and for us.
 */
#ifndef MANTA_NET_URL_H
#define MANTA_NET_URL_H

#include "base/err.h"
#include "base/slice.h"

struct url {
    bool https;
    char *host; /* lower case, IPv6 without brackets */
    uint16_t port;
    char *prefix;   /* path without a trailing slash, "" for none */
    char *userinfo; /* "user:password" still percent-encoded, or NULL */
};

/* A query or fragment is refused: a base has none. ret is untouched on failure. */
int url_parse(struct slice text, struct url *ret, struct err *err);
void url_done(struct url *u);
/* "host" or "host:port" where the port is not the scheme's own; the caller's. */
char *url_authority(const struct url *u);

struct proxy_env {
    const char *http_proxy, *https_proxy, *no_proxy; /* NULL or "" for none */
};
void proxy_env_read(struct proxy_env *ret); /* from the environment, borrowed */
/* The proxy's URL (which may lack "http://") for a target, or NULL to go straight. */
const char *proxy_for(const struct proxy_env *env, const struct url *target);

#endif
