#include "cli/timeline.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TICK_MS 100

static double seconds(const struct timeline *t)
{
    return (double)(clock_mono_ns() - t->start) / 1e9;
}

void timeline_init(struct timeline *t)
{
    const char *term = getenv("TERM");

    *t = (struct timeline){.start = clock_mono_ns()};
    t->live = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

void timeline_wipe(struct timeline *t)
{
    if (t->shown)
        fputs("\r\033[K", stderr);
    t->shown = false;
}

static size_t terminal_width(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 80;
}

/* One line, never more: a second one could not be wiped. */
static void show(struct timeline *t)
{
    char line[sizeof t->step + sizeof t->waiting + 32];

    if (!t->live || !t->step[0])
        return;
    int n = snprintf(line, sizeof line, "%7.2fs  %s%s%s", seconds(t), t->step,
                     t->waiting[0] ? ": " : "", t->waiting);
    int room = (int)terminal_width() - 3;
    fprintf(stderr, "\r\033[K%.*s …", MIN(n, room), line);
    fflush(stderr);
    t->shown = true;
}

static void on_tick(uv_timer_t *h)
{
    show(container_of(h, struct timeline, tick));
}

void timeline_loop(struct timeline *t, uv_loop_t *loop)
{
    uv_timer_init(loop, &t->tick);
    uv_unref((uv_handle_t *)&t->tick);
    t->ticking = true;
    if (t->live)
        uv_timer_start(&t->tick, on_tick, TICK_MS, TICK_MS);
}

void timeline_begin(struct timeline *t, const char *step)
{
    snprintf(t->step, sizeof t->step, "%s", step);
    t->waiting[0] = '\0';
    show(t);
}

void timeline_wait(struct timeline *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(t->waiting, sizeof t->waiting, fmt, ap);
    va_end(ap);
    show(t);
}

static void print_line(struct timeline *t, const char *step, const char *fmt, va_list ap)
{
    char text[1024];

    vsnprintf(text, sizeof text, fmt, ap);
    timeline_wipe(t);
    fprintf(stderr, "%7.2fs  %s%s%s\n", seconds(t), step, *step && *text ? ": " : "", text);
}

void timeline_done(struct timeline *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print_line(t, t->step, fmt, ap);
    va_end(ap);
    t->step[0] = t->waiting[0] = '\0';
}

void timeline_note(struct timeline *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print_line(t, "", fmt, ap);
    va_end(ap);
    show(t);
}

void timeline_end(struct timeline *t)
{
    timeline_wipe(t);
    if (t->ticking)
        uv_close((uv_handle_t *)&t->tick, NULL);
    t->ticking = false;
}
