/**
 * Where the time of a turn went, as a small waterfall.
 *
 * Drawn on squares like a jeongganbo, the Korean notation in which a square is a beat; all times
 * are seconds after the caller's last speech.
 *
 * @typedef {"endpoint" | "transcript" | "first_token" | "first_sound" | "audible" | "filler" | "end"}
 *   Moment
 * @typedef {Partial<Record<Moment, number | null>>} Timeline
 * @typedef {{name: string, from: number, to: number}} Step
 * @typedef {import("./i18n.js").Words} Words
 */

/** The chain of work on a reply; each link begins where the one before it ended. */
const CHAIN = /** @type {const} */ (["transcript", "first_token", "first_sound", "audible"]);

/** Widths a square may have, in seconds. */
const SQUARES = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];

/** Squares that fit into the picture at most. */
const MOST_SQUARES = 16;

/**
 * The steps of a turn in the order they are drawn; what did not happen is left out.
 *
 * Work on the transcript begins at the endpoint or, when the reply was prepared during the pause,
 * somewhere inside the pause: it is then drawn from the caller's last speech.
 * @param {Timeline} timeline
 * @returns {Step[]}
 */
export function steps(timeline) {
  const endpoint = timeline.endpoint ?? 0;
  /** @type {Step[]} */
  const drawn = [];
  if (timeline.endpoint != null) drawn.push({ name: "wait", from: 0, to: endpoint });
  let before = (timeline.transcript ?? endpoint) < endpoint ? 0 : endpoint;
  for (const name of CHAIN) {
    const to = timeline[name];
    if (to == null) continue;
    const from = name === "audible" ? Math.max(before, Math.min(endpoint, to)) : before;
    drawn.push({ name, from: Math.min(from, to), to });
    before = Math.max(to, 0);
  }
  return drawn;
}

/**
 * Whether the reply was prepared while the caller paused.
 * @param {Timeline} timeline
 */
function isPrepared({ endpoint, transcript }) {
  return endpoint != null && transcript != null && transcript < endpoint;
}

/**
 * The width of a square, in seconds, so that `seconds` take a readable number of them.
 * @param {number} seconds
 */
export function square(seconds) {
  return SQUARES.find((each) => seconds / each <= MOST_SQUARES) ?? 30;
}

/**
 * The waterfall of a turn: a picture with its one-line reading, and the figures behind it.
 * @param {Timeline} timeline
 * @param {Words} words
 */
export function waterfall(timeline, words) {
  const drawn = steps(timeline);
  const details = document.createElement("details");
  details.className = "waterfall";
  const summary = details.appendChild(document.createElement("summary"));
  summary.append(picture(drawn, timeline.filler ?? null), reading(timeline, words));
  details.append(figures(drawn, timeline, words));
  return details;
}

/**
 * @param {Step[]} drawn
 * @param {number | null} filler
 */
function picture(drawn, filler) {
  const last = length(drawn, filler);
  const cell = square(last);
  const width = Math.ceil(last / cell - 1e-9) * cell;
  const picture = document.createElement("span");
  picture.className = "squares";
  picture.setAttribute("aria-hidden", "true");
  // A span each: as a gradient, Firefox drops lines that fall between two pixels.
  for (let at = cell; at < width - cell / 2; at += cell) mark(picture, "rule", at / width);
  for (const { name, from, to } of drawn) {
    const bar = picture.appendChild(document.createElement("span"));
    bar.className = `bar ${name}`;
    bar.style.marginInlineStart = percent(Math.max(0, from) / width);
    bar.style.width = percent(Math.max(0, to - Math.max(0, from)) / width);
  }
  if (filler != null) mark(picture, "filler", Math.max(0, filler) / width);
  return picture;
}

/**
 * The seconds that a picture must hold.
 * @param {Step[]} drawn
 * @param {number | null} filler
 */
function length(drawn, filler) {
  return Math.max(0.1, filler ?? 0, ...drawn.map(({ to }) => to));
}

/**
 * An upright line at a part of the picture's width.
 * @param {HTMLElement} picture
 * @param {string} name
 * @param {number} part
 */
function mark(picture, name, part) {
  const line = picture.appendChild(document.createElement("span"));
  line.className = `mark ${name}`;
  line.style.insetInlineStart = percent(part);
}

/**
 * @param {Timeline} timeline
 * @param {Words} words
 */
function reading({ audible, filler }, words) {
  const reading = document.createElement("span");
  reading.className = "reading";
  if (audible == null) return words.write(reading, "unanswered");
  const reply = audible.toFixed(2);
  if (filler == null || filler > audible) {
    return words.write(reading, "answered-after", { seconds: reply });
  }
  return words.write(reading, "filled-after", { seconds: filler.toFixed(2), reply });
}

/**
 * @param {Step[]} drawn
 * @param {Timeline} timeline
 * @param {Words} words
 */
function figures(drawn, timeline, words) {
  const box = document.createElement("div");
  box.className = "figures";
  const table = box.appendChild(document.createElement("table"));
  const head = table.createTHead().insertRow();
  for (const key of ["column-step", "column-from", "column-took"]) {
    head.append(words.write(document.createElement("th"), key));
  }
  const body = table.createTBody();
  for (const { name, from, to } of drawn) row(body, name, from, to - from, words);
  if (timeline.filler != null) row(body, "filler", timeline.filler, null, words);
  const seconds = square(length(drawn, timeline.filler ?? null));
  box.append(words.write(document.createElement("p"), "grid-cell", { seconds }));
  if (isPrepared(timeline)) box.append(words.write(document.createElement("p"), "prepared"));
  return box;
}

/**
 * @param {HTMLTableSectionElement} body
 * @param {string} name
 * @param {number} from
 * @param {number | null} took
 * @param {Words} words
 */
function row(body, name, from, took, words) {
  const line = body.insertRow();
  const label = line.appendChild(document.createElement("th"));
  label.scope = "row";
  label.className = `key ${name}`;
  words.write(label.appendChild(document.createElement("span")), `step-${name}`);
  words.write(line.insertCell(), "seconds", { seconds: from.toFixed(2) });
  const cell = line.insertCell();
  if (took != null) words.write(cell, "seconds", { seconds: took.toFixed(2) });
}

/** @param {number} part */
function percent(part) {
  return `${(part * 100).toFixed(3)}%`;
}
