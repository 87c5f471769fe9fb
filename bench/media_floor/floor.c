#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include "floor.h"

enum { HEADER = 12, FRAME = 480, TICKS = 960, LONGEST = 1920, LARGEST = 1275, ROOM = 2048 };

typedef int decode_function(void *, const unsigned char *, int32_t, int16_t *, int, int);
typedef int32_t encode_function(void *, const int16_t *, int, unsigned char *, int32_t);
typedef int srtp_function(void *, void *, int *);

static double cpu_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

static void sleep_for_one(struct timespec *beat, int64_t pause)
{
    beat->tv_nsec += pause;
    while (beat->tv_nsec >= 1000000000) {
        beat->tv_nsec -= 1000000000;
        beat->tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, beat, NULL);
}

/* Take one datagram, if there is one, to 16 kHz; 1 when it was heard. */
static int hear(const struct floor_functions *functions, const struct floor_call *call)
{
    _Alignas(8) unsigned char packet[ROOM];
    int16_t samples[LONGEST];
    int size = (int)recv(call->socket, packet, ROOM, MSG_DONTWAIT);
    if (size <= HEADER)
        return 0;
    if (((srtp_function *)functions->unprotect)((void *)call->inbound, packet, &size) ||
        size <= HEADER)
        return 0;
    return ((decode_function *)functions->decode)((void *)call->decoder, packet + HEADER,
                                                  size - HEADER, samples, LONGEST, 0) > 0;
}

/* Send one frame of 20 ms at 24 kHz, the `number`th of its call. */
static void speak(const struct floor_functions *functions, const struct floor_call *call,
                  const int16_t *frame, unsigned number)
{
    _Alignas(8) unsigned char packet[ROOM] = {0x80, 0x60};
    const uint32_t stamp = number * TICKS;
    packet[2] = (unsigned char)(number >> 8);
    packet[3] = (unsigned char)number;
    for (int byte = 0; byte < 4; byte++)
        packet[4 + byte] = (unsigned char)(stamp >> (24 - 8 * byte));
    int size = ((encode_function *)functions->encode)((void *)call->encoder, frame, FRAME,
                                                      packet + HEADER, LARGEST);
    if (size < 0)
        return;
    size += HEADER;
    if (!((srtp_function *)functions->protect)((void *)call->outbound, packet, &size))
        send(call->socket, packet, (size_t)size, MSG_DONTWAIT);
}

/* CPU seconds that this thread uses for so many beats of `count` calls, one every `pause`
   nanoseconds (0: without sleeping). At each beat a call hears one datagram and says one of the
   `frames` frames of 480 samples at `said` (none: it is silent). `heard`: datagrams, all told. */
double floor_run(const struct floor_functions *functions, const struct floor_call *calls, int count,
                 const int16_t *said, int frames, int beats, int64_t pause, int *heard)
{
    struct timespec beat;
    clock_gettime(CLOCK_MONOTONIC, &beat);
    const double before = cpu_seconds();
    *heard = 0;
    for (int number = 0; number < beats; number++) {
        if (pause)
            sleep_for_one(&beat, pause);
        for (int call = 0; call < count; call++) {
            *heard += hear(functions, &calls[call]);
            if (frames)
                speak(functions, &calls[call], said + (number % frames) * FRAME, (unsigned)number);
        }
    }
    return cpu_seconds() - before;
}
