// From edges to what is drawn: filters, time, merging into links between items, bundles where there are too many.

const MOST_LINKS = 300; // more lines cannot be told apart

/** Connections of each edge in the chosen time that pass the filters; 0 for an edge that is left out. */
function weigh(state) {
  const flows = new Float64Array(EDGES.count), bad = new Float64Array(EDGES.count);
  const whole = !TIME || (state.from === 0 && state.to === TIME.steps - 1);
  if (whole) {
    for (let edge = 0; edge < EDGES.count; edge += 1) { flows[edge] = EDGES.flows[edge]; bad[edge] = EDGES.bad[edge]; }
  } else {
    for (const [cells, sums] of [[CELLS, flows], [BAD_CELLS, bad]]) {
      cells.edge.forEach((edge, i) => { if (cells.step[i] >= state.from && cells.step[i] <= state.to) sums[edge] += cells.count[i]; });
    }
  }
  for (const kind of Object.keys(KINDS)) {
    const masks = EDGES[kind], shown = state.shown[kind];
    for (let edge = 0; edge < EDGES.count; edge += 1) if (!(masks[edge] & shown)) flows[edge] = bad[edge] = 0;
  }
  return { flows, bad, whole };
}

/** Weight of each vertex: what leaves and enters it. */
function vertexWeights(flows) {
  const sums = new Float64Array(VERTICES.count);
  for (let edge = 0; edge < EDGES.count; edge += 1) {
    sums[EDGES.source[edge]] += flows[edge];
    sums[EDGES.target[edge]] += flows[edge];
  }
  return sums;
}

/** Edges merged into links between the items shown; the busiest last, so that it is drawn on top. */
function mergeLinks(shown, at, weights) {
  const links = new Map();
  for (let edge = 0; edge < EDGES.count; edge += 1) {
    if (!weights.flows[edge]) continue;
    const from = at[EDGES.source[edge]], to = at[EDGES.target[edge]];
    if (from < 0 || to < 0) continue;
    const key = from * shown.length + to;
    let link = links.get(key);
    if (link === undefined) links.set(key, link = newLink(shown[from], shown[to]));
    addEdge(link, edge, weights);
  }
  return [...links.values()].sort((a, b) => a.flows - b.flows);
}

function newLink(from, to) {
  return { key: `${from.id}>${to.id}`, from, to, edges: [], flows: 0, gone: 0, bytes: 0, bad: 0, encryption: 0, distance: 0, outcome: 0, change: 0, bundle: 0 };
}

function addEdge(link, edge, weights) {
  link.edges.push(edge);
  link.flows += weights.flows[edge];
  if (isGone(edge)) link.gone += weights.flows[edge];
  link.bad += weights.bad[edge];
  link.bytes += EDGES.bytes[edge];
  link.encryption |= EDGES.encryption[edge];
  link.distance |= EDGES.distance[edge];
  link.outcome |= EDGES.outcome[edge];
  link.change |= EDGES.change[edge];
}

/** How much a link counts: its connections, or its bytes. */
const sizeOf = (link, state) => (state.measure === "bytes" ? link.bytes : link.flows);

/** Links fit to be drawn: small ones left out, then bundled box by box, then the busiest; and how many are not drawn. */
function bundle(links, state, weights, apart) {
  const least = state.least;
  let kept = least > 0 ? links.filter((link) => sizeOf(link, state) >= least) : links;
  const small = links.length - kept.length;
  const own = apart ? kept.filter(apart).slice(-MOST_LINKS) : [];
  let rest = own.length ? kept.filter((link) => !own.includes(link)) : kept;
  let depth = Math.max(-1, ...rest.map((link) => Math.max(link.from.depth, link.to.depth))) - 1;
  for (; rest.length > MOST_LINKS && depth >= 0; depth -= 1) rest = bundled(rest, depth, weights);
  rest.sort((a, b) => a.flows - b.flows);
  const hidden = Math.max(rest.length - MOST_LINKS, 0);
  return { links: [...rest.slice(hidden), ...own], small, hidden };
}

/** Links between two boxes of a depth as one. */
function bundled(links, depth, weights) {
  const outer = (item) => { let found = item; while (found.depth > depth) found = found.parent; return found; };
  const kept = [], found = new Map();
  for (const link of links) {
    const from = outer(link.from), to = outer(link.to);
    if (from === to || (from === link.from && to === link.to)) { kept.push(link); continue; }
    const one = newLink(from, to), made = found.get(one.key) || one;
    found.set(made.key, made);
    made.bundle += link.bundle || 1;
    for (const edge of link.edges) addEdge(made, edge, weights);
  }
  for (const one of found.values()) if (one.bundle === 1) one.bundle = 0;
  return [...kept, ...found.values()];
}

/** Which edges a selection is about: `from` and `to` are sets of vertices, or one set for either end. */
function edgesOf(selection, weights) {
  const mask = new Uint8Array(EDGES.count);
  const chosen = [];
  for (let edge = 0; edge < EDGES.count; edge += 1) {
    if (!weights.flows[edge]) continue;
    const from = selection.from.has(EDGES.source[edge]), to = selection.to.has(EDGES.target[edge]);
    if (selection.either ? from || to : from && to) { mask[edge] = 1; chosen.push(edge); }
  }
  return { mask, chosen };
}
