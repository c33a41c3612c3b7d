// The side panel: what the selection is, over time, why it was refused, its lines of the log, and the command for it.

const LISTED = 50;

/** What every colour, width and sign means. */
function legend(state) {
  const key = (kind, name, text) => html("li", {},
    svg("svg", { class: "ztmap", width: 36, height: 14, "aria-hidden": "true" },
      svg("g", { class: `edge ${kind} ${name}` }, svg("path", { class: "line", d: "M1 7H28", "stroke-width": 3 }), svg("polygon", { class: "tip", points: "35,7 27,2.500 27,11.500" }))), text);
  const sign = (one, text) => html("li", {}, svg("svg", { class: "ztmap", width: 36, height: 24, viewBox: "-18 -12 36 24", "aria-hidden": "true" }, drawn(one)), text);
  const link = (encryption, bad) => ({ encryption, bad });
  const kinds = KINDS[state.colour].map(([, name, text]) => key(state.colour, name, text));
  if (state.colour !== "outcome") kinds.push(key(state.colour, "mixed", "more than one of these"));
  return html("section", { class: "legend" }, html("h2", {}, "Legend"),
    html("p", {}, "Colour"), html("ul", {}, ...kinds),
    html("p", {}, "Signs"), html("ul", {},
      sign(drawLock(link(MTLS, 0), [0, 0]), `mTLS (drawn up to ${MOST_LOCKS} lines)`), sign(drawLock(link(WAYPOINT, 0), [0, 0]), "mTLS to a waypoint"),
      sign(drawLock(link(PLAINTEXT, 0), [0, 0]), "plaintext"), sign(drawLock(link(PLAINTEXT_REFUSED, 0), [0, 0]), "plaintext that a policy refused"),
      sign(drawLock(link(LEFT_MESH, 0), [0, 0]), "left the mesh: no workload of the cluster is known there"),
      sign(drawLock(link(MTLS | PLAINTEXT, 0), [0, 0]), "some of each (likewise)"),
      sign(drawBadge(link(0, 12), [0, 0]), "how many were denied or failed")),
    state.view === "matrix" ? html("p", {}, "A row calls a column; the deeper a cell's colour, the more. A red corner: some were denied or failed.") : null,
    html("p", {}, `Thickness: ${state.measure === "bytes" ? "bytes, request and response" : "connections"}, one step a power of ten.`),
    html("p", { class: "keys" }, "Keys: / search · Enter select, again opens · F focus · M matrix · + − 0 zoom · arrows move · T theme · Esc back"));
}

/** The panel for a selection. */
function panelFor(selection, weights, state, act) {
  const { mask, chosen } = edgesOf(selection, weights);
  const present = chosen.filter((edge) => !isGone(edge)), gone = chosen.filter(isGone);
  const sum = (column) => present.reduce((total, edge) => total + column[edge], 0);
  const parts = [html("h2", {}, selection.title)];
  if (selection.facts) parts.push(html("p", { class: "facts" }, selection.facts));
  const actions = selection.actions.map(([text, what]) => html("button", { type: "button", "data-action": what, onclick: () => act(what, selection) }, text));
  parts.push(html("p", { class: "actions" }, ...actions, html("button", { type: "button", "data-action": "close", onclick: () => act("close") }, "Close")));
  const weight = (edges) => edges.reduce((total, edge) => total + weights.flows[edge], 0);
  const rows = [["connections", count(weight(present))]];
  if (KINDS.change && chosen.length) rows.push(["change", wordsOf("change", chosen.reduce((mask, edge) => mask | EDGES.change[edge], 0))]);
  if (gone.length) rows.push(["before, and gone now", count(weight(gone))]);
  if (state.partly) rows.push(["in the whole capture", count(sum(EDGES.flows))]);
  rows.push(["request", bytesText(sum(EDGES.request_bytes))], ["response", bytesText(sum(EDGES.response_bytes))]);
  if (sum(EDGES.bytes_unknown)) rows.push(["bytes unknown for", count(sum(EDGES.bytes_unknown))]);
  const longest = present.map((edge) => EDGES.duration_max_ms[edge]).filter((ms) => typeof ms === "number");
  if (present.length === 1 && longest.length) {
    rows.push(["duration median", durationText(EDGES.duration_p50_ms[present[0]])], ["duration p95", durationText(EDGES.duration_p95_ms[present[0]])]);
  }
  if (longest.length) rows.push(["longest", durationText(longest.reduce((a, b) => Math.max(a, b)))]);
  const told = [["same node", "same_node"], ["cross node", "cross_node"], ["node unknown", "locality_unknown"], ["cross zone", "cross_zone"],
    ["denied", "denied"], ["failed", "failed"], ["outcome unknown", "verdict_unknown"], ["plaintext", "plaintext"],
    ["plaintext refused", "plaintext_refused"], ["left the mesh", "left_mesh"], ["encryption unknown", "mtls_unknown"]];
  for (const [text, name] of told) { const total = sum(EDGES[name]); if (total) rows.push([text, count(total)]); }
  const paths = new Map();
  for (const edge of chosen) { const path = EDGES.path.of(edge) ?? "unknown"; paths.set(path, (paths.get(path) || 0) + weights.flows[edge]); }
  if (chosen.length) rows.push(["path", [...paths].sort((a, b) => b[1] - a[1]).map(([path, some]) => (paths.size > 1 ? `${path} ${count(some)}` : path)).join(", ")]);
  parts.push(html("table", { class: "figures" }, ...rows.map(([name, value]) => html("tr", {}, html("th", {}, name), html("td", {}, value)))));
  if (TIME && present.length) parts.push(sparkline(mask));
  parts.push(...peers(selection, chosen, weights, act), ...refusals(mask));
  if (present.length) parts.push(command(selection, state), ...samples(mask));
  return html("div", { class: "selection" }, ...parts.filter(Boolean));
}

function sparkline(mask) {
  const counts = overTime(CELLS, mask), bad = overTime(BAD_CELLS, mask);
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  return html("figure", {}, svg("svg", { class: "spark", viewBox: "0 0 300 44", preserveAspectRatio: "none", role: "img", "aria-label": "connections over time" },
    svg("path", { class: "all", d: bars(counts, 300, 44, most) }), svg("path", { class: "bad", d: bars(bad, 300, 44, most) })),
  html("figcaption", {}, `at most ${several(most, "connection")} in ${durationText(Math.round(TIME.span / TIME.steps / 1000))}; red: denied or failed`));
}

/** The busiest edges of the selection, each to be chosen. */
function peers(selection, chosen, weights, act) {
  if (chosen.length < 2) return [];
  const ranked = [...chosen].sort((a, b) => weights.flows[b] - weights.flows[a]);
  const items = ranked.slice(0, 12).map((edge) => html("li", {}, html("button", { type: "button", class: "edge-of", onclick: () => act("edge", edge) },
    `${VERTICES.id[EDGES.source[edge]]} → ${VERTICES.id[EDGES.target[edge]]}`), ` ${count(weights.flows[edge])}${EDGES.bad[edge] ? `, ${count(EDGES.bad[edge])} refused` : ""}${isGone(edge) ? ", gone" : ""}`));
  const more = ranked.length - items.length;
  return [html("h3", {}, `${count(ranked.length)} edges`), html("ul", { class: "peers" }, ...items), more > 0 ? html("p", {}, `… and ${count(more)} more: see the table`) : null];
}

function refusals(mask) {
  if (!REFUSALS) return [];
  const found = new Map();
  REFUSALS.edge.forEach((edge, i) => {
    if (!mask[edge]) return;
    const policy = REFUSALS.policy.of(i);
    const text = (REFUSALS.error_class.of(i) ?? "no class").replace(/_/g, " ") + (policy ? ` by ${policy}` : "");
    found.set(text, (found.get(text) || 0) + REFUSALS.flows[i]);
  });
  if (!found.size) return [];
  const ranked = [...found].sort((a, b) => b[1] - a[1]).slice(0, 12);
  return [html("h3", {}, "Refused"), html("ul", { class: "refusals" }, ...ranked.map(([text, some]) => html("li", {}, `${count(some)}  ${text}`)))];
}

function samples(mask) {
  if (!SAMPLES) return [];
  const own = [];
  SAMPLES.edge.forEach((edge, i) => { if (mask[edge] && own.length < 8) own.push(i); });
  if (!own.length) return [html("h3", {}, "Connections"), html("p", {}, "None is kept in this page; the command lists them.")];
  return [html("h3", {}, "Connections"), ...own.map((i, number) => {
    const place = ["outbound", "inbound"].map((side) => (SAMPLES[`${side}_file`].of(i) === null ? null
      : `${SAMPLES[`${side}_file`].of(i)}:${SAMPLES[`${side}_line`][i]}`)).filter(Boolean);
    const about = [SAMPLES.time[i] === null ? null : timeText(SAMPLES.time[i] * 1000, 3), SAMPLES.verdict.of(i), SAMPLES.error_class.of(i),
      SAMPLES.duration_ms[i] === null ? null : durationText(SAMPLES.duration_ms[i]),
      SAMPLES.request_bytes[i] === null ? null : `${bytesText(SAMPLES.request_bytes[i])} / ${bytesText(SAMPLES.response_bytes[i] ?? 0)}`].filter(Boolean);
    return html("details", { class: "sample", open: number === 0 }, html("summary", {}, about.join(" · ")),
      ...place.map((where) => html("p", { class: "place" }, where)),
      ...SAMPLES.shown[i].map((line) => html("pre", {}, SAMPLES.lines[line])));
  })];
}
