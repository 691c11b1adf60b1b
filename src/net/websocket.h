/*
 * WebSocket (RFC 6455) over HTTP/1.1, both ends. Whole messages in and out; pings are answered
 * here. Made by http_accept_websocket() (server) or http_client_websocket() (client).
 *
 * on_close runs exactly once, always from the loop, never from inside a function of this header;
 * the websocket is gone when it returns. After ws_close() sends are ignored.
 */
#ifndef MANTA_NET_WEBSOCKET_H
#define MANTA_NET_WEBSOCKET_H

#include "net/rcbuf.h"

struct ws;

enum ws_kind { WS_TEXT = 1, WS_BINARY = 2 };

/* Close codes that we use (RFC 6455, 7.4.1). */
enum {
    WS_NORMAL = 1000,
    WS_GOING_AWAY = 1001,
    WS_PROTOCOL = 1002,
    WS_TOO_BIG = 1009,
    WS_INTERNAL = 1011,
    WS_ABNORMAL = 1006 /* never sent: the connection just ended */
};

struct ws_handler {
    void (*on_open)(struct ws *ws, void *ctx); /* client side: the handshake is done; may be NULL */
    void (*on_message)(struct ws *ws, enum ws_kind kind, struct slice data, void *ctx);
    void (*on_drain)(struct ws *ws, void *ctx); /* unsent fell to nothing; may be NULL */
    /* code as received or WS_ABNORMAL; status is the HTTP status of a refused handshake, else 0 */
    void (*on_close)(struct ws *ws, int code, struct slice reason, int status, void *ctx);
    void *ctx;
    size_t max_message; /* bytes; larger ones close with WS_TOO_BIG; 0: 1 MiB */
};

void ws_send(struct ws *ws, enum ws_kind kind, struct slice data); /* copies */
/* Like ws_send with one byte before the data: Kubernetes' channel number. */
void ws_send_channel(struct ws *ws, uint8_t channel, struct slice data);
size_t ws_unsent(const struct ws *ws);
void ws_pause(struct ws *ws, bool pause);
void ws_close(struct ws *ws, int code,
              struct slice reason);            /* closing handshake, 2 s for the peer */
void ws_cut(struct ws *ws);                    /* closes now */
struct slice ws_protocol(const struct ws *ws); /* the subprotocol in use, or empty */

#endif
