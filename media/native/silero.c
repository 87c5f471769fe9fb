/* Silero VAD v6 for one window, as media/silero.py writes it.

   Between two windows of a single call everything else has passed through the caches, so what a
   window costs is above all the reading of the weights: they are kept in 16 bits and in the order
   in which they are read. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "voice.h"

#define HOP 128
#define FRAME (2 * HOP)
#define FRAMES 4
#define BINS (HOP + 1)
#define CONTEXT 64
#define HEARD (4 * HOP + CONTEXT)
#define STATE 128
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
#define VECTORS (SILERO_BLOCK / LANES)

/* What the compiler makes vector instructions of, whatever the processor has. */
typedef float Lanes __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int16_t Stored __attribute__((vector_size(2 * LANES), aligned(2)));
typedef float Frames __attribute__((vector_size(4 * FRAMES)));

/* The same number of each of the four frames. */
typedef struct {
    Frames real, imaginary;
} Complex;

/* e^(i angle) * x, of the angle's cosine and sine. */
static inline Complex turned(Complex x, float cosine, float sine)
{
    return (Complex){x.real * cosine - x.imaginary * sine, x.real * sine + x.imaginary * cosine};
}

/* The Fourier transform of the 128 numbers in `from` (Stockham's), by way of `to`: where it is. */
static const Complex *transformed(const Silero *silero, Complex *from, Complex *to)
{
    for (int half = HOP / 2, stride = 1; half; half /= 2, stride *= 2) {
        for (int place = 0; place < half; place++) {
            const int angle = 2 * place * stride;
            const float cosine = silero->cosines[angle], sine = silero->sines[angle];
            const Complex *low = from + stride * place, *high = low + stride * half;
            Complex *sum = to + 2 * stride * place, *difference = sum + stride;
            for (int n = 0; n < stride; n++) {
                const Complex less = {low[n].real - high[n].real,
                                      low[n].imaginary - high[n].imaginary};
                sum[n].real = low[n].real + high[n].real;
                sum[n].imaginary = low[n].imaginary + high[n].imaginary;
                difference[n] = turned(less, cosine, sine);
            }
        }
        Complex *swapped = from;
        from = to;
        to = swapped;
    }
    return from;
}

/* Four frames of 256 samples, each half over the next one, of a window and its mirror, faded in and
   out: the even samples real, the odd ones imaginary. */
static void frame(const Silero *silero, const int16_t *window, Complex *frames)
{
    int16_t mirrored[HEARD + CONTEXT];
    memcpy(mirrored, window, HEARD * sizeof *window);
    for (int n = 0; n < CONTEXT; n++)
        mirrored[HEARD + n] = window[HEARD - 2 - n];
    for (int n = 0; n < HOP; n++) {
        Complex pair;
        for (int each = 0; each < FRAMES; each++) {
            pair.real[each] = mirrored[HOP * each + 2 * n];
            pair.imaginary[each] = mirrored[HOP * each + 2 * n + 1];
        }
        frames[n].real = pair.real * silero->fade[2 * n];
        frames[n].imaginary = pair.imaginary * silero->fade[2 * n + 1];
    }
}

/* The tilted magnitudes of a window's four frames. */
static void spectrum(const Silero *silero, const int16_t *window, float magnitudes[FRAMES][BINS])
{
    Complex first[HOP], second[HOP];
    frame(silero, window, first);
    const Complex *halves = transformed(silero, first, second);
    for (int bin = 0; bin <= HOP / 2; bin++) {
        /* The transforms of the even and of the odd samples, twice as large as they are. */
        const Complex x = halves[bin], y = halves[(HOP - bin) % HOP];
        const Complex even = {x.real + y.real, x.imaginary - y.imaginary};
        const Complex odd = turned((Complex){x.imaginary + y.imaginary, y.real - x.real},
                                   silero->cosines[bin], silero->sines[bin]);
        const Frames a = even.real + odd.real, b = even.imaginary + odd.imaginary;
        const Frames c = even.real - odd.real, d = even.imaginary - odd.imaginary;
        const Frames low = a * a + b * b, high = c * c + d * d;
        for (int each = 0; each < FRAMES; each++) {
            magnitudes[each][bin] = low[each];
            magnitudes[each][HOP - bin] = high[each];
        }
    }
    for (int each = 0; each < FRAMES; each++)
        for (int bin = 0; bin < BINS; bin++)
            magnitudes[each][bin] = sqrtf(magnitudes[each][bin]) * silero->tilt[bin];
}

/* `rows` rows (at most FRAMES) of inputs, each `step` after the one before, to as many rows of
   outputs. Inlined, so that the sums of a known number of rows stay in registers. */
__attribute__((always_inline)) static inline void
apply(const Layer *layer, const int rows, const float *inputs, int step, float *outputs)
{
    const int16_t *weights = layer->weights;
    for (int block = 0; block < layer->outputs; block += SILERO_BLOCK) {
        Lanes sums[FRAMES][VECTORS] = {0};
        for (int input = 0; input < layer->inputs; input++, weights += SILERO_BLOCK)
            for (int vector = 0; vector < VECTORS; vector++) {
                const Stored stored = *(const Stored *)(weights + LANES * vector);
                const Lanes weight = __builtin_convertvector(stored, Lanes);
                for (int row = 0; row < rows; row++)
                    sums[row][vector] += inputs[step * row + input] * weight;
            }
        for (int row = 0; row < rows; row++)
            for (int vector = 0; vector < VECTORS; vector++) {
                const int output = block + LANES * vector;
                const Lanes scales = *(const Lanes *)(layer->scales + output);
                const Lanes biases = *(const Lanes *)(layer->biases + output);
                *(Lanes *)(outputs + layer->outputs * row + output) =
                    sums[row][vector] * scales + biases;
            }
    }
}

static void rectify(float *x, int count)
{
    for (int n = 0; n < count; n++)
        x[n] = x[n] > 0 ? x[n] : 0;
}

/* What is heard in a window, (128,): four convolutions of three taps over the steps of time, of
   which there are 4, then 2, then 1. Silence stands before the first and after the last. */
static void encode(const Silero *silero, const int16_t *window, float *heard)
{
    float spectra[FRAMES + 2][BINS] = {0}, steps[1 + FRAMES][128] = {0}, pair[2][64], last[64];
    spectrum(silero, window, spectra + 1);
    apply(&silero->encoder[0], FRAMES, spectra[0], BINS, steps[1]);
    rectify(steps[1], FRAMES * 128);
    apply(&silero->encoder[1], 2, steps[0], 2 * 128, pair[0]);
    rectify(pair[0], 2 * 64);
    apply(&silero->encoder[2], 1, pair[0], 0, last);
    rectify(last, 64);
    apply(&silero->encoder[3], 1, last, 0, heard);
    rectify(heard, STATE);
}

/* e^x to seven digits, without a branch: 2^n times the exponential series' first terms, as adjusted
   by Cephes' expf. */
static inline float exponential(float x)
{
    x = x < -87 ? -87 : x > 87 ? 87 : x;
    const float rounding = 12582912; /* 1.5 * 2^23: all that is added to it becomes whole */
    const float n = (x * 1.44269504f + rounding) - rounding;
    const float rest = x - n * 0.693359375f + n * 2.12194440e-4f;
    float series = 1.9875691500e-4f;
    series = series * rest + 1.3981999507e-3f;
    series = series * rest + 8.3334519073e-3f;
    series = series * rest + 4.1665795894e-2f;
    series = series * rest + 1.6666665459e-1f;
    series = series * rest + 5.0000001201e-1f;
    series = series * rest * rest + rest + 1;
    const union { int32_t bits; float value; } power = {((int32_t)n + 127) * (1 << 23)};
    return series * power.value;
}

static inline float sigmoid(float x)
{
    return 1 / (1 + exponential(-x));
}

static inline float tangent(float x)
{
    return 2 * sigmoid(2 * x) - 1;
}

/* One step of the LSTM, by its gates, (512,); `memory` goes on. */
static void remember(const float *gates, Memory *memory)
{
    const float *in = gates, *out = in + STATE, *keep = out + STATE, *new = keep + STATE;
    for (int n = 0; n < STATE; n++) {
        memory->cell[n] = sigmoid(keep[n]) * memory->cell[n] + sigmoid(in[n]) * tangent(new[n]);
        memory->hidden[n] = sigmoid(out[n]) * tangent(memory->cell[n]);
    }
}

float silero_judge(const Silero *silero, Memory *memory, const int16_t *window)
{
    float inputs[2 * STATE], gates[4 * STATE];
    encode(silero, window, inputs);
    memcpy(inputs + STATE, memory->hidden, sizeof memory->hidden);
    apply(&silero->recurrent, 1, inputs, 0, gates);
    remember(gates, memory);
    float sum = silero->head[STATE];
    for (int n = 0; n < STATE; n++)
        sum += memory->hidden[n] > 0 ? memory->hidden[n] * silero->head[n] : 0;
    return sigmoid(sum);
}
