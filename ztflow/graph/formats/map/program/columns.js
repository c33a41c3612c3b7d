// The page's data: columns of JSON → arrays, and what can be said of an edge at once.

/** A column as an array; see `packed` in columns.py. */
function unpack(column) {
  if (column === undefined || Array.isArray(column)) return column || [];
  const values = new Array(column.n).fill(column.most);
  let at = 0;
  column.at.forEach((step, i) => { at += step; values[at] = column.is[i]; });
  return values;
}

/** A column of words: `of(row)` is its text or null. */
function worded(column) {
  const codes = unpack(column && column.codes);
  const words = (column && column.words) || [];
  return { words, codes, of: (row) => (codes[row] >= 0 ? words[codes[row]] : null) };
}

/** Numbers from their steps. */
function summed(steps) {
  let at = 0;
  return steps.map((step) => (at += step));
}

const DATA = JSON.parse(document.getElementById("graph").textContent);
const ABOUT = DATA.about;
const BY = ABOUT.by || "vertex";

const VERTICES = { id: DATA.vertices.id, unknown: unpack(DATA.vertices.unknown), count: DATA.vertices.id.length };
for (const name of ["kind", "namespace", "workload", "workload_from", "node", "zone", "cluster", "identity"]) {
  VERTICES[name] = worded(DATA.vertices[name]);
}
// Workloads of one name in two namespaces are two.
VERTICES.workload = named(VERTICES.id.map((_, vertex) => {
  const [namespace, workload] = [VERTICES.namespace.of(vertex), VERTICES.workload.of(vertex)];
  return namespace !== null && workload !== null ? `${namespace}/${workload}` : workload;
}));

/** Texts as a column of words. */
function named(texts) {
  const words = [...new Set(texts.filter((text) => text !== null))], numbers = new Map(words.map((word, number) => [word, number]));
  const codes = texts.map((text) => (text === null ? -1 : numbers.get(text)));
  return { words, codes, of: (row) => texts[row] };
}

const EDGES = { count: DATA.edges.source.length, path: worded(DATA.edges.path) };
for (const [name, column] of Object.entries(DATA.edges)) if (!["path", "change"].includes(name)) EDGES[name] = unpack(column);
EDGES.bytes = EDGES.request_bytes.map((bytes, edge) => bytes + EDGES.response_bytes[edge]);
EDGES.bad = EDGES.denied.map((denied, edge) => denied + EDGES.failed[edge]);

// What kinds of connections an edge has, one bit a kind.
const MTLS = 1, WAYPOINT = 2, PLAINTEXT = 4, PLAINTEXT_REFUSED = 8, LEFT_MESH = 16, NOT_TOLD = 32;
const ENCRYPTION = [[MTLS, "mtls", "mTLS"], [WAYPOINT, "waypoint", "mTLS to a waypoint"], [PLAINTEXT, "plaintext", "plaintext"],
  [PLAINTEXT_REFUSED, "plaintext_refused", "plaintext refused"], [LEFT_MESH, "left_mesh", "left the mesh"], [NOT_TOLD, "untold", "encryption unknown"]];
const SAME_NODE = 1, CROSS_NODE = 2, CROSS_ZONE = 4, NO_PLACE = 8;
const DISTANCE = [[SAME_NODE, "same_node", "same node"], [CROSS_NODE, "cross_node", "cross node"],
  [CROSS_ZONE, "cross_zone", "cross zone"], [NO_PLACE, "unknown", "node unknown"]];
const FINE = 1, DENIED = 2, FAILED = 4;
const OUTCOME = [[FINE, "fine", "not refused"], [DENIED, "denied", "denied"], [FAILED, "failed", "failed"]];
// What changed since an earlier capture; an edge of none is as it was, one that is gone has the figures it had.
const CHANGE = [["new", "new"], ["gone", "gone"], ["more", "more traffic"], ["less", "less traffic"], ["newly_denied", "newly denied"],
  ["newly_failed", "newly failed"], ["newly_plaintext", "newly in plaintext"], ["locality", "other locality"], ["same", "as before"]]
  .map(([name, text], place) => [1 << place, name, text]);
const KINDS = { encryption: ENCRYPTION, distance: DISTANCE, outcome: OUTCOME, ...(DATA.edges.change ? { change: CHANGE } : {}) };

EDGES.encryption = EDGES.flows.map((flows, edge) => {
  const plain = EDGES.plaintext[edge], refused = EDGES.plaintext_refused[edge], left = EDGES.left_mesh[edge], untold = EDGES.mtls_unknown[edge];
  const secure = EDGES.path.of(edge) === "waypoint" ? WAYPOINT : MTLS;
  return (flows > plain + refused + left + untold ? secure : 0) | (plain ? PLAINTEXT : 0) | (refused ? PLAINTEXT_REFUSED : 0)
    | (left ? LEFT_MESH : 0) | (untold ? NOT_TOLD : 0);
});
EDGES.distance = EDGES.flows.map((flows, edge) => {
  const same = EDGES.same_node[edge], cross = EDGES.cross_node[edge], far = EDGES.cross_zone[edge];
  return (same ? SAME_NODE : 0) | (cross > far ? CROSS_NODE : 0) | (far ? CROSS_ZONE : 0)
    | (flows > same + Math.max(cross, far) ? NO_PLACE : 0);
});
EDGES.outcome = EDGES.flows.map((flows, edge) => (flows > EDGES.bad[edge] ? FINE : 0)
  | (EDGES.denied[edge] ? DENIED : 0) | (EDGES.failed[edge] ? FAILED : 0));
const changes = worded(DATA.edges.change); // of all "same" where there is no earlier capture
EDGES.change = EDGES.flows.map((_, edge) => (changes.of(edge) || "same").split(" ").reduce((mask, name) => mask | CHANGE.find((one) => one[1] === name)[0], 0));
/** The names of each kind that any edge has. */
const FOUND = Object.fromEntries(Object.entries(KINDS).map(([kind, names]) => {
  const every = EDGES[kind].reduce((all, mask) => all | mask, 0);
  return [kind, names.filter(([bit]) => every & bit)];
}));
const GONE = CHANGE[1][0];
const isGone = (edge) => EDGES.change[edge] === GONE;
VERTICES.gone = new Uint8Array(VERTICES.count).fill(DATA.edges.change ? 1 : 0);
for (let edge = 0; edge < EDGES.count; edge += 1) if (!isGone(edge)) VERTICES.gone[EDGES.source[edge]] = VERTICES.gone[EDGES.target[edge]] = 0;

/** The class of a mixture: its kind's name, or `mixed`. */
function classOf(kind, mask) {
  const found = KINDS[kind].filter(([bit]) => mask & bit);
  if (kind === "outcome") return mask & DENIED ? "denied" : mask & FAILED ? "failed" : "fine";
  if (kind === "encryption" && mask === (MTLS | WAYPOINT)) return "mtls"; // all of it is encrypted
  return found.length === 1 ? found[0][1] : found.length ? "mixed" : "unknown";
}

/** A mixture in words. */
function wordsOf(kind, mask) {
  return KINDS[kind].filter(([bit]) => mask & bit).map(([, , text]) => text).join(" and ");
}

// Connections over time: only steps with traffic, in order of edge and step.
const TIME = DATA.time && DATA.time.steps > 1 ? DATA.time : null;
/** When a step begins: microseconds since 1970. */
const stepTime = (step) => TIME.first + Math.ceil((step * TIME.span) / TIME.steps);
const CELLS = series(TIME && TIME.cells, TIME && TIME.flows);
const BAD_CELLS = series(TIME && TIME.bad_cells, TIME && TIME.bad);

function series(steps, counts) {
  if (!steps) return { edge: [], step: [], count: [] };
  const keys = summed(steps);
  return { edge: keys.map((key) => Math.floor(key / TIME.steps)), step: keys.map((key) => key % TIME.steps), count: unpack(counts) };
}

/** Counts by step over some edges (a mask), or all. */
function overTime(cells, mask) {
  const counts = new Array(TIME ? TIME.steps : 0).fill(0);
  cells.edge.forEach((edge, i) => { if (!mask || mask[edge]) counts[cells.step[i]] += cells.count[i]; });
  return counts;
}

const REFUSALS = DATA.refusals && { edge: DATA.refusals.edge, flows: DATA.refusals.flows,
  error_class: worded(DATA.refusals.error_class), policy: worded(DATA.refusals.policy) };
const SAMPLES = DATA.samples && { edge: DATA.samples.edge, time: DATA.samples.time, lines: DATA.samples.lines, shown: DATA.samples.shown };
if (SAMPLES) {
  for (const name of ["verdict", "error_class", "outbound_file", "inbound_file"]) SAMPLES[name] = worded(DATA.samples[name]);
  for (const name of ["duration_ms", "request_bytes", "response_bytes", "outbound_line", "inbound_line"]) {
    SAMPLES[name] = unpack(DATA.samples[name]);
  }
}
