/* Packets that are given before their time and leave on it, whatever Python does meanwhile.

   Python releases each packet at its beat. When it is late (a thread holds the interpreter, the
   loop is busy), alarm.c's thread sends what is due in its place. What that thread sleeps on is
   moved along with each packet that is released, so as a rule it never wakes. Where Python means to
   sleep, it has the next packets led: these leave at their time itself. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "native.h"

#ifdef __linux__

#include <pthread.h>
#include <sys/socket.h>

#include "alarm.h"

#define SECOND 1000000000LL
#define GRACE 3000000LL        /* ns by which a beat may be late: it hears all calls first */
#define LATEST 9e9             /* seconds of the clock, 285 years */

typedef struct {
    int64_t due, left;         /* ns of CLOCK_MONOTONIC */
    int32_t size, error;
    unsigned char datagram[LARGEST_QUEUED];
} Queued;

struct Outlet {
    Due overdue;               /* when its first packet leaves by itself; it stands first in here */
    int64_t led;               /* ns of CLOCK_MONOTONIC up to which packets wait for nobody */
    int socket;
    socklen_t address_length;
    unsigned char address[LARGEST_ADDRESS];
    int first, count;          /* of the ring... */
    int gone;                  /* ...so many of which have left and are not released yet */
    Queued ring[MOST_QUEUED];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Due waiting = {&waiting, &waiting, 0};  /* outlets that have something that has not left */

static Queued *queued(Outlet *outlet, int place)
{
    return &outlet->ring[(outlet->first + place) % MOST_QUEUED];
}

/* Note when the outlet's first packet is overdue, which may have changed. */
static void note(Outlet *outlet)
{
    if (outlet->gone == outlet->count)
        drop_due(&outlet->overdue);
    else {
        int64_t due = queued(outlet, outlet->gone)->due;
        put_due(&waiting, &outlet->overdue, due <= outlet->led ? due : due + GRACE);
    }
}

/* As `note`; the thread sleeps until the first packet of all will be overdue. */
static void arm(Outlet *outlet)
{
    note(outlet);
    set_alarm(SENDING, first_due(&waiting));
}

static void let_go(Outlet *outlet, Queued *packet, int64_t now)
{
    packet->left = now;
    if (sendto(outlet->socket, packet->datagram, (size_t)packet->size, MSG_DONTWAIT,
               (const struct sockaddr *)outlet->address, outlet->address_length) < 0)
        packet->error = errno;
}

void send_overdue(void)
{
    pthread_mutex_lock(&lock);
    int64_t now = monotonic_ns();
    while (waiting.after != &waiting && waiting.after->at <= now) {
        Outlet *outlet = (Outlet *)waiting.after;
        let_go(outlet, queued(outlet, outlet->gone++), now);
        note(outlet);
    }
    set_alarm(SENDING, first_due(&waiting));
    pthread_mutex_unlock(&lock);
}

void hold_sending(void) { pthread_mutex_lock(&lock); }
void go_on_sending(void) { pthread_mutex_unlock(&lock); }

void forget_sending(void)
{
    while (waiting.after != &waiting) {
        Outlet *outlet = (Outlet *)waiting.after;
        outlet->count = outlet->gone;
        note(outlet);
    }
}

Outlet *open_outlet(const Departing *departing)
{
    Outlet *outlet = start_alarm() ? NULL : calloc(1, sizeof *outlet);
    if (!outlet)
        return NULL;
    outlet->socket = departing->socket;
    outlet->address_length = departing->address_length;
    memcpy(outlet->address, departing->address, sizeof outlet->address);
    return outlet;
}

void close_outlet(Outlet *outlet)
{
    take_back_packets(outlet);
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
        last->error = 0;
        last->size = size;
        memcpy(last->datagram, packet, (size_t)size);
        arm(outlet);
    }
    pthread_mutex_unlock(&lock);
    return has_place ? size : 0;
}

void lead_packets(Outlet *outlet, double through)
{
    pthread_mutex_lock(&lock);
    outlet->led = through > 0 ? (int64_t)((through < LATEST ? through : LATEST) * SECOND) : 0;
    arm(outlet);
    pthread_mutex_unlock(&lock);
}

int release_packet(Outlet *outlet, Released *released)
{
    pthread_mutex_lock(&lock);
    int is_there = outlet->count > 0;
    if (is_there) {
        Queued *packet = queued(outlet, 0);
        released->is_early = outlet->gone > 0;
        if (outlet->gone)
            outlet->gone--;
        else
            let_go(outlet, packet, monotonic_ns());
        released->size = packet->size;
        released->error = packet->error;
        released->late = (double)(packet->left - packet->due) / SECOND;
        outlet->first = (outlet->first + 1) % MOST_QUEUED;
        outlet->count--;
        arm(outlet);
    }
    pthread_mutex_unlock(&lock);
    return is_there;
}

int take_back_packets(Outlet *outlet)
{
    pthread_mutex_lock(&lock);
    outlet->count = outlet->gone;
    arm(outlet);
    pthread_mutex_unlock(&lock);
    return outlet->count;
}

#else  /* There each packet waits for Python. */

Outlet *open_outlet(const Departing *departing) { return NULL; }
void close_outlet(Outlet *outlet) {}
int queue_packet(Outlet *outlet, Departing *departing, const unsigned char *payload, int length,
                 uint16_t sequence, uint32_t timestamp, int is_marked, double due) { return 0; }
void lead_packets(Outlet *outlet, double through) {}
int release_packet(Outlet *outlet, Released *released) { return 0; }
int take_back_packets(Outlet *outlet) { return 0; }

#endif
