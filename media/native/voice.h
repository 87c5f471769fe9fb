/* silero.c: Silero's network. */

#define SILERO_BLOCK 32        /* outputs whose weights lie side by side */

/* A layer of `inputs` numbers to `outputs`, a multiple of SILERO_BLOCK. */
typedef struct {
    int32_t inputs, outputs;
    const int16_t *weights;    /* (outputs / SILERO_BLOCK, inputs, SILERO_BLOCK), in units of... */
    const float *scales;       /* ...these, (outputs,) */
    const float *biases;       /* (outputs,) */
} Layer;

typedef struct {
    Layer encoder[4];
    Layer recurrent;           /* of what is heard and `hidden` to the gates: in, out, keep, new */
    const float *fade;         /* (256,): a frame's, from int16 */
    const float *cosines;      /* (129,) of half a turn... */
    const float *sines;        /* ...backwards */
    const float *tilt;         /* (129,): what a spectrum is multiplied by */
    const float *head;         /* (129,): the last weights and the bias */
} Silero;

/* What it remembers of a stream; zeros before the first window. */
typedef struct {
    float hidden[128], cell[128];
} Memory;

/* The probability, 0..1, of speech at the end of a window (int16, 64 samples that were judged
   before and 512 new ones). */
float silero_judge(const Silero *silero, Memory *memory, const int16_t *window);

/* voice.c: one call's detector, as media/voice.py has it. */

/* 1 for speech; webrtcvad's library calls it WebRtcVad_Process. */
typedef int (*Gate)(void *gate, int rate, const int16_t *samples, size_t count);

#define VOICE_REMEMBERED 4160  /* samples: eight windows and their context */

typedef struct {
    const Silero *silero;
    Gate passes;
    void *gate;
    int32_t hold;              /* samples that the gate stays open after its last hit */
    int32_t open_for;          /* samples; 0: it is closed */
    int32_t ungated;           /* samples in `frame` */
    int32_t oldest;            /* the place in `past` that is overwritten next */
    int32_t filled;            /* samples in `window` */
    int32_t is_warm;           /* it has judged since the gate opened */
    float latest;              /* the probability that was judged last */
    Memory memory;
    int16_t frame[160];        /* 10 ms for the gate */
    int16_t past[VOICE_REMEMBERED];
    int16_t window[576];
} Voice;

/* Take a stream's next samples (16 kHz); the probability, 0..1, of speech at their end. */
float voice_hear(Voice *voice, const int16_t *samples, int count);
