/**
 * The drum: the picture of the call.
 *
 * Nails round its rim are the two level meters, the caller's climbing the left side and the
 * agent's the right. The three lobes of its taegeuk are the three stages: blue hears, yellow
 * thinks, red speaks. What lights which lobe is in stage.css, by `body[data-phase]`.
 */

const SVG = "http://www.w3.org/2000/svg";

/** Nails on each side. */
const NAILS = 17;

/** Radius of the ring of nails, and of the taegeuk. */
const RING = 157;
const TAEGEUK = 84;

/** Levels are told to assistive technology this often: milliseconds. */
const TOLD_EVERY = 500;

export class Drum {
  #svg;
  #sides;
  #shout;
  #toldAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silence;

  /**
   * @param {{svg: SVGSVGElement, you: HTMLElement, agent: HTMLElement, shout: HTMLElement}} parts
   */
  constructor({ svg, you, agent, shout }) {
    this.#svg = svg;
    this.#shout = shout;
    const ring = /** @type {SVGGElement} */ (svg.querySelector(".nails"));
    this.#sides = {
      you: { meter: you, nails: nails(ring, "you"), lit: 0 },
      agent: { meter: agent, nails: nails(ring, "agent"), lit: 0 },
    };
    drawLobes(/** @type {SVGGElement} */ (svg.querySelector(".lobes")));
  }

  /**
   * Shows both levels, each 0 to 1.
   * @param {{you: number, agent: number}} levels
   */
  show(levels) {
    for (const side of /** @type {const} */ (["you", "agent"])) this.#light(side, levels[side]);
    this.#svg.style.setProperty("--you", levels.you.toFixed(2));
    this.#svg.style.setProperty("--agent", levels.agent.toFixed(2));
    const now = performance.now();
    if (now - this.#toldAt < TOLD_EVERY) return;
    this.#toldAt = now;
    for (const side of /** @type {const} */ (["you", "agent"])) this.#tell(side, levels[side]);
  }

  /** Calls out beside the drum, as a drummer does to begin. */
  shout() {
    this.#shout.classList.add("loud");
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#shout.classList.remove("loud"), 1600);
  }

  /**
   * @param {"you" | "agent"} name
   * @param {number} level
   */
  #light(name, level) {
    const side = this.#sides[name];
    const lit = Math.round(level * NAILS);
    if (lit === side.lit) return;
    side.nails.forEach((nail, index) => nail.classList.toggle("lit", index < lit));
    side.lit = lit;
  }

  /**
   * @param {"you" | "agent"} name
   * @param {number} level
   */
  #tell(name, level) {
    this.#sides[name].meter.setAttribute("aria-valuenow", String(Math.round(level * 100)));
  }
}

/**
 * Half a ring of nails, from the bottom up.
 * @param {SVGGElement} ring
 * @param {"you" | "agent"} side
 */
function nails(ring, side) {
  const direction = side === "you" ? 1 : -1;
  return Array.from({ length: NAILS }, (_, index) => {
    const angle = Math.PI / 2 + direction * Math.PI * ((index + 0.5) / NAILS);
    const nail = document.createElementNS(SVG, "circle");
    nail.setAttribute("class", side);
    nail.setAttribute("cx", (RING * Math.cos(angle)).toFixed(2));
    nail.setAttribute("cy", (RING * Math.sin(angle)).toFixed(2));
    nail.setAttribute("r", "5.2");
    return ring.appendChild(nail);
  });
}

/**
 * Three commas chasing each other: each leaves the centre by a half circle, follows the rim for a
 * third of a turn and comes back by the next half circle.
 * @param {SVGGElement} group
 */
function drawLobes(group) {
  ["hears", "thinks", "speaks"].forEach((stage, index) => {
    const half = TAEGEUK / 2;
    const [from, to] = [rim(index), rim(index + 1)];
    const lobe = document.createElementNS(SVG, "path");
    lobe.setAttribute("class", stage);
    lobe.setAttribute(
      "d",
      `M0 0A${half} ${half} 0 0 1 ${from}A${TAEGEUK} ${TAEGEUK} 0 0 1 ${to}` +
        `A${half} ${half} 0 0 0 0 0Z`,
    );
    group.append(lobe);
  });
}

/**
 * The point of the taegeuk's rim at so many thirds of a turn.
 * @param {number} thirds
 */
function rim(thirds) {
  const angle = (2 * Math.PI * thirds) / 3 - Math.PI / 2;
  return `${(TAEGEUK * Math.cos(angle)).toFixed(2)} ${(TAEGEUK * Math.sin(angle)).toFixed(2)}`;
}
