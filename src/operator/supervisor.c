#include "operator/supervisor.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/pages.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS 500      /* how often a running plan's age is looked at */
#define FIRST_WAIT_MS 10 /* before the next worker; doubles while workers die at once */
#define LONGEST_WAIT_MS 5000
#define STABLE_NS INT64_C(5000000000)

struct supervisor {
    struct guard *guard;
    sigset_t signals, before;
    int signal_fd;
    pid_t pid;
    int pid_fd;
    bool stopping;
};

static void start(struct supervisor *s, int (*work)(struct guard *g, void *ctx), void *ctx)
{
    pid_t parent = getpid();

    guard_reset(s->guard);
    s->pid = fork();
    if (s->pid == 0) {
        sigprocmask(SIG_SETMASK, &s->before, NULL);
        close(s->signal_fd);
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* a worker without a supervisor must not go on */
        if (getppid() != parent)
            _exit(1);
        exit(work(s->guard, ctx));
    }
    s->pid_fd = s->pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, s->pid, 0);
    pages_drop_code();
}

static void hand_on_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;

    if (read(s->signal_fd, &info, sizeof info) != sizeof info)
        return;
    s->stopping = true;
    kill(s->pid, (int)info.ssi_signo);
}

/* Until the worker has ended; gives its wait status. */
static int watch(struct supervisor *s)
{
    struct pollfd fds[] = {{.fd = s->signal_fd, .events = POLLIN},
                           {.fd = s->pid_fd, .events = POLLIN}};
    int status = 0;

    for (;;) {
        int n = poll(fds, ARRAY_SIZE(fds), LOOK_MS);
        if (n > 0 && fds[0].revents)
            hand_on_signal(s);
        if (n > 0 && fds[1].revents)
            break;
        if (guard_too_long(s->guard, clock_mono_ns())) {
            log_warn("a plan takes too long; its worker is aborted", "uid", s->guard->uid, NULL);
            kill(s->pid, SIGABRT);
            break;
        }
    }
    waitpid(s->pid, &status, 0);
    close(s->pid_fd);
    return status;
}

static void report(struct supervisor *s, int signal)
{
    bool blamed = guard_blame(s->guard, signal);

    log_error("the worker crashed and is started again", "signal", strsignal(signal),
              "while_planning", blamed ? s->guard->uid : "", NULL);
}

int supervise(int (*work)(struct guard *g, void *ctx), void *ctx)
{
    struct supervisor s = {.guard = guard_new()};
    int wait_ms = FIRST_WAIT_MS, status;

    sigemptyset(&s.signals);
    sigaddset(&s.signals, SIGTERM);
    sigaddset(&s.signals, SIGINT);
    sigprocmask(SIG_BLOCK, &s.signals, &s.before);
    s.signal_fd = signalfd(-1, &s.signals, SFD_CLOEXEC);
    for (;;) {
        int64_t started = clock_mono_ns();
        start(&s, work, ctx);
        if (s.pid_fd < 0)
            return 1;
        status = watch(&s);
        if (!WIFSIGNALED(status) || s.stopping)
            break;
        report(&s, WTERMSIG(status));
        if (clock_mono_ns() - started > STABLE_NS)
            wait_ms = FIRST_WAIT_MS;
        poll(&(struct pollfd){.fd = s.signal_fd, .events = POLLIN}, 1, wait_ms);
        wait_ms = MIN(wait_ms * 2, LONGEST_WAIT_MS);
    }
    close(s.signal_fd);
    sigprocmask(SIG_SETMASK, &s.before, NULL);
    guard_free(s.guard);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
