// The page: its state, its controls, and drawing anew what changed.

const canvas = byId("canvas"), tip = byId("tip"), search = byId("search");
const WAYS = arrangements();
const every = (kinds) => kinds.reduce((mask, [bit]) => mask | bit, 0);
const state = {
  way: 0, tree: null, open: new Set(), limits: new Map(), moved: new Map(),
  view: "map", focus: null, level: "", selection: null, hits: null,
  shown: Object.fromEntries(Object.entries(KINDS).map(([kind, names]) => [kind, every(names)])),
  measure: "flows", colour: "distance", least: 0, from: 0, to: TIME ? TIME.steps - 1 : 0, partly: false,
};
const sorting = { column: 4, down: true };
const view = makeView(canvas);
canvas.append(...Object.values(LAYERS));
let picture = { boxes: [], shown: [], links: [], items: new Map() };
let weights = null;

/** Vertices whose name or facts hold every word. */
const TEXTS = VERTICES.id.map((id, vertex) => [id, ...["namespace", "workload", "node", "zone", "cluster", "identity"]
  .map((name) => VERTICES[name].of(vertex) ?? "")].join("\n").toLowerCase());

function arrange(way) {
  state.way = way;
  state.tree = makeTree(WAYS[way]);
  state.open = openLevel(state.tree);
  state.limits.clear();
  state.moved.clear();
  state.focus = null;
}

/** Makes the picture of the current view and draws it; `fit` shows all of it. */
function draw(fit) {
  if (fit) view.measure();
  weights = weigh(state);
  state.partly = !weights.whole;
  const sums = vertexWeights(weights.flows);
  let notes = [], size;
  if (state.view === "matrix") {
    const matrix = matrixOf(state.level, weights);
    const drawn = drawMatrix(canvas, matrix, state);
    picture = { boxes: [], shown: [], links: drawn.links, items: new Map() };
    size = { x: 0, y: 0, width: drawn.width, height: drawn.height };
    notes = [`${several(matrix.rows.length, "row")}, ${several(drawn.links.length, "cell")}`];
  } else {
    const made = state.focus === null ? wholePicture(sums) : focusPicture(sums);
    picture = made;
    drawPicture(canvas, made, state, emphasis());
    size = made.size;
    notes = made.notes;
  }
  byId("count").textContent = [...notes, state.partly ? "in the chosen time" : ""].filter(Boolean).join(" · ");
  if (fit) view.fit(size.x, size.y, size.width, size.height);
  drawSide();
}

function wholePicture(sums) {
  const { boxes, shown, at } = unfold(state.tree, state.open, state.limits, sums);
  const all = mergeLinks(shown, at, weights);
  layOut(state.tree, all, state.moved);
  const chosen = state.selection && state.selection.item;
  const { links, small, hidden } = bundle(all, state, weights, chosen ? (link) => link.from === chosen || link.to === chosen : null);
  const bundles = links.filter((link) => link.bundle).length;
  const notes = [`${several(shown.length, "item")} of ${several(VERTICES.count, BY === "vertex" ? "vertex" : BY)}`, several(links.length, "line")];
  if (bundles) notes.push(`${count(bundles)} of them bundles`);
  if (small) notes.push(`${count(small)} below the least traffic`);
  if (hidden) notes.push(`${count(hidden)} not drawn: see the matrix`);
  return withItems({ boxes, shown, links, notes, hidden, size: extent([...boxes.filter((box) => box.parent), ...shown]) });
}

/** One item and its neighbours, laid out anew. Neighbours are vertices, or what is around them where they are too many. */
function focusPicture(sums) {
  const center = state.focus, own = new Set(center.leaves), leafItems = state.leafItems;
  const near = new Set();
  for (let edge = 0; edge < EDGES.count; edge += 1) {
    if (!weights.flows[edge]) continue;
    const from = EDGES.source[edge], to = EDGES.target[edge];
    if (own.has(from) && !own.has(to)) near.add(to);
    if (own.has(to) && !own.has(from)) near.add(from);
  }
  const coarse = near.size > FOCUS_MOST;
  const outer = (item) => (coarse && item.parent.parent !== null && !center.leaves.some((leaf) => item.parent.leaves.includes(leaf)) ? item.parent : item);
  const at = new Int32Array(VERTICES.count).fill(-1), shown = [center];
  for (const leaf of own) at[leaf] = 0;
  const places = new Map();
  for (const leaf of near) {
    const item = outer(leafItems[leaf]);
    if (!places.has(item)) { places.set(item, shown.length); shown.push(item); }
    at[leaf] = places.get(item);
  }
  for (const item of shown) item.box = false;
  const links = mergeLinks(shown, at, weights).filter((link) => (link.from === center || link.to === center) && sizeOf(link, state) >= state.least);
  const made = layOutFocus(center, links);
  const placed = new Set(made.shown);
  for (const item of made.shown) { const [x, y] = state.moved.get(`focus ${item.id}`) || [0, 0]; item.x += x; item.y += y; }
  const drawn = links.filter((link) => placed.has(link.from) && placed.has(link.to));
  const notes = [`${center.name} and ${several(made.shown.length - 1, "neighbour")}`];
  if (made.hidden > 0) notes.push(`${count(made.hidden)} more: see the table`);
  return withItems({ boxes: [], shown: made.shown, links: drawn, notes, size: extent(made.shown) });
}

function withItems(made) {
  made.items = new Map([...made.boxes, ...made.shown].map((item) => [String(item.id), item]));
  return made;
}

function extent(items) {
  if (!items.length) return { x: 0, y: 0, width: 300, height: 100 };
  const x = items.reduce((least, item) => Math.min(least, item.x), Infinity), y = items.reduce((least, item) => Math.min(least, item.y), Infinity);
  return { x, y, width: items.reduce((most, item) => Math.max(most, item.x + item.w), 0) - x, height: items.reduce((most, item) => Math.max(most, item.y + item.h), 0) - y };
}

/** What of the picture stands out: what was searched, else what is selected. */
function emphasis() {
  const chosen = state.selection && state.selection.item, link = state.selection && state.selection.link;
  if (link && state.hits === null) {
    const ends = (one) => one.from === link.from && one.to === link.to;
    return picture.links.some(ends) ? { hit: () => false, near: (item) => item === link.from || item === link.to, link: ends } : null;
  }
  if (state.hits === null && !chosen) return null;
  const hit = state.hits !== null ? (item) => item.leaves.some((leaf) => state.hits.has(leaf)) : (item) => item === chosen;
  const near = new Set(picture.links.filter((link) => hit(link.from) || hit(link.to)).flatMap((link) => [link.from, link.to]));
  return { hit, near: (item) => near.has(item), link: (link) => hit(link.from) || hit(link.to) };
}

function drawSide() {
  const selection = state.selection, words = byId("legend"), about = `${state.view} ${state.colour} ${state.measure}`;
  byId("found").replaceChildren(...[foundList()].filter(Boolean));
  byId("chosen").replaceChildren(...[selection ? panelFor(selection, weights, state, act) : null].filter(Boolean));
  if (words.dataset.about !== about) words.replaceChildren(legend(state));
  words.dataset.about = about;
  table.changed();
}

/** The edges of the table: those of the selection or of what was found, else all that pass the filters. */
function tableEdges() {
  if (state.selection) return edgesOf(state.selection, weights).chosen;
  if (state.hits !== null) return edgesOf({ from: state.hits, to: state.hits, either: true }, weights).chosen;
  return [...Array(EDGES.count).keys()].filter((edge) => weights.flows[edge]);
}

const table = whenSeen(byId("edges"), () => fillTable(byId("rows"), byId("more"), tableEdges(), weights, sorting));

/** What a search found, each to be gone to. */
function foundList() {
  if (state.hits === null || state.focus !== null) return null;
  const found = [...state.hits];
  return html("section", { class: "found" }, html("h2", {}, `${count(found.length)} of ${several(VERTICES.count, BY === "vertex" ? "vertex" : BY)} found`),
    html("ul", {}, ...found.slice(0, LISTED).map((leaf) => html("li", {}, html("button", { type: "button", onclick: () => act("reach", leaf) }, VERTICES.id[leaf])))),
    found.length > LISTED ? html("p", {}, `… and ${count(found.length - LISTED)} more: write more of the name`) : null);
}

function selectItem(item) {
  const leaves = new Set(item.leaves);
  const actions = [["Focus", "focus"]];
  if (item.kids.length || item.rest) actions.push([item.box ? "Close box" : "Open", "toggle"]);
  const facts = item.leaf >= 0 ? itemFacts(item).split("\n").slice(1).join("\n") : item.rest ? itemFacts(item) : `${item.level}, ${several(leaves.size, BY === "vertex" ? "vertex" : BY)}`;
  state.selection = { title: item.name, facts, item, from: leaves, to: leaves, either: true, actions, ends: [["", item]] };
}

function selectLink(link) {
  const actions = [["Focus source", "focus-from"], ["Focus destination", "focus-to"]];
  state.selection = { title: `${link.from.name} → ${link.to.name}`, link, from: new Set(link.from.leaves), to: new Set(link.to.leaves), either: false,
    actions: state.view === "matrix" ? [] : actions, ends: [["from", link.from], ["to", link.to]] };
}

/** Opens or closes a box; it keeps its place on the screen. */
function toggle(item) {
  if (item.rest) {
    const box = item.parent;
    state.limits.set(box.id, (state.limits.get(box.id) || BOX_ITEMS) + BOX_ITEMS);
  } else if (item.kids.length) {
    if (state.open.has(item.id)) state.open.delete(item.id);
    else state.open.add(item.id);
  } else return;
  const { x, y } = item;
  draw(false);
  if (item.rest) return;
  view.move(item.x - x, item.y - y);
  if (item.box && !view.holds(item)) view.fit(item.x, item.y, item.w, item.h);
}

function focusOn(item) {
  state.view = "map";
  state.focus = item;
  selectItem(item);
  byId("back").hidden = false;
  draw(true);
}

/** What the panel's buttons and the keys do. */
function act(what, about) {
  if (what === "close") { state.selection = null; draw(false); }
  else if (what === "focus") focusOn(about.item);
  else if (what === "focus-from") focusOn(about.link.from);
  else if (what === "focus-to") focusOn(about.link.to);
  else if (what === "toggle") { toggle(about.item); selectItem(about.item); draw(false); }
  else if (what === "reach") focusOn(state.leafItems[about]);
  else if (what === "edge") {
    selectLink({ from: state.leafItems[EDGES.source[about]], to: state.leafItems[EDGES.target[about]] });
    draw(false);
  }
}

function back() {
  tip.hidden = true;
  if (state.focus !== null) { state.focus = null; state.selection = null; byId("back").hidden = true; draw(true); return; }
  state.selection = null;
  search.value = "";
  state.hits = null;
  draw(false);
}

function find() {
  const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  state.hits = words.length ? new Set(TEXTS.flatMap((text, leaf) => (words.every((word) => text.includes(word)) ? [leaf] : []))) : null;
  state.selection = null;
  if (state.focus !== null) { state.focus = null; byId("back").hidden = true; draw(true); } else draw(false);
}

const itemAt = (target) => { const held = target.closest("[data-item]"); return held ? picture.items.get(held.dataset.item) : null; };
const linkAt = (target) => { const held = target.closest("[data-link]"); return held && canvas.contains(held) ? picture.links.find((link) => link.key === held.dataset.link) : null; };

function showTip(target, x, y) {
  const link = target && linkAt(target), item = target && !link && !target.dataset.box ? itemAt(target) : null;
  tip.hidden = !link && !item;
  if (tip.hidden) return;
  tip.textContent = link ? linkFacts(link, state) : itemFacts(item);
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${y + 14 + height > innerHeight ? Math.max(4, y - height - 10) : y + 14}px`;
}

listenToPointer(canvas, view, {
  tip: showTip,
  select(target) {
    const link = linkAt(target), item = itemAt(target);
    if (link) selectLink(link);
    else if (item && !target.closest("[data-box]")) selectItem(item);
    else if (state.selection === null) return;
    else state.selection = null;
    draw(false);
  },
  open(target) {
    const item = itemAt(target);
    if (!item) return;
    if (state.focus === null && (item.kids.length || item.rest)) toggle(item);
    else focusOn(item);
  },
  drag(id, dx, dy) {
    const key = state.focus === null ? picture.items.get(id).id : `focus ${id}`;
    const [x, y] = state.moved.get(key) || [0, 0];
    state.moved.set(key, [x + dx, y + dy]);
    draw(false);
  },
});
canvas.addEventListener("focusin", (event) => {
  const item = itemAt(event.target);
  if (!item || !event.target.matches(":focus-visible")) return;
  const box = event.target.getBoundingClientRect();
  showTip(event.target.closest("[data-item]"), box.right, box.top);
});
listenToKeys(canvas, view, {
  Escape: back,
  Enter(target) {
    const item = itemAt(target);
    if (!item) return;
    const again = state.selection && state.selection.item === item;
    if (item.box || (again && (item.kids.length || item.rest) && state.focus === null)) toggle(item);
    else if (again) focusOn(item);
    else { selectItem(item); draw(false); }
    const same = canvas.querySelector(`[data-item="${item.id}"]`);
    if (same) (same.querySelector(".head") || same).focus();
  },
  "/": () => search.focus(),
  f: () => { if (state.selection && state.selection.item) focusOn(state.selection.item); },
  m: () => { byId("view").value = state.view === "matrix" ? "map" : "matrix"; changeView(); },
  t: () => changeTheme(),
  0: () => draw(true),
});
