/* What the benchmark calls in its floor; read by the C compiler and by cffi alike. */

/* Addresses of libopus' and libsrtp's functions: Python has loaded them, nothing is linked. */
struct floor_functions {
    uintptr_t decode, encode, unprotect, protect;
};

/* One call: its connected datagram socket, and its libopus and libsrtp contexts. */
struct floor_call {
    int socket;
    uintptr_t decoder, encoder, inbound, outbound;
};

double floor_run(const struct floor_functions *functions, const struct floor_call *calls, int count,
                 const int16_t *said, int frames, int beats, int64_t pause, int *heard);
