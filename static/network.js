/**
 * Word from the browser that its network is another one now, where it gives any.
 *
 * Desktop browsers tell only that the network is back; phones also tell of Wi-Fi and mobile. A
 * connection may take half a minute to find out by itself.
 */

/** Milliseconds until the new network can be used: addresses come a moment after the news. */
const SETTLING = 300;

/**
 * @param {() => void} onChange
 * @returns {() => void} ends the watch
 */
export function watchNetwork(onChange) {
  /** @type {(EventTarget & {type?: string}) | undefined} */
  const connection = /** @type {any} */ (navigator).connection;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let settling;
  let type = connection?.type;
  const changed = () => {
    clearTimeout(settling);
    settling = setTimeout(onChange, SETTLING);
  };
  const typeChanged = () => {
    // The event also comes when only the estimated speed is another.
    if (connection?.type === type) return;
    type = connection?.type;
    if (type !== "none") changed();
  };
  window.addEventListener("online", changed);
  connection?.addEventListener("change", typeChanged);
  return () => {
    clearTimeout(settling);
    window.removeEventListener("online", changed);
    connection?.removeEventListener("change", typeChanged);
  };
}
