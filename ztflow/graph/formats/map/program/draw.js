// Boxes, pills and links as SVG.

const MOST_LOCKS = 60;
const LOCK = "M-4-1h8v6h-8zM-2.5-1v-2a2.5 2.5 0 0 1 5 0v2";
const STRUCK_LOCK = "M-4-1h8v6h-8zM-2.5-1v-3a2.5 2.5 0 0 1 4.6-1.4M-6 6L6-6";
const WAY_OUT = "M-4 4L4-4M-1-4h5v5";
const OPEN_LOCK = "M-4-1h8v6h-8zM-2.5-1v-3a2.5 2.5 0 0 1 4.6-1.4";

/** A cubic curve that leaves and enters at the sides of its ends. */
function curve(from, to, shift) {
  const y0 = from.y + Math.min(from.h / 2, 200) + shift, y3 = to.y + Math.min(to.h / 2, 200) + shift;
  const right = from.x + from.w;
  if (from === to) {
    const reach = right + 34;
    return [right, y0 - 6, reach, y0 - 18, reach, y0 + 18, right, y0 + 6];
  }
  const bend = (gap) => Math.max(gap * 0.45, 30);
  if (to.x > right) {
    const b = bend(to.x - right);
    return [right, y0, right + b, y0, to.x - b, y3, to.x, y3];
  }
  const end = to.x + to.w;
  if (end < from.x) {
    const b = bend(from.x - end);
    return [from.x, y0, from.x - b, y0, end + b, y3, end, y3];
  }
  const reach = Math.max(right, end) + 18 + Math.min(Math.abs(y3 - y0) * 0.22, 60) + Math.abs(shift);
  return [right, y0, reach, y0, reach, y3, end, y3];
}

/** The point of a curve at a part of its way. */
function pointAt(c, t) {
  const u = 1 - t, a = u * u * u, b = 3 * u * u * t, d = 3 * u * t * t, e = t * t * t;
  return [a * c[0] + b * c[2] + d * c[4] + e * c[6], a * c[1] + b * c[3] + d * c[5] + e * c[7]];
}

/** Width of a line: by powers of ten of connections, or of bytes. */
function lineWidth(link, state) {
  const size = sizeOf(link, state);
  const power = Math.log10(Math.max(size, 1)) - (state.measure === "bytes" ? 3 : 0);
  return Math.min(Math.max(1.2 + 1.1 * power, 1.2), 7);
}

/** What a link is, in a few lines. */
function linkFacts(link, state) {
  const lines = [`${link.from.name} → ${link.to.name}`,
    `${several(link.flows - link.gone, "connection")}${state.partly ? " in the chosen time" : ""}, ${bytesText(link.bytes)}${state.partly ? " in all" : ""}`,
    `${wordsOf("distance", link.distance)}; ${wordsOf("encryption", link.encryption)}`];
  if (KINDS.change) lines.push(`${wordsOf("change", link.change)}${link.gone ? `: ${several(link.gone, "connection")} before` : ""}`);
  if (link.bundle) lines.push(`${several(link.bundle, "line")} in one`);
  if (link.bad) lines.push(`${count(link.bad)} denied or failed`);
  return lines.join("\n");
}

/** What an item is, in a few lines. */
function itemFacts(item) {
  const lines = [item.name];
  if (item.rest) lines.push("left out for their little traffic: Enter or a double click shows more; a search finds each");
  else if (item.leaf < 0) lines.push(`${item.level}, ${several(item.leaves.length, BY === "vertex" ? "vertex" : BY)}; Enter or a double click opens it`);
  else {
    for (const name of ["kind", "namespace", "workload", "node", "zone", "cluster", "identity"]) {
      const value = VERTICES[name].of(item.leaf);
      if (value !== null) lines.push(`${name}: ${value}`);
    }
    if (VERTICES.gone[item.leaf]) lines.push("only in the earlier capture");
  }
  return lines.join("\n");
}

/** The groups of the canvas, back to front. */
const LAYERS = Object.fromEntries(["boxes", "edges", "marks", "vertices", "matrix"].map((name) => [name, svg("g", { class: name })]));

/** Draws the picture; `emphasis` says what is hit and what is near it, null when nothing is sought. */
function drawPicture(canvas, picture, state, emphasis) {
  const edges = [], marks = [], refused = new Set();
  // In an order that no filter changes, so that lines keep their place.
  const links = [...picture.links].sort((a, b) => a.from.id - b.from.id || a.to.id - b.to.id);
  const keys = new Set(links.map((link) => link.key));
  for (const link of links) {
    const dim = emphasis !== null && !emphasis.link(link);
    const shift = link.from !== link.to && keys.has(`${link.to.id}>${link.from.id}`) ? (link.from.id < link.to.id ? -3 : 3) : 0;
    const line = curve(link.from, link.to, shift);
    edges.push([link.key, drawLine(link, line, state, dim)]);
    // Where there are many lines, the usual locks would hide those that matter.
    if (!dim && (links.length <= MOST_LOCKS || emphasis !== null || (link.encryption !== MTLS && classOf("encryption", link.encryption) !== "mixed"))) {
      marks.push([`lock ${link.key}`, drawLock(link, pointAt(line, link.from === state.focus ? 0.68 : 0.32))]);
    }
    if (link.bad) {
      refused.add(link.to);
      if (!dim) marks.push([`badge ${link.key}`, drawBadge(link, pointAt(line, 0.55))]);
    }
  }
  canvas.classList.toggle("crowded", links.length > 120);
  const boxes = picture.boxes.filter((box) => box.parent !== null).map((box) => [box.id, drawBox(box)]);
  if (!picture.shown.length) boxes.push(["none", shape("text", { x: 20, y: 30 }, "no connections")]);
  show(LAYERS.boxes, boxes);
  show(LAYERS.edges, edges);
  show(LAYERS.vertices, picture.shown.map((item) => [item.id, drawPill(item, refused.has(item), emphasis)]));
  show(LAYERS.marks, marks);
  show(LAYERS.matrix, []);
}

function drawBox(box) {
  const none = box.name.startsWith("no single ");
  const title = shape("text", { x: box.x + 30, y: box.y + 19 }, shape("tspan", {}, none ? "" : `${box.level} `), shortName(box.name, 60),
    shape("tspan", {}, `  ·  ${count(box.leaves.length)}`));
  return shape("g", { class: `box${none ? " none" : ""}${box.depth ? " inner" : ""}`, "data-item": box.id, "data-box": "1" },
    shape("rect", { x: box.x, y: box.y, width: box.w, height: box.h, rx: 10 }),
    shape("g", { class: "head", tabindex: 0, role: "button", "aria-label": `close ${box.level} ${box.name}` },
      shape("rect", { class: "grip", x: box.x, y: box.y, width: box.w, height: HEAD, rx: 10 }),
      shape("path", { class: "marker", d: `M${box.x + 13} ${box.y + 15}h10l-5 7z` }), title));
}

function drawLine(link, line, state, dim) {
  const wide = lineWidth(link, state);
  const [, , , , x2, , x, y] = line;
  const tip = 5 + wide, back = x > x2 ? -1 : 1, d = `M${line[0].toFixed(1)} ${line[1].toFixed(1)}C${line.slice(2).map((v) => v.toFixed(1)).join(" ")}`;
  const kind = classOf(state.colour, link[state.colour]);
  const classes = `edge ${state.colour} ${kind}${link.bundle ? " bundle" : ""}${link.bad ? " refused" : ""}${dim ? " dim" : ""}`;
  return shape("g", { class: classes, "data-link": link.key },
    shape("path", { class: "catch", d }),
    shape("path", { class: "line", d, "stroke-width": wide.toFixed(2) }),
    shape("polygon", { class: "tip", points: `${x.toFixed(1)},${y.toFixed(1)} ${(x + back * tip).toFixed(1)},${(y - tip * 0.55).toFixed(1)} ${(x + back * tip).toFixed(1)},${(y + tip * 0.55).toFixed(1)}` }));
}

const SIGNS = { plaintext: OPEN_LOCK, plaintext_refused: STRUCK_LOCK, left_mesh: WAY_OUT };

/** The state of encryption: a lock that is closed, open, or struck out; in a diamond for a waypoint, half filled for a mixture. */
function drawLock(link, [x, y]) {
  const kind = classOf("encryption", link.encryption);
  const ring = kind === "waypoint" ? shape("path", { class: "ring", d: "M0-11l11 11-11 11-11-11z" }) : shape("circle", { class: "ring", r: 8 });
  const sign = kind === "untold" || kind === "unknown" ? shape("text", {}, "?")
    : shape("path", { class: "sign", d: SIGNS[kind] || LOCK });
  return shape("g", { class: `lock ${kind}`, "data-link": link.key, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` }, ring, sign);
}

function drawBadge(link, [x, y]) {
  return shape("g", { class: "badge", "data-link": link.key, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` },
    shape("circle", { r: 8 }), shape("text", {}, link.bad < 100 ? String(link.bad) : "99+"));
}

function drawPill(item, refused, emphasis) {
  const unnamed = item.rest || item.leaves.every((leaf) => VERTICES.gone[leaf]) || (item.leaf >= 0 && VERTICES.unknown[item.leaf]) || item.name.startsWith("no single ");
  let classes = `vertex${item.kids.length ? " group" : ""}${unnamed ? " nameless" : ""}${refused ? " refused" : ""}`;
  if (emphasis !== null) classes += emphasis.hit(item) ? " hit" : emphasis.near(item) ? "" : " dim";
  const name = shortName(item.name), slash = item.leaf >= 0 ? name.indexOf("/") + 1 : 0;
  const middle = item.y + item.h / 2, left = item.x + 12 + (item.kids.length ? 12 : 0);
  const label = shape("text", { x: left, y: middle }, shape("tspan", {}, name.slice(0, slash)), name.slice(slash),
    item.kids.length ? shape("tspan", {}, `  ·  ${count(item.leaves.length)}`) : null);
  return shape("g", { class: classes, "data-item": item.id, tabindex: 0, role: "button", "aria-label": itemFacts(item) },
    shape("rect", { x: item.x, y: item.y, width: item.w, height: item.h, rx: item.kids.length ? 7 : 12 }),
    item.kids.length ? shape("path", { class: "marker", d: `M${item.x + 10} ${middle - 5}v10l7-5z` }) : null, label);
}
