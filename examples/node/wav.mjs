/** WAV files of one channel of 16-bit samples. */

import { readFile, writeFile } from "node:fs/promises";

/**
 * @param {string} path
 * @param {number} rate that is wanted, in Hz
 * @returns {Promise<Int16Array>}
 */
export async function read(path, rate) {
  const file = await readFile(path);
  const format = file.indexOf("fmt ") + 8;
  const shape = [file.readUInt16LE(format + 2), file.readUInt32LE(format + 4), file.readUInt16LE(format + 14)];
  if (String(shape) !== String([1, rate, 16])) {
    throw new Error(`${path} is not 16-bit mono: sox in.wav -r ${rate} -c 1 -b 16 ${path}`);
  }
  const data = file.indexOf("data", format) + 8;
  const bytes = file.subarray(data, data + file.readUInt32LE(data - 4));
  return new Int16Array(new Uint8Array(bytes).buffer, 0, bytes.length >> 1);
}

/**
 * @param {string} path
 * @param {number} rate
 * @param {Buffer[]} pieces of 16-bit samples
 */
export async function write(path, rate, pieces) {
  const sound = Buffer.concat(pieces);
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + sound.length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20); // PCM
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36);
  head.writeUInt32LE(sound.length, 40);
  await writeFile(path, Buffer.concat([head, sound]));
}
