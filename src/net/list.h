/*
 * A doubly linked list through its members. An item that is on no list has next == NULL, so
 * list_remove() may be called on any item whose memory was zeroed at first.
 */
#ifndef MANTA_NET_LIST_H
#define MANTA_NET_LIST_H

#include "base/macro.h"

struct link {
    struct link *prev, *next;
};

static inline void list_init(struct link *head)
{
    head->prev = head->next = head;
}
static inline bool list_empty(const struct link *head)
{
    return head->next == head;
}
static inline bool list_linked(const struct link *item)
{
    return item->next != NULL;
}
static inline void list_push_back(struct link *head, struct link *item)
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}
static inline void list_push_front(struct link *head, struct link *item)
{
    list_push_back(head->next, item);
}
static inline void list_remove(struct link *item)
{
    if (!item->next)
        return;
    item->prev->next = item->next;
    item->next->prev = item->prev;
    item->prev = item->next = NULL;
}
static inline struct link *list_first(const struct link *head)
{
    return list_empty(head) ? NULL : head->next;
}
/* Moves all of from to the end of to. */
static inline void list_splice(struct link *to, struct link *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#endif
