/**
 * Which engine serves each stage, what is missing, and the command that mends it.
 *
 * @typedef {import("./server.js").Stage} Stage
 * @typedef {import("./i18n.js").Words} Words
 */

/**
 * Fills `list` with one entry per stage.
 * @param {HTMLElement} list
 * @param {Stage[]} stages
 * @param {Words} words
 */
export function showEngines(list, stages, words) {
  if (stages.length) list.replaceChildren(...stages.map((stage) => entry(stage, words)));
  else list.replaceChildren(words.write(document.createElement("li"), "engines-unknown"));
}

/**
 * @param {Stage} stage
 * @param {Words} words
 */
function entry(stage, words) {
  const item = document.createElement("li");
  item.className = `engine ${stage.stage}`;
  item.append(words.write(part("task"), `engine-${stage.stage}`), part("name", stage.engine));
  if (stage.model) item.append(part("model", stage.model));
  const missing = [stage.missing ?? []].flat().filter(Boolean).join(", ");
  if (missing) item.append(shortage(stage, missing, words));
  else if (stage.why) item.append(words.write(part("why"), "engine-why", { why: stage.why }));
  return item;
}

/**
 * @param {Stage} stage
 * @param {string} missing
 * @param {Words} words
 */
function shortage(stage, missing, words) {
  const box = document.createElement("div");
  box.className = "missing";
  box.append(words.write(document.createElement("p"), "engine-missing", { missing }));
  box.append(
    words.write(document.createElement("p"), "engine-instead", { engine: stage.engine }),
  );
  if (stage.mend) {
    box.append(words.write(document.createElement("p"), "mend"));
    box.appendChild(document.createElement("code")).textContent = stage.mend;
  }
  return box;
}

/**
 * @param {string} name
 * @param {string} [text]
 */
function part(name, text = "") {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}
