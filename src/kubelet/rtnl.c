#include "kubelet/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One request under construction; every message here is far smaller than the room. */
struct request {
    struct nlmsghdr head;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg addr;
        struct rtmsg route;
        struct ndmsg neighbour;
    } body;
    char room[512];
};

int rtnl_open(struct err *err)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    return fd < 0 ? err_errno(err, errno, "opening a netlink socket") : fd;
}

static void request_init(struct request *q, int type, int flags, size_t body)
{
    memset(q, 0, sizeof *q);
    q->head.nlmsg_type = (uint16_t)type;
    q->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    q->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
}

static struct rtattr *attr_add(struct request *q, int type, const void *p, size_t n)
{
    struct rtattr *a = (struct rtattr *)((char *)q + NLMSG_ALIGN(q->head.nlmsg_len));
    a->rta_type = (uint16_t)type;
    a->rta_len = (uint16_t)RTA_LENGTH(n);
    if (n)
        memcpy(RTA_DATA(a), p, n);
    q->head.nlmsg_len = NLMSG_ALIGN(q->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
    return a;
}

static void attr_str(struct request *q, int type, const char *s)
{
    attr_add(q, type, s, strlen(s) + 1);
}

static void attr_u32(struct request *q, int type, uint32_t v)
{
    attr_add(q, type, &v, sizeof v);
}

static void attr_close(struct request *q, struct rtattr *a)
{
    a->rta_len = (uint16_t)((char *)q + q->head.nlmsg_len - (char *)a);
}

static int request_send(int fd, struct request *q, struct err *err, const char *what)
{
    char answer[1024];
    struct nlmsghdr *h = (struct nlmsghdr *)answer;

    if (send(fd, q, q->head.nlmsg_len, 0) < 0)
        return err_errno(err, errno, "%s", what);
    ssize_t n = recv(fd, answer, sizeof answer, 0);
    if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || h->nlmsg_type != NLMSG_ERROR)
        return err_set(err, ERR_IO, "%s: the kernel gave no answer", what);
    int e = -((struct nlmsgerr *)NLMSG_DATA(h))->error;
    return e ? err_errno(err, e, "%s", what) : 0;
}

static int link_index(const char *name, unsigned *ret, struct err *err)
{
    *ret = if_nametoindex(name);
    return *ret ? 0 : err_errno(err, errno, "network interface %s", name);
}

static int link_change(int fd, const char *name, struct request *q, struct err *err,
                       const char *what)
{
    unsigned index;
    int r = link_index(name, &index, err);

    if (r < 0)
        return r;
    q->body.link.ifi_index = (int)index;
    return request_send(fd, q, err, what);
}

int rtnl_link_up(int fd, const char *name, struct err *err)
{
    struct request q;

    request_init(&q, RTM_NEWLINK, 0, sizeof q.body.link);
    q.body.link.ifi_flags = q.body.link.ifi_change = IFF_UP;
    return link_change(fd, name, &q, err, "bringing a network interface up");
}

int rtnl_set_master(int fd, const char *name, const char *master, struct err *err)
{
    struct request q;
    unsigned index;
    int r = link_index(master, &index, err);

    if (r < 0)
        return r;
    request_init(&q, RTM_NEWLINK, 0, sizeof q.body.link);
    attr_u32(&q, IFLA_MASTER, index);
    return link_change(fd, name, &q, err, "joining a bridge");
}

int rtnl_set_mac(int fd, const char *name, const unsigned char mac[6], struct err *err)
{
    struct request q;

    request_init(&q, RTM_NEWLINK, 0, sizeof q.body.link);
    attr_add(&q, IFLA_ADDRESS, mac, 6);
    return link_change(fd, name, &q, err, "giving a network interface its MAC address");
}

static int no_flood(int fd, const char *name, struct err *err)
{
    struct request q;
    uint8_t off = 0;

    request_init(&q, RTM_SETLINK, 0, sizeof q.body.link);
    q.body.link.ifi_family = AF_BRIDGE;
    struct rtattr *info = attr_add(&q, IFLA_PROTINFO | NLA_F_NESTED, NULL, 0);
    attr_add(&q, IFLA_BRPORT_UNICAST_FLOOD, &off, sizeof off);
    attr_close(&q, info);
    return link_change(fd, name, &q, err, "setting up a port of the bridge");
}

int rtnl_port_only(int fd, const char *name, const unsigned char mac[6], struct err *err)
{
    struct request q;
    unsigned index;
    int r = no_flood(fd, name, err);

    if (r < 0 || (r = link_index(name, &index, err)) < 0)
        return r;
    request_init(&q, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof q.body.neighbour);
    q.body.neighbour.ndm_family = AF_BRIDGE;
    q.body.neighbour.ndm_ifindex = (int)index;
    q.body.neighbour.ndm_state = NUD_NOARP; /* static: it never ages */
    q.body.neighbour.ndm_flags = NTF_MASTER;
    attr_add(&q, NDA_LLADDR, mac, 6);
    return request_send(fd, &q, err, "setting up a port of the bridge");
}

int rtnl_link_del(int fd, const char *name, struct err *err)
{
    struct request q;

    if (!if_nametoindex(name))
        return 0;
    request_init(&q, RTM_DELLINK, 0, sizeof q.body.link);
    return link_change(fd, name, &q, err, "deleting a network interface");
}

int rtnl_bridge_add(int fd, const char *name, struct err *err)
{
    struct request q;

    request_init(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof q.body.link);
    attr_str(&q, IFLA_IFNAME, name);
    struct rtattr *info = attr_add(&q, IFLA_LINKINFO, NULL, 0);
    attr_str(&q, IFLA_INFO_KIND, "bridge");
    attr_close(&q, info);
    return request_send(fd, &q, err, "making a bridge");
}

int rtnl_veth_add(int fd, const char *name, const char *master, const char *peer, int pid,
                  struct err *err)
{
    struct request q;
    struct ifinfomsg none = {0};
    unsigned index;
    int r = link_index(master, &index, err);

    if (r < 0)
        return r;
    request_init(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof q.body.link);
    q.body.link.ifi_flags = q.body.link.ifi_change = IFF_UP;
    attr_str(&q, IFLA_IFNAME, name);
    attr_u32(&q, IFLA_MASTER, index);
    struct rtattr *info = attr_add(&q, IFLA_LINKINFO, NULL, 0);
    attr_str(&q, IFLA_INFO_KIND, "veth");
    struct rtattr *data = attr_add(&q, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *other = attr_add(&q, VETH_INFO_PEER, &none, sizeof none);
    attr_str(&q, IFLA_IFNAME, peer);
    attr_u32(&q, IFLA_NET_NS_PID, (uint32_t)pid);
    attr_close(&q, other);
    attr_close(&q, data);
    attr_close(&q, info);
    return request_send(fd, &q, err, "making a veth pair");
}

static int parse_ip(const char *text, struct in_addr *ret, struct err *err)
{
    return inet_pton(AF_INET, text, ret) == 1
               ? 0
               : err_set(err, ERR_BAD_REQUEST, "\"%s\" is not an IPv4 address", text);
}

int rtnl_addr_add(int fd, const char *name, const char *ip, unsigned prefix, struct err *err)
{
    struct request q;
    struct in_addr a;
    unsigned index;
    int r = link_index(name, &index, err);

    if (r < 0 || (r = parse_ip(ip, &a, err)) < 0)
        return r;
    request_init(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof q.body.addr);
    q.body.addr.ifa_family = AF_INET;
    q.body.addr.ifa_prefixlen = (uint8_t)prefix;
    q.body.addr.ifa_index = index;
    attr_add(&q, IFA_LOCAL, &a, sizeof a);
    attr_add(&q, IFA_ADDRESS, &a, sizeof a);
    return request_send(fd, &q, err, "giving a network interface its address");
}

int rtnl_route_add(int fd, const struct rtnl_route *r, struct err *err)
{
    struct request q;
    struct in_addr a;
    unsigned index;
    int rc = 0;

    request_init(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof q.body.route);
    q.body.route.rtm_family = AF_INET;
    q.body.route.rtm_dst_len = (uint8_t)(r->dst ? r->prefix : 0);
    q.body.route.rtm_table = r->local ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
    q.body.route.rtm_protocol = RTPROT_BOOT;
    q.body.route.rtm_scope = r->local     ? RT_SCOPE_HOST
                             : r->gateway ? RT_SCOPE_UNIVERSE
                                          : RT_SCOPE_LINK;
    q.body.route.rtm_type = r->local ? RTN_LOCAL : RTN_UNICAST;
    if (r->dst && (rc = parse_ip(r->dst, &a, err)) == 0)
        attr_add(&q, RTA_DST, &a, sizeof a);
    if (rc == 0 && r->gateway && (rc = parse_ip(r->gateway, &a, err)) == 0)
        attr_add(&q, RTA_GATEWAY, &a, sizeof a);
    if (rc == 0 && r->dev && (rc = link_index(r->dev, &index, err)) == 0)
        attr_u32(&q, RTA_OIF, index);
    return rc < 0 ? rc : request_send(fd, &q, err, "adding a route");
}
