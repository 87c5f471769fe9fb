/**
 * The server's HTTP side: what it is, taking an offer, freeing a call.
 *
 * Addresses are relative, so the page also works below a reverse proxy's prefix.
 */

/**
 * @typedef {object} Stage  One of the three engines, as `/info` and `call.started` report it.
 * @property {"stt" | "llm" | "tts"} stage
 * @property {string} engine
 * @property {string | null} [model]
 * @property {string | null} [why]
 * @property {string | string[] | null} [missing]
 * @property {string | null} [mend]
 */

/**
 * @typedef {object} Info
 * @property {{code: string, name: string}[]} languages
 * @property {string} default_language
 * @property {Stage[]} stages
 * @property {RTCIceServer[]} ice_servers
 */

/**
 * @typedef {object} Answer
 * @property {"answer"} type
 * @property {string} sdp
 * @property {string} call_id
 * @property {string} [resume_token]
 * @property {number} [resume_within] seconds that the call is kept when its connection broke
 */

/** Seconds until an unanswered request counts as an unreachable server. */
const PATIENCE = 20;

/** Seconds to wait when a busy server does not say how long. */
const USUAL_WAIT = 5;

/** The server could not be asked, or said no. */
export class ServerError extends Error {
  /**
   * @param {"unreachable" | "busy" | "declined"} kind
   * @param {string} message fit for a person
   * @param {number} [retryAfter] seconds, of `busy`
   */
  constructor(kind, message, retryAfter = USUAL_WAIT) {
    super(message);
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

/** @returns {Promise<Info>} */
export async function info() {
  const told = await (await ask("info", { cache: "no-store" })).json();
  return { languages: [], default_language: "", stages: [], ice_servers: [], ...told };
}

/**
 * Posts an offer; the answer carries the call's id.
 * @param {{sdp: string, language: string}} offer
 * @returns {Promise<Answer>}
 */
export async function answer({ sdp, language }) {
  return offer({ sdp, ...(language ? { language } : {}) }, PATIENCE * 1000);
}

/**
 * Posts an offer that goes on in a call; `received` is how many of its control messages have come.
 * @param {{sdp: string, callId: string, token: string, received: number}} offered
 * @param {number} milliseconds that the server may take
 * @returns {Promise<Answer>}
 */
export async function resume({ sdp, callId, token, received }, milliseconds) {
  return offer({ sdp, call_id: callId, resume_token: token, received }, milliseconds);
}

/**
 * @param {object} fields
 * @param {number} milliseconds
 */
async function offer(fields, milliseconds) {
  const body = JSON.stringify({ type: "offer", ...fields });
  const headers = { "Content-Type": "application/json" };
  return (await ask("offer", { method: "POST", headers, body }, milliseconds)).json();
}

/**
 * Frees a call. Outlives the page (`keepalive`), and never fails: a server that cannot be
 * reached notices the closed connection by itself.
 * @param {string} callId
 */
export async function free(callId) {
  const address = `calls/${encodeURIComponent(callId)}`;
  await fetch(address, { method: "DELETE", keepalive: true }).catch(() => undefined);
}

/**
 * @param {string} address
 * @param {RequestInit} request
 * @param {number} [milliseconds]
 */
async function ask(address, request, milliseconds = PATIENCE * 1000) {
  let response;
  try {
    response = await fetch(address, { ...request, signal: AbortSignal.timeout(milliseconds) });
  } catch (cause) {
    throw new ServerError("unreachable", String(cause));
  }
  if (response.ok) return response;
  const message = await complaint(response);
  if (response.status !== 503) throw new ServerError("declined", message);
  throw new ServerError("busy", message, wait(response.headers.get("Retry-After")));
}

/**
 * What the server gives as its reason.
 * @param {Response} response
 */
async function complaint(response) {
  const plain = `${response.status} ${response.statusText}`.trim();
  try {
    return String((await response.json()).error.message || plain);
  } catch {
    return plain; // A proxy's error page, not ours.
  }
}

/**
 * Seconds of a Retry-After header (RFC 9110, 10.2.3: seconds or a date), between 1 and 120.
 * @param {string | null} header
 */
export function wait(header) {
  if (!header) return USUAL_WAIT;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? USUAL_WAIT : Math.min(120, Math.max(1, Math.ceil(seconds)));
}
