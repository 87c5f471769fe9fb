/* What Python calls in the compiled part; read by the C compiler and by cffi alike, so plain
   declarations alone, of types that both know. */

/* arrivals.c: datagrams from a socket to 16 kHz sound. */

/* Of libsrtp (2.x) and libopus. */
typedef int (*Unprotect)(void *session, void *packet, int *length);
typedef int (*Decode)(void *decoder, const unsigned char *packet, int length, int16_t *samples,
                      int capacity, int is_fec);

/* What receiver reports and statistics are made of (RFC 3550, appendix A): one SSRC's. */
typedef struct {
    int64_t received, cycles, jitter_q4, last_arrival;
    int32_t base, latest;      /* sequence numbers; -1: none yet */
    uint32_t clock_rate, last_timestamp;
} Counters;

/* Count a packet of this SSRC that came at that time (seconds of the clock on the wall), as aiortc's
   StreamStatistics.add does, but for the jitter of timestamps that wrap. */
void count_packet(Counters *counters, uint16_t sequence, uint32_t timestamp, double at);

/* One call's incoming stream. */
typedef struct {
    Unprotect unprotect;
    Decode decode;
    void *session;             /* libsrtp's; NULL: nothing is decrypted yet, nothing is RTP */
    void *decoder;             /* libopus', to 16 kHz mono */
    Counters *counters;
    double budget, budget_at;  /* packets that may still come at that time, seconds */
    double jitter, transit;    /* seconds, as in media/reception.py */
    double heard_at;           /* when the last packet that passed came */
    double read_at;            /* when all had been read that had come */
    int64_t bytes, packets;    /* decrypted since Python looked last */
    int32_t passed;            /* packets that passed in this reading */
    uint32_t ssrc, timestamp;  /* of the packet that may pass next */
    uint16_t sequence;
    uint8_t payload_type;
    uint8_t may_pass;          /* 0: every packet is for Python */
} Stream;

/* A datagram that came. */
typedef struct {
    int32_t kind;              /* ARRIVED_... */
    int32_t length;            /* bytes of the datagram, or samples of its sound */
    double at;                 /* when it came, by the clock of `now` */
} Arrival;

#define ARRIVED_NOTHING 0      /* dropped: empty, too long, no valid RTP, or too much of it */
#define ARRIVED_SOUND 1        /* passed and decoded: in `sounds` */
#define ARRIVED_PACKET 2       /* RTP, decrypted, that is not simply the next: in `datagrams` */
#define ARRIVED_OTHER 3        /* no RTP: in `datagrams`, from `addresses` */

#define MOST_ARRIVALS 64
#define LARGEST_DATAGRAM 2048
#define LONGEST_SOUND 1920     /* 120 ms, the longest of Opus, at 16 kHz */
#define LARGEST_ADDRESS 28     /* struct sockaddr_in6 */

/* Where they are put, anew by each reading. */
typedef struct {
    Arrival arrivals[MOST_ARRIVALS];
    int16_t sounds[MOST_ARRIVALS][LONGEST_SOUND];
    unsigned char datagrams[MOST_ARRIVALS][LARGEST_DATAGRAM];
    unsigned char addresses[MOST_ARRIVALS][LARGEST_ADDRESS];
} Room;

/* Read what a socket that does not block has, 64 datagrams at most, at the time `now` (seconds, any
   clock that only rises). When each came is what the kernel says, where it was told to
   (SO_TIMESTAMPNS), and `now` otherwise. How many came, each told in `room`; negative: an errno. */
int read_arrivals(Stream *stream, Room *room, int socket, double now);

/* narrow.c: what left lately. */

/* Put the means of each three samples, cut to whole numbers, of `count` frames in a row into a ring
   of `kept` frames of `length` such means, as the frames of number `first` and after it. */
void narrow_frames(const int16_t *frames, int count, int16_t *ring, int kept, int64_t first,
                   int length);

/* departures.c: a payload to the datagram. */

/* Of libsrtp (2.x). */
typedef int (*Protect)(void *session, void *packet, int *length);

#define LARGEST_EXTENSION 64
#define LARGEST_PAYLOAD 1280   /* Opus: 1275 */
#define LARGEST_PACKET 1500    /* with its header, and what libsrtp may append: 144 */

/* One call's outgoing stream, as long as the way to its listener stays the same. */
typedef struct {
    Protect protect;
    void *session;             /* libsrtp's */
    int32_t socket;
    int32_t refused, error;    /* why a packet did not leave: libsrtp's number, or else errno */
    uint32_t ssrc, address_length;
    unsigned char address[LARGEST_ADDRESS];
    unsigned char extension[LARGEST_EXTENSION];
    uint8_t extension_length;  /* bytes of the whole block of header extensions; 0: none */
    uint8_t payload_type;
} Departing;

/* Make a packet of a payload of at most LARGEST_PAYLOAD bytes, encrypted, in LARGEST_PACKET bytes
   that are aligned to words. How many it has; `refused` tells of a refusal. */
int make_packet(Departing *departing, unsigned char *packet, const unsigned char *payload,
                int length, uint16_t sequence, uint32_t timestamp, int is_marked);

/* Make a packet and send it. How many bytes its datagram has; when it did not leave, as many less
   than nothing. */
int send_packet(Departing *departing, const unsigned char *payload, int length, uint16_t sequence,
                uint32_t timestamp, int is_marked);

/* sendqueue.c: packets that are given before their time and leave on it. */

#define MOST_QUEUED 16
#define LARGEST_QUEUED 512     /* bytes of a datagram */

typedef struct Outlet Outlet;

typedef struct {
    int32_t size, error;       /* bytes; 0 or an errno */
    int32_t is_early;          /* it had left before it was released */
    double late;               /* seconds after its time at which it left */
} Released;

/* A queue to a stream's listener; NULL: there is none on this system. Its socket must not be closed
   while anything waits. */
Outlet *open_outlet(const Departing *departing);
void close_outlet(Outlet *outlet);

/* Have a packet leave when it is released, or shortly after `due` (seconds of CLOCK_MONOTONIC) when
   it is not. How many bytes its datagram has; 0: there is no room for it, or no such time; negative:
   refused. */
int queue_packet(Outlet *outlet, Departing *departing, const unsigned char *payload, int length,
                 uint16_t sequence, uint32_t timestamp, int is_marked, double due);

/* The first of them leaves now, unless it has already; 0: nothing is in the queue. */
int release_packet(Outlet *outlet, Released *released);

/* Drop what has not left. How many have and are not released yet. */
int take_back_packets(Outlet *outlet);
