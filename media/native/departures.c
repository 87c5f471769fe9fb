/* From a payload to the socket: header, encryption and sending of one RTP packet in one go. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "native.h"

#define HEADER 12
_Static_assert(HEADER + LARGEST_EXTENSION + LARGEST_PAYLOAD + 144 <= LARGEST_PACKET,
               "a packet has its place");

static void put_big_endian(unsigned char *place, uint32_t number, int bytes)
{
    for (int index = bytes; index--; number >>= 8)
        place[index] = (unsigned char)number;
}

/* Write a packet's header (RFC 3550, section 5.1), as media/packets.py does; its length. */
static int put_header(const Departing *departing, unsigned char *packet, uint16_t sequence,
                      uint32_t timestamp, int is_marked)
{
    packet[0] = departing->extension_length ? 0x90 : 0x80;
    packet[1] = (unsigned char)(departing->payload_type | (is_marked ? 0x80 : 0));
    put_big_endian(packet + 2, sequence, 2);
    put_big_endian(packet + 4, timestamp, 4);
    put_big_endian(packet + 8, departing->ssrc, 4);
    memcpy(packet + HEADER, departing->extension, departing->extension_length);
    return HEADER + departing->extension_length;
}

int make_packet(Departing *departing, unsigned char *packet, const unsigned char *payload,
                int length, uint16_t sequence, uint32_t timestamp, int is_marked)
{
    int size = put_header(departing, packet, sequence, timestamp, is_marked);
    memcpy(packet + size, payload, (size_t)length);
    size += length;
    departing->refused = departing->protect(departing->session, packet, &size);
    return size;
}

int send_packet(Departing *departing, const unsigned char *payload, int length, uint16_t sequence,
                uint32_t timestamp, int is_marked)
{
    _Alignas(8) unsigned char packet[LARGEST_PACKET];
    int size = make_packet(departing, packet, payload, length, sequence, timestamp, is_marked);
    if (departing->refused)
        return -size;
    ssize_t sent = sendto(departing->socket, packet, (size_t)size, 0,
                          (const struct sockaddr *)departing->address, departing->address_length);
    if (sent < 0) {
        departing->error = errno;
        return -size;
    }
    return size;
}
