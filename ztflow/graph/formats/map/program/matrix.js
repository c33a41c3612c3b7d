// Who talks to whom as a grid of cells: where lines would only be a knot.

const MATRIX_MOST = 60, CELL = 15;

/** Levels a matrix can be made of: attributes with more than one value, and the vertices themselves. */
function matrixLevels() {
  const found = ["zone", "node", "namespace", "workload"].filter((name) => name !== BY && new Set(VERTICES[name].codes).size > 1);
  return [...found, BY];
}

/** Sums by pair of values: the busiest values in order of name, all others as one. */
function matrixOf(level, weights) {
  const own = level === BY;
  const size = own ? VERTICES.count : VERTICES[level].words.length + 1;
  const code = (vertex) => (own ? vertex : (VERTICES[level].codes[vertex] + size) % size);
  const name = (value) => (own ? VERTICES.id[value] : VERTICES[level].words[value] ?? `no single ${level}`);
  const sums = new Float64Array(size);
  for (let edge = 0; edge < EDGES.count; edge += 1) {
    sums[code(EDGES.source[edge])] += weights.flows[edge];
    sums[code(EDGES.target[edge])] += weights.flows[edge];
  }
  const used = [...sums.keys()].filter((value) => sums[value] > 0).sort((a, b) => sums[b] - sums[a]);
  const kept = used.slice(0, used.length > MATRIX_MOST ? MATRIX_MOST - 1 : MATRIX_MOST).sort((a, b) => (name(a) < name(b) ? -1 : 1));
  const place = new Int32Array(size).fill(kept.length);
  kept.forEach((value, at) => { place[value] = at; });
  const rows = kept.map((value, at) => ({ id: at, name: name(value), level, leaves: [], rest: false }));
  if (kept.length < used.length) rows.push({ id: kept.length, name: `… ${count(used.length - kept.length)} more`, level, leaves: [], rest: true });
  for (let vertex = 0; vertex < VERTICES.count; vertex += 1) {
    const at = place[code(vertex)];
    if (at < rows.length) rows[at].leaves.push(vertex);
  }
  const cells = new Map();
  for (let edge = 0; edge < EDGES.count; edge += 1) {
    if (!weights.flows[edge]) continue;
    const from = rows[place[code(EDGES.source[edge])]], to = rows[place[code(EDGES.target[edge])]];
    const key = place[code(EDGES.source[edge])] * rows.length + place[code(EDGES.target[edge])];
    let cell = cells.get(key);
    if (cell === undefined) cells.set(key, cell = newLink(from, to));
    addEdge(cell, edge, weights);
  }
  return { rows, cells };
}

/** Draws the matrix; its cells are the picture's links. Gives its size. */
function drawMatrix(canvas, matrix, state) {
  const { rows, cells } = matrix;
  const head = Math.max(...rows.map((row) => shortName(row.name, 30).length), 4) * CHAR + 36;
  const links = [...cells.values()].filter((cell) => sizeOf(cell, state) >= state.least);
  const most = Math.log10(Math.max(2, ...links.map((cell) => sizeOf(cell, state))) + 1);
  const side = rows.length * CELL, shapes = [["field", shape("rect", { class: "field", x: head, y: head, width: side, height: side })]];
  for (const { id, name } of rows) {
    const middle = head + id * CELL + CELL / 2, text = shortName(name, 30);
    shapes.push([`row ${id}`, shape("text", { class: "row", x: head - 6, y: middle }, text)],
      [`column ${id}`, shape("text", { class: "column", transform: `translate(${middle} ${head - 6}) rotate(-90)` }, text)]);
  }
  let corners = "";
  for (const link of links) {
    const x = head + link.to.id * CELL, y = head + link.from.id * CELL;
    const deep = (0.15 + 0.85 * (Math.log10(sizeOf(link, state) + 1) / most)).toFixed(2);
    shapes.push([link.key, shape("rect", { class: `cell edge ${state.colour} ${classOf(state.colour, link[state.colour])}${link.bad ? " refused" : ""}`,
      "data-link": link.key, x, y, width: CELL - 1, height: CELL - 1, "fill-opacity": deep })]);
    if (link.bad) corners += `M${x + CELL - 1} ${y}v6l-6-6z`;
  }
  shapes.push(["corners", shape("path", { class: "corners", d: corners })], ["axes", shape("text", { class: "axes", x: 4, y: 10 }, "rows call columns")]);
  for (const [name, layer] of Object.entries(LAYERS)) show(layer, name === "matrix" ? shapes : []);
  canvas.classList.remove("crowded");
  return { links, width: head + side + 10, height: head + side + 10 };
}
