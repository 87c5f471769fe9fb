/* The thread that does what is due: it sleeps on one timer, until the first moment of all. */

#ifdef __linux__

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "alarm.h"

#define SECOND 1000000000LL
#define STACK (1024 * 1024)    /* bytes; other libraries' thread variables are in it */
#define ALL 2                  /* who may have something to do */

/* Held for moments only, and no other is taken meanwhile. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int timer = -1;
static int64_t wished[ALL];    /* when each is to be called, 0: never */
static int64_t armed;          /* when the thread wakes, 0: never */
static int watches_forks;

int64_t monotonic_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

void drop_due(Due *due)
{
    if (!due->before)
        return;
    due->before->after = due->after;
    due->after->before = due->before;
    due->before = due->after = NULL;
}

void put_due(Due *list, Due *due, int64_t at)
{
    drop_due(due);
    due->at = at;
    Due *before = list->before;
    while (before != list && before->at > at)
        before = before->before;
    due->before = before;
    due->after = before->after;
    due->before->after = due->after->before = due;
}

int64_t first_due(const Due *list)
{
    return list->after == list ? 0 : list->after->at;
}

static void arm(void)
{
    int64_t first = 0;
    for (int whose = 0; whose < ALL; whose++)
        if (wished[whose] && (!first || wished[whose] < first))
            first = wished[whose];
    if (first == armed)
        return;
    armed = first;
    struct itimerspec when = {.it_value = {first / SECOND, first % SECOND}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

void set_alarm(int whose, int64_t when)
{
    pthread_mutex_lock(&lock);
    wished[whose] = when;
    if (timer >= 0)
        arm();
    pthread_mutex_unlock(&lock);
}

static void *keep_time(void *nothing)
{
    uint64_t expirations;
    while (read(timer, &expirations, sizeof expirations) > 0 || errno == EINTR) {
        pthread_mutex_lock(&lock);
        for (int whose = 0; whose < ALL; whose++)
            wished[whose] = 0;
        armed = 0;
        pthread_mutex_unlock(&lock);
        /* What leaves waits for one hearing at most. */
        do
            send_overdue();
        while (hear_next());
    }
    return nothing;
}

/* A process that forks has its thread, and its timer, to itself. The thread takes the locks of both
   even where only one of them is in use. */
static void before_fork(void)
{
    hold_hearing();
    hold_sending();
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
    go_on_sending();
    go_on_hearing();
}

static void in_the_child(void)
{
    if (timer >= 0)
        close(timer);
    timer = -1;
    armed = 0;
    for (int whose = 0; whose < ALL; whose++)
        wished[whose] = 0;
    forget_sending();
    forget_hearing();
    after_fork();
}

/* Signals are for the other threads. */
static int start(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (timer < 0)
        return errno;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, &attributes, keep_time, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error) {
        close(timer);
        timer = -1;
    } else
        pthread_setname_np(thread, "media");
    return error;
}

int start_alarm(void)
{
    pthread_mutex_lock(&lock);
    int error = 0;
    if (!watches_forks)
        error = pthread_atfork(before_fork, after_fork, in_the_child);
    watches_forks = !error;
    if (!error && timer < 0)
        error = start();
    pthread_mutex_unlock(&lock);
    return error;
}

#endif
