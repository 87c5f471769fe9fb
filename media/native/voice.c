/* One call's speech detector: the gate, and the windows that are judged while it is open. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "voice.h"

#define RATE 16000
#define FRAME 160
#define CONTEXT 64
#define WINDOW 512
#define HEARD (CONTEXT + WINDOW)

static inline int least(int a, int b)
{
    return a < b ? a : b;
}

/* Open the gate, hold it or let it close, by every whole 10 ms. */
static void pass_gate(Voice *voice, const int16_t *samples, int count)
{
    while (count) {
        const int taken = least(count, FRAME - voice->ungated);
        memcpy(voice->frame + voice->ungated, samples, taken * sizeof *samples);
        voice->ungated += taken;
        samples += taken;
        count -= taken;
        if (voice->ungated < FRAME)
            return;
        voice->ungated = 0;
        if (voice->passes(voice->gate, RATE, voice->frame, FRAME) > 0)
            voice->open_for = voice->hold + FRAME;
        else
            voice->open_for = voice->open_for > FRAME ? voice->open_for - FRAME : 0;
    }
}

/* Keep the samples for when the gate opens, in place of the oldest. */
static void keep(Voice *voice, const int16_t *samples, int count)
{
    while (count) {
        const int taken = least(count, VOICE_REMEMBERED - voice->oldest);
        memcpy(voice->past + voice->oldest, samples, taken * sizeof *samples);
        voice->oldest = (voice->oldest + taken) % VOICE_REMEMBERED;
        samples += taken;
        count -= taken;
    }
}

/* Hear the last windows again, up to now. */
static void warm_up(Voice *voice)
{
    int16_t past[VOICE_REMEMBERED];
    const int old = VOICE_REMEMBERED - voice->oldest;
    memcpy(past, voice->past + voice->oldest, old * sizeof *past);
    memcpy(past + old, voice->past, voice->oldest * sizeof *past);
    for (int begin = 0; begin + HEARD <= VOICE_REMEMBERED; begin += WINDOW)
        voice->latest = silero_judge(voice->silero, &voice->memory, past + begin);
    memcpy(voice->window, past + VOICE_REMEMBERED - CONTEXT, CONTEXT * sizeof *past);
    voice->filled = CONTEXT;
    voice->is_warm = 1;
}

/* Judge every window that becomes whole. */
static void listen(Voice *voice, const int16_t *samples, int count)
{
    while (count) {
        const int taken = least(count, HEARD - voice->filled);
        memcpy(voice->window + voice->filled, samples, taken * sizeof *samples);
        voice->filled += taken;
        samples += taken;
        count -= taken;
        if (voice->filled < HEARD)
            return;
        voice->latest = silero_judge(voice->silero, &voice->memory, voice->window);
        memcpy(voice->window, voice->window + WINDOW, CONTEXT * sizeof *samples);
        voice->filled = CONTEXT;
    }
}

static void forget(Voice *voice)
{
    memset(&voice->memory, 0, sizeof voice->memory);
    voice->latest = 0;
    voice->is_warm = 0;
}

float voice_hear(Voice *voice, const int16_t *samples, int count)
{
    pass_gate(voice, samples, count);
    keep(voice, samples, count);
    if (!voice->open_for) {
        if (voice->is_warm)
            forget(voice);
    } else if (voice->is_warm) {
        listen(voice, samples, count);
    } else {
        warm_up(voice);
    }
    return voice->latest;
}
