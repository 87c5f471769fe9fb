/* Packets that are given before their time and leave on it, whatever Python does meanwhile.

   Python releases each packet at its beat. When it is late (a thread holds the interpreter, the
   loop is busy), a thread of this file sends what is due in its place. What that thread sleeps on
   is moved along with each packet that is released, so as a rule it never wakes. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "native.h"

#ifdef __linux__

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define GRACE 3000000LL        /* ns by which a beat may be late: it hears all calls first */
#define LATEST 9e9             /* seconds of the clock, 285 years */
#define STACK (256 * 1024)    /* bytes; other libraries' thread variables are in it */

typedef struct {
    int64_t due, left;         /* ns of CLOCK_MONOTONIC; left 0: it has not */
    int32_t size, error;
    unsigned char datagram[LARGEST_QUEUED];
} Queued;

struct Outlet {
    Outlet *next;
    int socket;
    socklen_t address_length;
    unsigned char address[LARGEST_ADDRESS];
    int first, count;          /* of the ring; those that have left come first */
    Queued ring[MOST_QUEUED];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Outlet *outlets;        /* all that are open */
static int timer = -1;
static int64_t armed;          /* when the thread wakes, 0: never */

static int64_t monotonic(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static Queued *queued(Outlet *outlet, int place)
{
    return &outlet->ring[(outlet->first + place) % MOST_QUEUED];
}

/* How many of its packets have left and are not released yet. */
static int left_early(Outlet *outlet)
{
    int count = 0;
    while (count < outlet->count && queued(outlet, count)->left)
        count++;
    return count;
}

/* Sleep until the first packet of all will be overdue. */
static void arm(void)
{
    int64_t first = 0;
    for (Outlet *outlet = outlets; outlet; outlet = outlet->next) {
        int place = left_early(outlet);
        if (place < outlet->count) {
            int64_t due = queued(outlet, place)->due + GRACE;
            if (!first || due < first)
                first = due;
        }
    }
    if (first == armed)
        return;
    armed = first;
    struct itimerspec when = {.it_value = {first / SECOND, first % SECOND}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void let_go(Outlet *outlet, Queued *packet, int64_t now)
{
    packet->left = now;
    if (sendto(outlet->socket, packet->datagram, (size_t)packet->size, MSG_DONTWAIT,
               (const struct sockaddr *)outlet->address, outlet->address_length) < 0)
        packet->error = errno;
}

static void let_go_overdue(Outlet *outlet, int64_t now)
{
    for (int place = left_early(outlet); place < outlet->count; place++) {
        Queued *packet = queued(outlet, place);
        if (packet->due + GRACE > now)
            return;
        let_go(outlet, packet, now);
    }
}

static void *stand_in(void *nothing)
{
    uint64_t expirations;
    while (read(timer, &expirations, sizeof expirations) > 0 || errno == EINTR) {
        pthread_mutex_lock(&lock);
        armed = 0;
        int64_t now = monotonic();
        for (Outlet *outlet = outlets; outlet; outlet = outlet->next)
            let_go_overdue(outlet, now);
        arm();
        pthread_mutex_unlock(&lock);
    }
    return nothing;
}

/* Start the thread, which stays as long as the process; signals are for the others. */
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
    int error = pthread_create(&thread, &attributes, stand_in, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error) {
        close(timer);
        timer = -1;
    } else
        pthread_setname_np(thread, "send queue");
    return error;
}

Outlet *open_outlet(const Departing *departing)
{
    Outlet *outlet = calloc(1, sizeof *outlet);
    if (!outlet)
        return NULL;
    outlet->socket = departing->socket;
    outlet->address_length = departing->address_length;
    memcpy(outlet->address, departing->address, sizeof outlet->address);
    pthread_mutex_lock(&lock);
    int error = timer < 0 ? start() : 0;
    if (!error) {
        outlet->next = outlets;
        outlets = outlet;
    }
    pthread_mutex_unlock(&lock);
    if (error) {
        free(outlet);
        return NULL;
    }
    return outlet;
}

void close_outlet(Outlet *outlet)
{
    pthread_mutex_lock(&lock);
    for (Outlet **each = &outlets; *each; each = &(*each)->next)
        if (*each == outlet) {
            *each = outlet->next;
            break;
        }
    arm();
    pthread_mutex_unlock(&lock);
    free(outlet);
}

int queue_packet(Outlet *outlet, Departing *departing, const unsigned char *payload, int length,
                 uint16_t sequence, uint32_t timestamp, int is_marked, double due)
{
    _Alignas(8) unsigned char packet[LARGEST_PACKET];
    int size = make_packet(departing, packet, payload, length, sequence, timestamp, is_marked);
    if (departing->refused)
        return -size;
    pthread_mutex_lock(&lock);
    int has_place = outlet->count < MOST_QUEUED && size <= LARGEST_QUEUED;
    has_place = has_place && due > 0 && due < LATEST;
    if (has_place) {
        Queued *last = queued(outlet, outlet->count++);
        last->due = (int64_t)(due * SECOND);
        last->left = last->error = 0;
        last->size = size;
        memcpy(last->datagram, packet, (size_t)size);
        arm();
    }
    pthread_mutex_unlock(&lock);
    return has_place ? size : 0;
}

int release_packet(Outlet *outlet, Released *released)
{
    pthread_mutex_lock(&lock);
    int is_there = outlet->count > 0;
    if (is_there) {
        Queued *packet = queued(outlet, 0);
        released->is_early = packet->left != 0;
        if (!packet->left)
            let_go(outlet, packet, monotonic());
        released->size = packet->size;
        released->error = packet->error;
        released->late = (double)(packet->left - packet->due) / SECOND;
        outlet->first = (outlet->first + 1) % MOST_QUEUED;
        outlet->count--;
        arm();
    }
    pthread_mutex_unlock(&lock);
    return is_there;
}

int take_back_packets(Outlet *outlet)
{
    pthread_mutex_lock(&lock);
    outlet->count = left_early(outlet);
    arm();
    pthread_mutex_unlock(&lock);
    return outlet->count;
}

#else  /* There each packet waits for Python. */

Outlet *open_outlet(const Departing *departing) { return NULL; }
void close_outlet(Outlet *outlet) {}
int queue_packet(Outlet *outlet, Departing *departing, const unsigned char *payload, int length,
                 uint16_t sequence, uint32_t timestamp, int is_marked, double due) { return 0; }
int release_packet(Outlet *outlet, Released *released) { return 0; }
int take_back_packets(Outlet *outlet) { return 0; }

#endif
