// The controls above the map, and the first drawing.

function changeView() {
  state.view = byId("view").value;
  state.selection = null;
  state.focus = null;
  byId("back").hidden = true;
  byId("boxing").hidden = state.view === "matrix";
  byId("level").hidden = state.view !== "matrix";
  limits();
  draw(true);
}

/** Light, dark, or as the system has it. */
function changeTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

/** The slider of least traffic goes by powers of ten of what is drawn. */
function limits() {
  state.least = 0;
  byId("least").value = 0;
  byId("least-text").textContent = "all";
}

function changeLeast() {
  const most = Math.log10(Math.max(10, EDGES[state.measure].reduce((a, b) => a + b, 0)));
  const part = Number(byId("least").value) / 100;
  state.least = part ? Math.round(10 ** (part * most)) : 0;
  byId("least-text").textContent = state.least ? (state.measure === "bytes" ? bytesText(state.least) : several(state.least, "connection")) : "all";
  draw(false);
}

function option(value, text = value) {
  return html("option", { value }, text);
}

function filterBoxes() {
  for (const [kind, found] of Object.entries(FOUND)) {
    for (const [bit, name, text] of found) {
      const edges = EDGES[kind].reduce((sum, mask) => sum + (mask & bit ? 1 : 0), 0);
      byId("filters").append(html("label", { class: "filter" }, html("input", { type: "checkbox", checked: true, disabled: found.length < 2, "data-kind": kind, "data-name": name,
        onchange: (event) => { state.shown[kind] = event.target.checked ? state.shown[kind] | bit : state.shown[kind] & ~bit; draw(false); } }),
      svg("svg", { class: "ztmap", width: 22, height: 10, "aria-hidden": "true" }, svg("g", { class: `edge ${kind} ${name}` }, svg("path", { class: "line", d: "M1 5H21", "stroke-width": 3 }))),
      `${text} (${count(edges)})`));
    }
    byId("filters").append(html("span", { class: "gap" }));
  }
}

function timeSlider() {
  if (!TIME) return;
  const counts = overTime(CELLS), bad = overTime(BAD_CELLS), most = counts.reduce((a, b) => Math.max(a, b), 1);
  byId("time").hidden = false;
  byId("spark").append(svg("path", { class: "all", d: bars(counts, 600, 30, most) }), svg("path", { class: "bad", d: bars(bad, 600, 30, most) }),
    svg("rect", { id: "window", y: 0, height: 30 }));
  const [from, to] = [byId("from"), byId("to")];
  from.max = to.max = TIME.steps - 1;
  to.value = TIME.steps - 1;
  const show = () => {
    const wide = 600 / TIME.steps, digits = TIME.span < TIME.steps * 1e6 ? 3 : 0;
    byId("window").setAttribute("x", state.from * wide);
    byId("window").setAttribute("width", (state.to - state.from + 1) * wide);
    byId("time-text").textContent = `${timeText(stepTime(state.from), digits)} to ${timeText(stepTime(state.to + 1), digits)}`
      + (TIME.timeless ? ` (${count(TIME.timeless)} connections have no time)` : "");
  };
  const changed = (event) => {
    // One handle pushes the other.
    if (Number(from.value) > Number(to.value)) (event.target === from ? to : from).value = event.target.value;
    state.from = Number(from.value);
    state.to = Number(to.value);
    show();
    draw(false);
  };
  from.addEventListener("input", changed);
  to.addEventListener("input", changed);
  show();
}

function begin() {
  arrange(0);
  state.leafItems = [];
  const boxing = byId("boxing-select"), level = byId("level-select");
  WAYS.forEach((way, number) => boxing.append(option(number, way.length ? way.join(" / ") : "none")));
  const rearrange = () => {
    arrange(Number(boxing.value));
    state.leafItems = [];
    for (const item of state.tree.items) if (item.leaf >= 0) state.leafItems[item.leaf] = item;
    state.selection = null;
    byId("back").hidden = true;
  };
  boxing.addEventListener("change", () => { rearrange(); draw(true); });
  byId("boxing").hidden = WAYS.length < 2;
  rearrange();
  for (const name of matrixLevels()) level.append(option(name));
  const pick = matrixLevels().find((name) => name !== "zone") || BY;
  level.value = state.level = pick;
  level.addEventListener("change", () => { state.level = level.value; state.selection = null; draw(true); });
  byId("view").addEventListener("change", changeView);
  if (KINDS.change) byId("colour").append(option("change"));
  if (KINDS.change) byId("colour").value = state.colour = "change";
  byId("colour").addEventListener("change", () => { state.colour = byId("colour").value; draw(false); });
  byId("measure").addEventListener("change", () => { state.measure = byId("measure").value; limits(); draw(false); });
  byId("least").addEventListener("input", changeLeast);
  byId("fit").addEventListener("click", () => { state.moved.clear(); draw(true); });
  byId("back").addEventListener("click", back);
  byId("theme").addEventListener("click", changeTheme);
  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && state.hits !== null && state.hits.size) focusOn(state.leafItems[state.hits.values().next().value]);
  });
  tableHead(byId("heads"), sorting, drawSide);
  const chooseRow = (event) => {
    const row = event.target.closest("tr");
    if (row && (event.type === "click" || event.key === "Enter")) act("edge", Number(row.dataset.edge));
  };
  byId("rows").addEventListener("click", chooseRow);
  byId("rows").addEventListener("keydown", chooseRow);
  filterBoxes();
  timeSlider();
  // Where lines would have to be left out even so, or boxes could not be read, the page opens with the matrix.
  weights = weigh(state);
  if (WAYS[0].length && (state.tree.root.kids.length > MATRIX_MOST || wholePicture(vertexWeights(weights.flows)).hidden)) byId("view").value = "matrix";
  changeView();
  addEventListener("resize", () => draw(true));
}

begin();
