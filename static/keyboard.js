/**
 * The page's keys: Enter calls, Space mutes, Escape hangs up.
 *
 * Enter and Space keep their usual meaning on whatever is focused: they are the page's only
 * where nothing else would take them.
 */

/** What takes Enter or Space itself. */
const TAKERS = "button, a, input, select, textarea, summary, [contenteditable]";

/**
 * @param {{call: () => void, mute: () => void, hangUp: () => void}} keys
 */
export function listenToKeys({ call, mute, hangUp }) {
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
    if (document.querySelector("dialog[open]")) return; // Its keys are its own.
    // A list that is open closes by Escape: that one is not for us.
    const isTaken = event.target instanceof Element && event.target.matches(TAKERS);
    if (event.key === "Escape" && !event.defaultPrevented && !isOpenList(event.target)) hangUp();
    if (isTaken) return;
    if (event.key === "Enter") call();
    if (event.key === " ") {
      event.preventDefault(); // The page would scroll.
      mute();
    }
  });
}

/** @param {EventTarget | null} target */
function isOpenList(target) {
  return target instanceof HTMLSelectElement && CSS.supports("selector(:open)")
    ? target.matches(":open")
    : false;
}
