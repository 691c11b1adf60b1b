/*
 * The server as its clients in pods see it: Service `kubernetes` in `default`, and the Endpoints
 * and the slice behind it, which no controller makes since the Service selects nothing. Written
 * when the port is known, and anew when it is another one than the last time.
 */
#include "apiserver/kinds.h"

#include "apiserver/kinds/kind.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>

static void put(struct apiserver *api, const char *group, const char *plural, const char *text)
{
    const struct resource *res = api_resource(api, group, plural);
    struct json *body autojson = NULL;

    if (json_parse(slice_of(text), &body, NULL) < 0)
        return;
    struct object *there autoobject = storage_get(api_storage(api), res, "default", "kubernetes");
    api_call(api, &(struct api_call){.verb = there ? VERB_PATCH : VERB_CREATE,
                                     .res = res,
                                     .ns = "default",
                                     .name = there ? "kubernetes" : "",
                                     .body = json_root(body),
                                     .manager = "kube-apiserver"});
}

/* A server that listens everywhere is found at the first address that others can reach. */
static void first_address(char ip[INET6_ADDRSTRLEN])
{
    struct ifaddrs *list = NULL;

    if (getifaddrs(&list) < 0)
        return;
    for (struct ifaddrs *a = list; a; a = a->ifa_next) {
        if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET || a->ifa_flags & IFF_LOOPBACK)
            continue;
        inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr, ip,
                  INET6_ADDRSTRLEN);
        break;
    }
    freeifaddrs(list);
}

static void write_self(struct apiserver *api, const char *ip, int port)
{
    char text[640];

    snprintf(text, sizeof text,
             "{\"metadata\":{\"name\":\"kubernetes\",\"labels\":{\"component\":\"apiserver\","
             "\"provider\":\"kubernetes\"}},\"spec\":{\"clusterIP\":\"10.96.0.1\",\"ports\":[{"
             "\"name\":\"https\",\"port\":443,\"protocol\":\"TCP\",\"targetPort\":%d}]}}",
             port);
    put(api, "", "services", text);
    snprintf(text, sizeof text,
             "{\"metadata\":{\"name\":\"kubernetes\",\"labels\":{"
             "\"endpointslice.kubernetes.io/skip-mirror\":\"true\"}},\"subsets\":[{\"addresses\":[{"
             "\"ip\":\"%s\"}],\"ports\":[{\"name\":\"https\",\"port\":%d,\"protocol\":\"TCP\"}]}]}",
             ip, port);
    put(api, "", "endpoints", text);
    snprintf(text, sizeof text,
             "{\"metadata\":{\"name\":\"kubernetes\",\"labels\":{"
             "\"kubernetes.io/service-name\":\"kubernetes\"}},\"addressType\":\"%s\",\"endpoints\":"
             "[{\"addresses\":[\"%s\"],\"conditions\":{\"ready\":true}}],\"ports\":[{\"name\":"
             "\"https\",\"port\":%d,\"protocol\":\"TCP\"}]}",
             strchr(ip, ':') ? "IPv6" : "IPv4", ip, port);
    put(api, "discovery.k8s.io", "endpointslices", text);
}

void kinds_listening(struct apiserver *api, const char *host, int port)
{
    char ip[INET6_ADDRSTRLEN] = "127.0.0.1";

    if (!*host || !strcmp(host, "0.0.0.0") || !strcmp(host, "::"))
        first_address(ip);
    else if (is_ip(host))
        snprintf(ip, sizeof ip, "%s", host);
    write_self(api, ip, port);
}
