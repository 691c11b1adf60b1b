/* libuv, whose header has a member named like our macro `unused`. Include this, never <uv.h>. */
#ifndef MANTA_NET_LOOP_H
#define MANTA_NET_LOOP_H

#pragma push_macro("unused")
#undef unused
#include <uv.h>
#pragma pop_macro("unused")

#endif
