// The command that lists the connections of a selection.

const OPTIONS = { pod: "pod", workload: "workload", service: "service", namespace: "namespace", identity: "identity", node: "node", address: "ip" };

/** An option of the command line that chooses an end; null where none can. */
function endOption(side, end) {
  if (!end || end.rest || /^(\(|no single )|\\u\{/.test(end.name)) return null;
  const kind = end.leaf >= 0 && VERTICES.kind.of(end.leaf) === "address" ? "address" : end.level === "service" && side !== "to" ? "workload" : end.level;
  if (kind === "zone" || kind === "cluster") {
    const test = (which) => `${which}_${kind} == ${JSON.stringify(end.name)}`;
    return `--filter ${shellWord(side === "" ? `${test("src")} or ${test("dst")}` : test(side === "from" ? "src" : "dst"))}`;
  }
  return OPTIONS[kind] ? `--${side ? `${side}-` : ""}${OPTIONS[kind]} ${shellWord(end.name)}` : null;
}

// What a filter's kinds mean of one connection, as the command line's --filter says it.
const NAMELESS = "dst_pod == null and dst_name == null and paired == outbound_only";
const TESTS = {
  mtls: "mtls == true and path != waypoint", waypoint: "mtls == true and path == waypoint",
  plaintext: `mtls == false and verdict != denied and not (${NAMELESS})`, plaintext_refused: "mtls == false and verdict == denied",
  left_mesh: `mtls == false and verdict != denied and ${NAMELESS}`, untold: "mtls == null",
  same_node: "locality == same_node", cross_node: "locality == cross_node and zone_locality != cross_zone", cross_zone: "zone_locality == cross_zone",
  unknown: "locality != same_node and locality != cross_node and zone_locality != cross_zone",
  fine: "verdict != denied and verdict != failed", denied: "verdict == denied", failed: "verdict == failed",
};

/** An option for each kind of filter that leaves something out: what changed since another capture is nothing to ask of this one. */
function kindOptions(state) {
  return Object.entries(FOUND).filter(([kind]) => kind !== "change").flatMap(([kind, found]) => {
    const shown = found.filter(([bit]) => state.shown[kind] & bit);
    return shown.length && shown.length < found.length ? [`--filter ${shellWord(shown.map(([, name]) => `(${TESTS[name]})`).join(" or "))}`] : [];
  });
}

/** The command that lists the connections of a selection. */
function commandText(selection, state) {
  const words = ["ztflow flows", ...(DATA.inputs && DATA.inputs.length ? DATA.inputs.map(shellWord) : ["LOGS"])];
  const ends = selection.ends.map(([side, end]) => endOption(side, end));
  if (ends.includes(null)) return null;
  words.push(...ends);
  words.push(...kindOptions(state));
  if (state.partly) words.push(`--since ${timeText(stepTime(state.from), 6)} --until ${timeText(stepTime(state.to + 1) - 1, 6)}${TIME.timeless ? " --filter 'end != null'" : ""}`);
  return words.join(" ");
}

function command(selection, state) {
  const text = commandText(selection, state);
  if (text === null) return html("p", { class: "command" }, "No option of the command line chooses exactly this.");
  const field = html("input", { class: "copy", readonly: true, value: text, "aria-label": "command for this selection", onfocus: (event) => event.target.select() });
  const button = html("button", { type: "button", onclick: () => { field.select(); document.execCommand("copy"); button.textContent = "Copied"; } }, "Copy");
  const note = kindOptions(state).length ? html("p", {}, "The filters of the map leave out whole edges; the command also leaves out connections of other kinds on these edges.") : null;
  return html("section", { class: "command" }, html("h3", {}, "Command"), field, button, note);
}
