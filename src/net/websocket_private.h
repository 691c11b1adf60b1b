/* Between websocket.c and the two handshakes (upgrade.c for servers, ws_client.c for clients). */
#ifndef MANTA_NET_WEBSOCKET_PRIVATE_H
#define MANTA_NET_WEBSOCKET_PRIVATE_H

#include "net/conn.h"
#include "net/tunnel.h"
#include "net/websocket.h"

struct ws_dial;

struct ws *ws_new(struct hub *hub, const struct ws_handler *h);
/* The handshake is done: c becomes the websocket's tunnel, which is given back. */
struct tunnel *ws_start(struct ws *ws, struct conn *c, struct slice early, const char *protocol,
                        bool client);
void ws_set_dial(struct ws *ws, struct ws_dial *d);
void ws_opened(struct ws *ws); /* tells the user; ws may be gone after */
void ws_failed(struct ws *ws, const char *why, int status); /* before it was open; ws is gone */
void ws_accept_key(struct slice key, char out[32]);
void ws_dial_cancel(struct ws_dial *d); /* NULL is fine */

#endif
