/** Keeps the end of the conversation in sight, unless the reader has gone back to read. */

/**
 * @param {HTMLElement} end the last thing of the conversation
 * @returns {() => void} to be called after each change
 */
export function followEnd(end) {
  let isReadingEnd = true;
  new IntersectionObserver(([{ isIntersecting }]) => (isReadingEnd = isIntersecting), {
    rootMargin: "160px",
  }).observe(end);
  const follow = () => {
    if (isReadingEnd) end.scrollIntoView({ block: "nearest" });
  };
  // A notice above makes the conversation smaller, where it scrolls by itself.
  const box = end.parentElement;
  if (box) {
    new ResizeObserver(() => {
      if (box.scrollHeight > box.clientHeight) follow();
    }).observe(box);
  }
  return follow;
}
