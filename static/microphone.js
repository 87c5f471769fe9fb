/** The caller's microphone: opening it, choosing one, and why it would not open. */

/** @typedef {"insecure" | "refused" | "none" | "taken"} Refusal */

/** The microphone did not open; `kind` says why. */
export class MicrophoneError extends Error {
  /**
   * @param {Refusal} kind
   * @param {unknown} [cause]
   */
  constructor(kind, cause) {
    super(`no microphone: ${kind}`, { cause });
    this.kind = kind;
  }
}

/** @type {Record<string, Refusal>} DOMException names of getUserMedia (W3C Media Capture). */
const REFUSALS = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "none",
  OverconstrainedError: "none",
};

/** Browsers hide the microphone from pages that are neither https nor localhost. */
export function isReachable() {
  return Boolean(window.isSecureContext && navigator.mediaDevices?.getUserMedia);
}

/**
 * Opens a microphone with the browser's echo canceller, noise suppression and gain control on:
 * the agent must not hear itself.
 * @param {string} deviceId the wished-for one; "" for the browser's choice
 */
export async function open(deviceId) {
  if (!isReachable()) throw new MicrophoneError("insecure");
  /** @type {MediaTrackConstraints} */
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  // A wish, not a demand: a microphone remembered from another day may be gone.
  if (deviceId) audio.deviceId = { ideal: deviceId };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (cause) {
    const name = cause instanceof Error ? cause.name : "";
    throw new MicrophoneError(REFUSALS[name] ?? "taken", cause);
  }
}

/** The microphones there are. Their labels are empty until one was opened. */
export async function list() {
  if (!isReachable()) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "audioinput" && device.deviceId);
}

/**
 * Calls back when one is plugged in or out.
 * @param {() => void} callback
 */
export function watch(callback) {
  navigator.mediaDevices?.addEventListener("devicechange", callback);
}

/** @param {MediaStream | null} stream */
export function close(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
