#include "apiserver/kinds/addresses.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <stdio.h>

#define BASE 0x0a600000u /* 10.96.0.0 */
#define SIZE (1u << 20)
#define LOW 256u /* the first addresses are left to those who choose one */

struct addresses {
    struct apiserver *api;
    struct subscription *sub;
    struct map taken; /* "10.96.0.1" or "30080" -> the owner's UID */
    struct addresses *next;
};

static struct addresses *all; /* of every API server in this process; loop thread only */

struct addresses *addresses_of(struct apiserver *api)
{
    struct addresses *a = all;

    while (a && a->api != api)
        a = a->next;
    return a;
}

static void take_key(struct addresses *a, const char *key, const char *owner)
{
    free(map_put(&a->taken, key, xstrdup(owner)));
}

void addresses_take_ip(struct addresses *a, const char *ip, const char *owner)
{
    if (*ip && strcmp(ip, "None"))
        take_key(a, ip, owner);
}

void addresses_take_port(struct addresses *a, unsigned port, const char *owner)
{
    char key[12];

    snprintf(key, sizeof key, "%u", port);
    if (port)
        take_key(a, key, owner);
}

static bool taken(const struct addresses *a, const char *key, const char *owner)
{
    const char *by = map_get(&a->taken, key);

    return by && strcmp(by, owner);
}

bool addresses_ip_taken(const struct addresses *a, const char *ip, const char *owner)
{
    return taken(a, ip, owner);
}

bool addresses_port_taken(const struct addresses *a, unsigned port, const char *owner)
{
    char key[12];

    snprintf(key, sizeof key, "%u", port);
    return taken(a, key, owner);
}

bool addresses_in_range(const char *ip)
{
    struct in_addr v;

    return inet_pton(AF_INET, ip, &v) == 1 && ntohl(v.s_addr) > BASE &&
           ntohl(v.s_addr) < BASE + SIZE - 1;
}

bool addresses_pick_ip(struct addresses *a, char out[IP_TEXT])
{
    uint32_t n = SIZE - LOW - 1, from = rand_below(n);

    for (uint32_t i = 0; i < n; i++) {
        struct in_addr v = {htonl(BASE + LOW + (from + i) % n)};
        inet_ntop(AF_INET, &v, out, IP_TEXT);
        if (!map_has(&a->taken, out))
            return true;
    }
    return false;
}

bool addresses_dry_ip(char out[IP_TEXT])
{
    struct in_addr v = {htonl(BASE + LOW)};

    return inet_ntop(AF_INET, &v, out, IP_TEXT);
}

bool addresses_pick_port(struct addresses *a, unsigned *ret)
{
    unsigned n = NODE_PORT_MAX - NODE_PORT_MIN + 1, from = rand_below(n);

    for (unsigned i = 0; i < n; i++) {
        unsigned port = NODE_PORT_MIN + (from + i) % n;
        if (addresses_port_taken(a, port, ""))
            continue;
        *ret = port;
        return true;
    }
    return false;
}

static void take_service(struct addresses *a, yyjson_val *service)
{
    const char *uid = json_str_at(service, "metadata.uid", "");

    json_each(json_at(service, "spec.clusterIPs"), ip, i, n)
        addresses_take_ip(a, json_str(ip, ""), uid);
    json_each(json_at(service, "spec.ports"), p, k, kn)
        addresses_take_port(a, (unsigned)json_int_at(p, "nodePort", 0), uid);
}

static void release(struct addresses *a, const char *uid)
{
    for (struct map_item *i = map_next(&a->taken, NULL), *next; i; i = next) {
        next = map_next(&a->taken, i);
        if (!strcmp(i->value, uid)) {
            char *key = xstrdup(i->key);
            free(map_remove(&a->taken, key));
            free(key);
            next = map_next(&a->taken, NULL); /* start over: the walk may have moved */
        }
    }
}

static void follow(void *arg, const struct event *e)
{
    struct addresses *a = arg;
    struct json *doc autojson = object_parse(e->object);

    release(a, e->object->uid);
    if (e->type != EVENT_DELETED)
        take_service(a, json_root(doc));
}

static bool visit(void *arg, const struct object *o)
{
    struct json *doc autojson = object_parse(o);

    take_service(arg, json_root(doc));
    return true;
}

struct addresses *addresses_new(struct apiserver *api)
{
    struct addresses *a = xnew(struct addresses);
    const struct resource *services = api_resource(api, "", "services");

    a->api = api;
    a->next = all;
    all = a;
    storage_each(api_storage(api), &(struct storage_scan){.res = services}, visit, a, NULL);
    a->sub = api_subscribe(api, services, follow, a);
    return a;
}

void addresses_free(struct addresses *a)
{
    if (!a)
        return;
    for (struct addresses **p = &all; *p; p = &(*p)->next)
        if (*p == a) {
            *p = a->next;
            break;
        }
    api_unsubscribe(a->sub);
    for (struct map_item *i = map_next(&a->taken, NULL); i; i = map_next(&a->taken, i))
        free(i->value);
    map_done(&a->taken);
    free(a);
}
