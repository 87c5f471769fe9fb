/* The agent's frames at the third of their rate, for whoever looks for them in what comes in. */

#include "native.h"

#define RATIO 3                /* 24 kHz to 8 */

void narrow_frames(const int16_t *frames, int count, int16_t *ring, int kept, int64_t first,
                   int length)
{
    for (int index = 0; index < count; index++) {
        int16_t *narrow = ring + (first + index) % kept * length;
        for (int place = 0; place < length; place++, frames += RATIO)
            narrow[place] = (int16_t)((frames[0] + frames[1] + frames[2]) / RATIO);
    }
}
