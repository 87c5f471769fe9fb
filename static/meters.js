/** How loud a stream is, for the eye: 0 (silence) to 1 (as loud as speech gets). */

/** Decibels below full scale that read as silence, and as a full meter. */
const QUIET = -58;
const LOUD = -14;

/** What is kept of a level each look while it falls: needles fall slower than they rise. */
const FALL = 0.86;

/** One audio context for the page's meters. Firefox without a device never resumes one, so
 * nothing here waits for it: the meters then rest at zero and the call goes on. */
export class Meters {
  /** @type {AudioContext | null} */
  #context = null;

  /** Call it in a press of the visitor's, or the browser keeps the context suspended. */
  wake() {
    this.#context ??= new AudioContext();
    void this.#context.resume().catch(() => undefined);
  }

  /**
   * @param {MediaStream} stream
   */
  of(stream) {
    this.wake();
    return new Meter(/** @type {AudioContext} */ (this.#context), stream);
  }
}

export class Meter {
  #source;
  #analyser;
  #samples;
  #level = 0;

  /**
   * @param {AudioContext} context
   * @param {MediaStream} stream
   */
  constructor(context, stream) {
    this.#analyser = new AnalyserNode(context, { fftSize: 1024 });
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#source = context.createMediaStreamSource(stream);
    this.#source.connect(this.#analyser);
  }

  /** The level now, 0 to 1. */
  level() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    this.#level = Math.max(loudness(this.#samples), this.#level * FALL);
    return this.#level;
  }

  close() {
    this.#source.disconnect();
  }
}

/**
 * The root mean square of samples in -1..1, on a decibel scale drawn to 0..1.
 * @param {Float32Array} samples
 */
export function loudness(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / samples.length + 1e-12);
  return Math.min(1, Math.max(0, (decibels - QUIET) / (LOUD - QUIET)));
}
