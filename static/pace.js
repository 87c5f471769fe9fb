/** When each word of a sentence is spoken, as well as its length can tell. */

/** A word costs its letters and this much more, for the breath between words. */
const BREATH = 1.5;

/** Letters' worth of the pause after a comma or a full stop inside a sentence. */
const PAUSE = 4;

/**
 * The words of `text`, each with the seconds after its beginning at which it is heard, when the
 * whole lasts `seconds`. Words keep the space that follows them.
 * @param {string} text
 * @param {number} seconds
 * @returns {{word: string, at: number}[]}
 */
export function pace(text, seconds) {
  const words = text.match(/\S+\s*/g) ?? [];
  const weights = words.map(weight);
  const total = weights.reduce((sum, each) => sum + each, 0);
  let before = 0;
  return words.map((word, index) => {
    const at = (before / total) * seconds;
    before += weights[index];
    return { word, at };
  });
}

/**
 * How long a word lasts beside the others. A syllable block of Hangul or a CJK character takes
 * about as long as two and a half Latin letters.
 * @param {string} word
 */
function weight(word) {
  const bare = word.trim();
  const blocks = bare.match(/[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]/g)?.length ?? 0;
  const pause = /[,.;:!?…、。]$/.test(bare) ? PAUSE : 0;
  return bare.length + 1.5 * blocks + pause + BREATH;
}
