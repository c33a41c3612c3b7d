"use strict";
// Everything shown comes from the page itself; text is set as text, never as markup.
(() => {
  const graph = JSON.parse(document.getElementById("graph").textContent);
  const stage = document.getElementById("stage");
  const tip = document.getElementById("tip");
  const search = document.getElementById("search");
  const boxing = document.getElementById("boxing");
  const refused = document.getElementById("refused");
  const count = document.getElementById("count");
  const kinds = [...document.querySelectorAll("input[data-kind]")];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const edges = all("#stage .edge");
  const vertices = all("#stage .vertex");
  const rows = all("#edges tbody tr");
  const index = new Map(graph.nodes.map((node, i) => [node.id, i]));
  const text = graph.nodes.map((node) => Object.values(node).join("\n").toLowerCase());
  let pinned = null;

  // Native tooltips would stand over ours.
  const facts = new Map();
  for (const element of [...edges, ...vertices]) {
    const title = element.querySelector("title");
    facts.set(element, title.textContent);
    element.setAttribute("aria-label", title.textContent);
    title.remove();
  }

  function update() {
    const shown = new Set(kinds.filter((box) => box.checked).map((box) => box.dataset.kind));
    const onlyRefused = refused !== null && refused.checked;
    const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const hits = new Set(text.flatMap((line, i) => (words.length && words.every((word) => line.includes(word)) ? [i] : [])));
    const focus = pinned !== null ? new Set([pinned]) : words.length ? hits : null;
    const near = new Set(focus || []);
    const visibleEdges = new Set();
    for (const edge of edges) {
      const source = Number(edge.dataset.s);
      const target = Number(edge.dataset.t);
      const off = !shown.has(edge.dataset.k) || (onlyRefused && !edge.classList.contains("refused"));
      const touches = focus !== null && (focus.has(source) || focus.has(target));
      edge.classList.toggle("off", off);
      edge.classList.toggle("dim", !off && focus !== null && !touches);
      edge.classList.toggle("on", !off && touches);
      if (!off && (focus === null || touches)) visibleEdges.add(edge.dataset.e);
      if (!off && touches) near.add(source).add(target);
    }
    for (const vertex of vertices) {
      const number = Number(vertex.dataset.v);
      vertex.classList.toggle("dim", focus !== null && !near.has(number));
      vertex.classList.toggle("hit", focus !== null && focus.has(number));
    }
    const drawn = new Set(edges.map((edge) => edge.dataset.e));
    for (const row of rows) {
      const edge = graph.edges[Number(row.dataset.e)];
      const listed = drawn.has(row.dataset.e)
        ? visibleEdges.has(row.dataset.e)
        : focus === null || focus.has(index.get(edge.source)) || focus.has(index.get(edge.target));
      row.classList.toggle("off", !listed);
    }
    count.textContent = words.length ? `${hits.size} of ${graph.nodes.length} vertices found` : "";
  }

  function showTip(element, x, y) {
    tip.textContent = facts.get(element);
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
    tip.style.top = `${y + 14 + height > innerHeight ? Math.max(4, y - height - 10) : y + 14}px`;
  }

  stage.addEventListener("pointermove", (event) => {
    const element = event.target.closest(".edge,.vertex");
    if (element === null || event.buttons) tip.hidden = true;
    else showTip(element, event.clientX, event.clientY);
  });
  stage.addEventListener("pointerleave", () => { tip.hidden = true; });
  stage.addEventListener("focusin", (event) => {
    const vertex = event.target.closest(".vertex");
    if (vertex === null || !vertex.matches(":focus-visible")) return;
    const box = vertex.getBoundingClientRect();
    showTip(vertex, box.right, box.top);
  });
  function pin(vertex) {
    const number = vertex === null ? null : Number(vertex.dataset.v);
    pinned = number === pinned ? null : number;
    update();
  }
  stage.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      pin(event.target.closest(".vertex"));
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { pinned = null; search.value = ""; tip.hidden = true; update(); }
  });

  // Pan by dragging, zoom by wheel, by changing the viewBox.
  const home = new Map();
  for (const svg of all("#stage .map > svg")) {
    home.set(svg, [...svg.getAttribute("viewBox").split(" ").map(Number)]);
    svg.removeAttribute("width");
    svg.removeAttribute("height");
    let from = null;
    let moved = false;
    const view = () => svg.getAttribute("viewBox").split(" ").map(Number);
    const scale = () => { const [, , w, h] = view(); return Math.max(w / svg.clientWidth, h / svg.clientHeight); };
    svg.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY, ...view()]; moved = false; });
    svg.addEventListener("pointermove", (event) => {
      if (from === null || !event.buttons) return;
      const [x, y, left, top, width, height] = from;
      if (!moved && Math.hypot(event.clientX - x, event.clientY - y) < 4) return;
      if (!moved) svg.setPointerCapture(event.pointerId);
      moved = true;
      svg.classList.add("moving");
      const by = scale();
      svg.setAttribute("viewBox", `${left - (event.clientX - x) * by} ${top - (event.clientY - y) * by} ${width} ${height}`);
    });
    svg.addEventListener("pointerup", (event) => {
      svg.classList.remove("moving");
      from = null;
      if (!moved) pin(event.target.closest(".vertex"));
    });
    svg.addEventListener("wheel", (event) => {
      event.preventDefault();
      const by = event.deltaY > 0 ? 1.15 : 1 / 1.15;
      const [left, top, width, height] = view();
      const box = svg.getBoundingClientRect();
      const k = scale();
      const x = left + width / 2 + (event.clientX - box.left - box.width / 2) * k;
      const y = top + height / 2 + (event.clientY - box.top - box.height / 2) * k;
      svg.setAttribute("viewBox", `${x - (x - left) * by} ${y - (y - top) * by} ${width * by} ${height * by}`);
    }, { passive: false });
  }
  document.getElementById("fit").addEventListener("click", () => {
    for (const [svg, view] of home) svg.setAttribute("viewBox", view.join(" "));
  });

  if (boxing !== null) {
    boxing.addEventListener("change", () => {
      for (const map of all("#stage .map")) map.hidden = map.dataset.box !== boxing.value;
    });
  }
  search.addEventListener("input", () => { pinned = null; update(); });
  for (const box of [...kinds, ...(refused === null ? [] : [refused])]) box.addEventListener("change", update);

  all("#edges th").forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      for (const other of all("#edges th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[column];
        return "n" in cell.dataset ? Number(cell.dataset.n) : cell.textContent;
      };
      const order = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b));
      rows.sort((a, b) => (down ? -1 : 1) * order(key(a), key(b)));
      document.querySelector("#edges tbody").append(...rows);
    });
  });
  window.addEventListener("pageshow", update);
  update();
})();
