/*
 * `manta operator` with planners that crash for some names: a test of the quarantine, no part of
 * the release. The linker puts the planner below in the place of the real one (--wrap). Objects
 * whose spec says a rayVersion of "healed" are planned as usual.
 */
#include "base/macro.h"
#include "operator/operator.h"
#include "ray/plan.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct planner __real_raycluster_planner;
extern const struct planner __wrap_raycluster_planner;

static void hang(void)
{
    for (;;)
        pause();
}

static void segv(void)
{
    raise(SIGSEGV);
}

static void give_up(void)
{
    abort();
}

/* As the kernel does when memory is short: nobody's fault. Once only, or no worker would ever get
 * on. */
static void killed(void)
{
    static const char mark[] = "killed-once";

    if (access(mark, F_OK) == 0)
        return;
    fclose(fopen(mark, "w"));
    raise(SIGKILL);
}

static const struct {
    const char *name;
    void (*crash)(void);
} poisons[] = {{"poison-segv", segv},
               {"poison-abort", give_up},
               {"poison-hang", hang},
               {"poison-kill", killed}};

static void plan(struct snapshot *s, struct plan *p)
{
    const char *name = json_str_at(s->object, "metadata.name", "");
    bool healed = !strcmp(json_str_at(s->object, "spec.rayVersion", ""), "healed");

    for (size_t i = 0; i < ARRAY_SIZE(poisons); i++)
        if (!healed && !strcmp(poisons[i].name, name))
            poisons[i].crash();
    __real_raycluster_planner.plan(s, p);
}

static void finish(struct snapshot *s, const struct outcome *o, struct plan *p)
{
    __real_raycluster_planner.finish(s, o, p);
}

const struct planner __wrap_raycluster_planner = {
    .kind = KIND_RAYCLUSTER, .controller = "raycluster-controller", .plan = plan, .finish = finish};

int main(int argc, char **argv)
{
    return verb_operator(argc, argv);
}
