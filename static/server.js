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
 */

import { recall, remember } from "./i18n.js";
import { RealtimeError, ask } from "./realtime.js";

/** What a client secret begins with: a key for a while, made from an API key. */
const SECRET = "ek_";

/** Seconds for which a client secret is asked to be good: the longest. */
const LASTING = 7200;

/** The server of the page's calls. `address`: empty for the one that the page comes from. */
export class Server {
  address = recall("address") ?? "";
  /** A client secret. An API key is exchanged for one, and not kept. */
  key = recall("key") ?? "";

  /**
   * Another server or key, from now on and in later visits. Raises RealtimeError when the server
   * refuses the key; then nothing has changed.
   * @param {{address: string, key: string}} choice
   */
  async choose({ address, key }) {
    const chosen = { address: address.trim(), key: key.trim() };
    if (chosen.key && !chosen.key.startsWith(SECRET)) {
      chosen.key = await exchange(chosen.address, chosen.key);
    }
    this.address = chosen.address;
    this.key = chosen.key;
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
      return {
        languages: [],
        default_language: "",
        stages: [],
        ...(await told.json()),
      };
    } catch (error) {
      const isOther = error instanceof RealtimeError && error.kind === "unknown";
      if (isOther && this.address) return null;
      throw error;
    }
  }
}

/**
 * A client secret for an API key.
 * @param {string} address
 * @param {string} key
 * @returns {Promise<string>}
 */
async function exchange(address, key) {
  const headers = { "Content-Type": "application/json" };
  const session = { type: "realtime" };
  const wish = { session, expires_after: { anchor: "created_at", seconds: LASTING } };
  const request = { method: "POST", headers, body: JSON.stringify(wish), key };
  const answer = await ask(address, "v1/realtime/client_secrets", request);
  return (await answer.json()).value;
}

/** A key that came with the page's address, as `#key=…`: it is taken out of there. */
export function keyOfAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const key = given.get("key");
  if (key === null) return null;
  given.delete("key");
  const rest = given.size ? `#${given}` : "";
  history.replaceState(null, "", location.pathname + location.search + rest);
  return key;
}
