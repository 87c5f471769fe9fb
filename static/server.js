/**
 * Which server the page calls, and what it is asked before a call: what it is, and for a key that
 * is good for one call.
 *
 * Addresses are relative, so the page also works below a reverse proxy's prefix.
 *
 * @typedef {object} Stage  One of the three engines, as `/info` and the call's start report it.
 * @property {"stt" | "llm" | "tts"} stage
 * @property {string} engine
 * @property {string | null} [model]
 * @property {string | null} [why]
 * @property {string | string[] | null} [missing]
 * @property {string | null} [mend]
 *
 * @typedef {object} Info
 * @property {{code: string, name: string}[]} languages
 * @property {string} default_language
 * @property {Stage[]} stages
 * @property {RTCIceServer[]} ice_servers
 */

import { recall, remember } from "./i18n.js";
import { RealtimeError, ask } from "./realtime.js";

/** What a client secret begins with: a key for a while, made from an API key. */
const SECRET = "ek_";

/** Seconds that a client secret must still be good for. */
const MARGIN = 30;

/** The server of the page's calls. `address`: empty for the one that the page comes from. */
export class Server {
  address = recall("address") ?? "";
  key = recall("key") ?? "";
  /** @type {{value: string, expires_at: number} | null} */
  #secret = null;

  /**
   * Another server, from now on and in later visits.
   * @param {{address: string, key: string}} choice
   */
  choose({ address, key }) {
    this.address = address.trim();
    this.key = key.trim();
    this.#secret = null;
    remember("address", this.address);
    remember("key", this.key);
  }

  /**
   * What the server is. Raises RealtimeError. A server of another make tells nothing: null.
   * @returns {Promise<Info | null>}
   */
  async info() {
    try {
      const told = await ask(this.address, "info", { cache: "no-store", key: this.key });
      return { languages: [], default_language: "", stages: [], ice_servers: [], ...(await told.json()) };
    } catch (error) {
      const isOther = error instanceof RealtimeError && error.kind === "unknown";
      if (isOther && this.address) return null;
      throw error;
    }
  }

  /** The key for a call: the API key stays here, the call gets one that ends soon. */
  async callKey() {
    if (!this.key || this.key.startsWith(SECRET)) return this.key;
    if (this.#secret && this.#secret.expires_at > Date.now() / 1000 + MARGIN) {
      return this.#secret.value;
    }
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ session: { type: "realtime" } });
    const request = { method: "POST", headers, body, key: this.key };
    const answer = await ask(this.address, "v1/realtime/client_secrets", request);
    const secret = /** @type {{value: string, expires_at: number}} */ (await answer.json());
    this.#secret = secret;
    return secret.value;
  }
}
