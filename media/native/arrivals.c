/* From a socket to sound: all that is the same for nearly every packet of a call.

   A datagram that is RTP is decrypted; when it is just the packet that was expected, it is counted
   and decoded on the spot. Whatever else happens (a gap, another source, another codec, STUN, DTLS)
   is handed to Python, which knows what to do and says when packets may pass again. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "native.h"

/* Packets a second that one peer may send, and at once; Opus at 2.5 ms needs 400. */
#define RATE 600.0
#define BURST 600.0

/* Seconds that a datagram may have waited; more says that the wall's clock was set. */
#define LONGEST_WAIT 1.0

#define OPUS_CLOCK 48000
#define CLOCK_PER_SAMPLE 3     /* of the sound at 16 kHz */

/* A packet, read in place. */
typedef struct {
    uint32_t timestamp, ssrc;
    uint16_t sequence;
    uint8_t payload_type;
    const unsigned char *payload;
    int length;
} Packet;

static uint32_t big_endian(const unsigned char *data, int bytes)
{
    uint32_t number = 0;
    for (int index = 0; index < bytes; index++)
        number = number << 8 | data[index];
    return number;
}

/* Read an RTP packet (RFC 3550, section 5.1), as media/packets.py does; 0: it is none. */
static int parse(const unsigned char *data, int length, Packet *packet)
{
    if (length < 12 || data[0] >> 6 != 2)
        return 0;
    int begin = 12 + 4 * (data[0] & 0x0F), end = length;
    if (data[0] & 0x10) {
        if (end < begin + 4)
            return 0;
        begin += 4 + 4 * (int)big_endian(data + begin + 2, 2);
    }
    if (data[0] & 0x20 && end > begin) {
        if (!data[length - 1])
            return 0;
        end -= data[length - 1];
    }
    if (begin > end)
        return 0;
    packet->payload_type = data[1] & 0x7F;
    packet->sequence = (uint16_t)big_endian(data + 2, 2);
    packet->timestamp = big_endian(data + 4, 4);
    packet->ssrc = big_endian(data + 8, 4);
    packet->payload = data + begin;
    packet->length = end - begin;
    return 1;
}

/* RTP by its first bytes (RFC 7983, RFC 5761): not STUN, DTLS or RTCP. */
static int is_rtp(const unsigned char *data, int length)
{
    return length >= 2 && data[0] > 127 && data[0] < 192 && (data[1] < 192 || data[1] > 208);
}

/* A peer that floods pays itself: what is too much is dropped before it costs anything. */
static int is_affordable(Stream *stream, double now)
{
    stream->budget = fmin(stream->budget + (now - stream->budget_at) * RATE, BURST);
    stream->budget_at = now;
    if (stream->budget < 1.0)
        return 0;
    stream->budget -= 1.0;
    return 1;
}

void count_packet(Counters *counters, uint16_t sequence, uint32_t timestamp, double at)
{
    counters->received++;
    if (counters->base < 0)
        counters->base = sequence;
    if (counters->latest >= 0 && (int16_t)(sequence - counters->latest) <= 0)
        return;
    int64_t arrival = (int64_t)(at * counters->clock_rate);
    if (sequence < counters->latest)
        counters->cycles += 1 << 16;
    counters->latest = sequence;
    if (timestamp != counters->last_timestamp && counters->received > 1) {
        /* In 32 bits, as the timestamps wrap (RFC 3550, appendix A.8). */
        int32_t change = (int32_t)((uint32_t)(arrival - counters->last_arrival) -
                                   (timestamp - counters->last_timestamp));
        counters->jitter_q4 += llabs(change) - ((counters->jitter_q4 + 8) >> 4);
    }
    counters->last_arrival = arrival;
    counters->last_timestamp = timestamp;
}

/* Smooth the variation of the packets' way (RFC 3550, section 6.4.1). */
static void measure_jitter(Stream *stream, const Packet *packet, double now)
{
    double transit = now - (double)packet->timestamp / OPUS_CLOCK;
    double change = fabs(transit - stream->transit);
    stream->transit = transit;
    if (change < 1.0)
        stream->jitter += (change - stream->jitter) / 16;
}

/* When a datagram came: on the wall's clock, and on the caller's of `read_arrivals`. */
typedef struct {
    double wall, now;
} Moment;

/* The packet is the next one, and sounds for so many samples. */
static Arrival pass(Stream *stream, const Packet *packet, int samples, Moment at)
{
    count_packet(stream->counters, packet->sequence, packet->timestamp, at.wall);
    measure_jitter(stream, packet, at.now);
    stream->passed++;
    stream->sequence++;
    stream->heard_at = at.now;
    stream->timestamp += (uint32_t)samples * CLOCK_PER_SAMPLE;
    return (Arrival){ARRIVED_SOUND, samples, at.now};
}

static int is_next(const Stream *stream, const Packet *packet)
{
    return stream->may_pass && packet->ssrc == stream->ssrc &&
           packet->sequence == stream->sequence && packet->timestamp == stream->timestamp &&
           packet->payload_type == stream->payload_type && packet->length > 0;
}

/* What a datagram of so many bytes is; RTP is decrypted in its place. */
static Arrival take(Stream *stream, unsigned char *data, int length, int16_t *samples, Moment at)
{
    if (!length)
        return (Arrival){ARRIVED_NOTHING, 0, at.now};
    if (!stream->session || !is_rtp(data, length))
        return (Arrival){ARRIVED_OTHER, length, at.now};
    int decrypted = length;
    if (!is_affordable(stream, at.now) || stream->unprotect(stream->session, data, &decrypted))
        return (Arrival){ARRIVED_NOTHING, 0, at.now};
    Packet packet;
    if (!parse(data, decrypted, &packet))
        return (Arrival){ARRIVED_NOTHING, 0, at.now};
    stream->bytes += length;
    stream->packets++;
    if (is_next(stream, &packet)) {
        int count = stream->decode(stream->decoder, packet.payload, packet.length, samples,
                                   LONGEST_SOUND, 0);
        if (count >= 0)
            return pass(stream, &packet, count, at);
    }
    /* What comes after it must not overtake it. */
    stream->may_pass = 0;
    return (Arrival){ARRIVED_PACKET, decrypted, at.now};
}

/* A datagram's length, 0 when it was too long for its place, and when the kernel says it came. */
typedef struct {
    int length;
    double stamp;              /* the wall's clock; 0: not said */
} Received;

static Received received(struct msghdr *message, ssize_t length)
{
    Received it = {message->msg_flags & MSG_TRUNC ? 0 : (int)length, 0.0};
#ifdef SCM_TIMESTAMPNS
    for (struct cmsghdr *each = CMSG_FIRSTHDR(message); each; each = CMSG_NXTHDR(message, each))
        if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec time;
            memcpy(&time, CMSG_DATA(each), sizeof time);
            it.stamp = (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
        }
#endif
    return it;
}

typedef union {
    char data[CMSG_SPACE(sizeof(struct timespec))];
    struct cmsghdr alignment;
} Control;

/* A message that is received into a place of `room`. */
static struct msghdr addressed(Room *room, int index, struct iovec *part, Control *control)
{
    *part = (struct iovec){room->datagrams[index], LARGEST_DATAGRAM};
    return (struct msghdr){.msg_name = room->addresses[index], .msg_namelen = LARGEST_ADDRESS,
                           .msg_iov = part, .msg_iovlen = 1,
                           .msg_control = control->data, .msg_controllen = sizeof control->data};
}

/* Receive what there is. How many datagrams, or a negative errno. */
static int receive(Room *room, int socket, Received all[MOST_ARRIVALS])
{
    struct iovec parts[MOST_ARRIVALS];
    Control controls[MOST_ARRIVALS];
    int came = 0;
#ifdef __linux__
    struct mmsghdr messages[MOST_ARRIVALS];
    for (int index = 0; index < MOST_ARRIVALS; index++)
        messages[index].msg_hdr = addressed(room, index, &parts[index], &controls[index]);
    came = recvmmsg(socket, messages, MOST_ARRIVALS, MSG_DONTWAIT, NULL);
    for (int index = 0; index < came; index++)
        all[index] = received(&messages[index].msg_hdr, messages[index].msg_len);
#else
    for (; came < MOST_ARRIVALS; came++) {
        struct msghdr message = addressed(room, came, &parts[0], &controls[0]);
        ssize_t length = recvmsg(socket, &message, MSG_DONTWAIT);
        if (length < 0) {
            came = came ? came : -1;
            break;
        }
        all[came] = received(&message, length);
    }
#endif
    if (came < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
    return came;
}

/* When that was, which the kernel says by the wall's clock: not before the socket was empty, by the
   other clock, whatever the wall's was set to since. */
static Moment moment(double stamp, double wall, double now, double earliest)
{
    if (stamp <= 0.0 || stamp > wall || stamp < wall - LONGEST_WAIT)
        return (Moment){wall, now};
    return (Moment){stamp, fmax(now - (wall - stamp), fmin(earliest, now))};
}

int read_arrivals(Stream *stream, Room *room, int socket, double now)
{
    Received all[MOST_ARRIVALS];
    int came = receive(room, socket, all);
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    double wall = (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
    stream->passed = 0;
    for (int index = 0; index < came; index++)
        room->arrivals[index] = take(stream, room->datagrams[index], all[index].length,
                                     room->sounds[index],
                                     moment(all[index].stamp, wall, now, stream->read_at));
    if (came >= 0 && came < MOST_ARRIVALS)
        stream->read_at = now;
    return came;
}
