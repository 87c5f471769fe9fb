/* Calls that are heard while Python sleeps: nothing follows from what their callers send.

   Python lends a call for some steps of 20 ms. alarm.c's thread then does at each what Python would:
   it reads the socket, decodes, and judges whether that is speech. As soon as there is anything to
   decide it wants Python, which takes the call back and goes through what was heard. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "native.h"
#include "voice.h"

#ifdef __linux__

#include <pthread.h>
#include <unistd.h>

#include "alarm.h"

#define SECOND 1000000000LL
#define STEP 20000000LL        /* ns */
#define STEP_SAMPLES 320
#define LATEST 9e9             /* seconds of the clock, 285 years */
#define AT_ONCE 4              /* datagrams that are read in a step */
#define MOST_SILENT 2          /* steps in a row in which nothing passes */
#define ALIGNED 8              /* bytes */
#define LARGEST_HEARD (LONGEST_SOUND * 2)
_Static_assert(LARGEST_DATAGRAM + LARGEST_ADDRESS + 2 * ALIGNED <= LARGEST_HEARD,
               "no arrival takes more");

struct Ear {
    Due next;                  /* when it is heard; it stands first in here */
    Ear *wanted_after;
    Stream *stream;
    Voice *voice;
    int64_t number, begin;     /* `begin`: of step 0, ns of CLOCK_MONOTONIC */
    int signal, socket;
    int steps;                 /* for which it is lent */
    int silent;                /* steps in a row in which nothing has passed */
    int is_lent;
    int is_judged;             /* what passes; not any more once a sound was no step's */
    float low, high;
    Heard heard;
};

/* Never held while anything is read or judged. An ear that is heard at the moment is in no list;
   its thread alone has it then, until the lock is taken again. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_heard = PTHREAD_COND_INITIALIZER;
static Due lent = {&lent, &lent, 0};
static Ear *wanted, **last_wanted = &wanted;
static Ear *hearing;           /* the one that is heard at the moment */
static Room room;              /* of the thread */

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Keep so many bytes; their place. There is room for them. */
static int32_t keep(Heard *heard, const void *data, int length)
{
    int32_t place = heard->used;
    memcpy(heard->bytes + place, data, (size_t)length);
    heard->used += (length + ALIGNED - 1) / ALIGNED * ALIGNED;
    return place;
}

/* The probability of speech after a sound, -1 when it is not judged; why Python is wanted for it. */
static float judge(Ear *ear, const int16_t *sound, int length, int *why)
{
    if (length != STEP_SAMPLES)
        ear->is_judged = 0;
    if (!ear->is_judged) {
        *why = WANTED_ARRIVAL;
        return -1;
    }
    int was_open = ear->voice->open_for;
    float voice = voice_hear(ear->voice, sound, length);
    if (voice < ear->low || voice > ear->high || (!was_open && ear->voice->open_for))
        *why = WANTED_VOICE;
    return voice;
}

/* Keep one thing that was read; why Python is wanted for it. */
static int keep_arrival(Ear *ear, int index, int step)
{
    Heard *heard = &ear->heard;
    const Arrival *arrival = &room.arrivals[index];
    int why = WANTED_NOT;
    if (arrival->kind == ARRIVED_NOTHING)
        return why;
    HeardArrival *kept = &heard->arrivals[heard->count++];
    *kept = (HeardArrival){.kind = arrival->kind, .length = arrival->length, .address = -1,
                           .step = step, .voice = -1, .at = arrival->at};
    if (arrival->kind == ARRIVED_SOUND) {
        kept->voice = judge(ear, room.sounds[index], arrival->length, &why);
        kept->place = keep(heard, room.sounds[index], arrival->length * 2);
        return why;
    }
    kept->place = keep(heard, room.datagrams[index], arrival->length);
    if (arrival->kind == ARRIVED_OTHER)
        kept->address = keep(heard, room.addresses[index], LARGEST_ADDRESS);
    return WANTED_ARRIVAL;
}

/* How many datagrams may be read: each finds its place, whatever it is. */
static int has_room_for(const Heard *heard)
{
    int places = least(MOST_HEARD - heard->count, (HEARD_BYTES - heard->used) / LARGEST_HEARD);
    return least(AT_ONCE, places);
}

/* Read and judge what has come by this step. Why Python is wanted. */
static int hear(Ear *ear, int step, int64_t now)
{
    Heard *heard = &ear->heard;
    int most = has_room_for(heard), why = WANTED_NOT;
    if (!most)
        return WANTED_FLOOD;
    heard->steps = step + 1;
    heard->read[step] = (double)now / SECOND;
    int came = read_arrivals(ear->stream, &room, ear->socket, heard->read[step], most);
    if (came < 0) {
        heard->error = -came;
        return WANTED_ERROR;
    }
    for (int index = 0; index < came; index++) {
        int other = keep_arrival(ear, index, step);
        why = why ? why : other;
    }
    ear->silent = ear->stream->passed ? 0 : ear->silent + 1;
    if (!why && came == most)
        why = WANTED_FLOOD;
    if (!why && ear->silent == MOST_SILENT)
        why = WANTED_GAP;
    return why;
}

/* Which step it is; those that the thread has slept through are left out. */
static int step_of(const Ear *ear, int64_t now)
{
    int64_t steps = (now - ear->begin) / STEP;
    return steps < ear->steps ? (int)steps : ear->steps - 1;
}

static void want_python(Ear *ear)
{
    uint64_t once = 1;
    ear->wanted_after = NULL;
    *last_wanted = ear;
    last_wanted = &ear->wanted_after;
    /* It is full only where it was not read for ages, and then tells as much. */
    ssize_t written = write(ear->signal, &once, sizeof once);
    (void)written;
}

static void want_no_more(Ear *ear)
{
    for (Ear **each = &wanted; *each; each = &(*each)->wanted_after)
        if (*each == ear) {
            *each = ear->wanted_after;
            if (last_wanted == &ear->wanted_after)
                last_wanted = each;
            return;
        }
}

int hear_next(void)
{
    pthread_mutex_lock(&lock);
    int64_t now = monotonic_ns(), first = first_due(&lent);
    if (!first || first > now) {
        set_alarm(HEARING, first);
        pthread_mutex_unlock(&lock);
        return 0;
    }
    Ear *ear = hearing = (Ear *)lent.after;
    drop_due(&ear->next);
    pthread_mutex_unlock(&lock);
    int step = step_of(ear, now);
    int why = hear(ear, step, now);
    pthread_mutex_lock(&lock);
    hearing = NULL;
    ear->heard.wanted = why;
    if (ear->is_lent && why)
        want_python(ear);
    else if (ear->is_lent && step + 1 < ear->steps)
        put_due(&lent, &ear->next, ear->begin + (step + 1) * STEP);
    pthread_cond_broadcast(&has_heard);
    pthread_mutex_unlock(&lock);
    return 1;
}

void hold_hearing(void)
{
    pthread_mutex_lock(&lock);
    while (hearing)
        pthread_cond_wait(&has_heard, &lock);
}

void go_on_hearing(void) { pthread_mutex_unlock(&lock); }

void forget_hearing(void)
{
    while (lent.after != &lent)
        drop_due(lent.after);
    /* Whoever waited for it is not in the child. */
    has_heard = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}

Ear *open_ear(Stream *stream, Voice *voice, int64_t number, int signal)
{
    Ear *ear = start_alarm() ? NULL : calloc(1, sizeof *ear);
    if (!ear)
        return NULL;
    ear->stream = stream;
    ear->voice = voice;
    ear->number = number;
    ear->signal = signal;
    return ear;
}

static void forget(Heard *heard)
{
    heard->count = heard->steps = heard->used = heard->error = 0;
    heard->wanted = WANTED_NOT;
    memset(heard->read, 0, sizeof heard->read);
}

int lend_ear(Ear *ear, int socket, double due, int steps, float low, float high)
{
    if (!(due > 0 && due < LATEST) || steps < 1 || steps > MOST_LENT)
        return 0;
    pthread_mutex_lock(&lock);
    int is_lent = !ear->is_lent && ear->stream->session && ear->stream->may_pass;
    if (is_lent) {
        forget(&ear->heard);
        ear->is_lent = ear->is_judged = 1;
        ear->silent = 0;
        ear->socket = socket;
        ear->steps = steps;
        ear->low = low;
        ear->high = high;
        ear->begin = (int64_t)(due * SECOND);
        put_due(&lent, &ear->next, ear->begin);
        set_alarm(HEARING, first_due(&lent));
    }
    pthread_mutex_unlock(&lock);
    return is_lent;
}

const Heard *take_ear(Ear *ear)
{
    pthread_mutex_lock(&lock);
    if (!ear->is_lent)
        forget(&ear->heard);
    else {
        ear->is_lent = 0;      /* so that it is not heard again while this waits */
        while (hearing == ear)
            pthread_cond_wait(&has_heard, &lock);
        want_no_more(ear);
        drop_due(&ear->next);
        set_alarm(HEARING, first_due(&lent));
    }
    pthread_mutex_unlock(&lock);
    return &ear->heard;
}

void close_ear(Ear *ear)
{
    take_ear(ear);
    free(ear);
}

int64_t next_wanted_ear(int signal)
{
    int64_t number = -1;
    pthread_mutex_lock(&lock);
    Ear *ear = wanted;
    while (ear && ear->signal != signal)
        ear = ear->wanted_after;
    if (ear) {
        number = ear->number;
        want_no_more(ear);
    }
    pthread_mutex_unlock(&lock);
    return number;
}

#else  /* There Python hears all. */

Ear *open_ear(Stream *stream, Voice *voice, int64_t number, int signal) { return NULL; }
int lend_ear(Ear *ear, int socket, double due, int steps, float low, float high) { return 0; }
const Heard *take_ear(Ear *ear) { return NULL; }
void close_ear(Ear *ear) {}
int64_t next_wanted_ear(int signal) { return -1; }

#endif
