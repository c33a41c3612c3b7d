// The edges as a table.

const TABLE_ROWS = 60;
const TABLE_COLUMNS = [
  ["Source", (edge) => VERTICES.id[EDGES.source[edge]]], ["Destination", (edge) => VERTICES.id[EDGES.target[edge]]],
  ["Path", (edge) => EDGES.path.of(edge) ?? "-"], ["Encryption", (edge) => wordsOf("encryption", EDGES.encryption[edge])],
  ["Conns", null], ["Request", EDGES.request_bytes, bytesText], ["Response", EDGES.response_bytes, bytesText],
  ["p95", EDGES.duration_p95_ms, durationText], ["Same node", EDGES.same_node], ["Cross node", EDGES.cross_node],
  ["Cross zone", EDGES.cross_zone], ["Node unknown", EDGES.locality_unknown], ["Denied", EDGES.denied], ["Failed", EDGES.failed],
  ["Plaintext", EDGES.plaintext], ...(KINDS.change ? [["Change", (edge) => wordsOf("change", EDGES.change[edge])]] : []),
];

const QUIET = 700; // milliseconds without anything done

/**
 * Fills a section anew after each `changed()`: at once where it is on the screen or on paper, else when nothing was
 * done for a moment. Laying out a table takes as long as all the rest of a step of a slider.
 */
function whenSeen(section, fill) {
  let due = false, seen = false, timer = 0;
  const now = () => { clearTimeout(timer); if (due) { due = false; fill(); } };
  new IntersectionObserver((entries) => { seen = entries.at(-1).isIntersecting; if (seen) now(); }, { rootMargin: "-1px" }).observe(section);
  addEventListener("beforeprint", now);
  return {
    changed() {
      due = true;
      clearTimeout(timer);
      if (seen) now();
      else timer = setTimeout(() => requestIdleCallback(now), QUIET);
    },
  };
}

/** Fills the table; `sorting` is `{column, down}`. */
function fillTable(body, note, chosen, weights, sorting) {
  const [, source] = TABLE_COLUMNS[sorting.column];
  const value = typeof source === "function" ? source : (edge) => (source === null ? weights.flows[edge] : source[edge] ?? -1);
  const keys = new Array(EDGES.count), turn = sorting.down ? -1 : 1;
  for (const edge of chosen) keys[edge] = value(edge);
  const order = (a, b) => (keys[a] < keys[b] ? -turn : keys[a] > keys[b] ? turn : a - b);
  const rows = [...chosen].sort(order).slice(0, TABLE_ROWS);
  const written = (edge, [, of, text = count]) => {
    if (typeof of === "function") return of(edge);
    const number = of === null ? weights.flows[edge] : of[edge];
    return number === null || number === undefined ? "-" : text(number);
  };
  rows.forEach((edge, at) => {
    // Rows that are there get other texts: cells made anew would take as long again.
    const row = body.rows[at] || body.appendChild(html("tr", { tabindex: 0 }, ...TABLE_COLUMNS.map(([, of]) => html("td", { class: typeof of === "function" ? "" : "n" }, " "))));
    row.dataset.edge = edge;
    TABLE_COLUMNS.forEach((column, place) => { row.cells[place].firstChild.data = written(edge, column); });
  });
  while (body.rows.length > rows.length) body.lastChild.remove();
  note.textContent = chosen.length > rows.length ? `… and ${several(chosen.length - rows.length, "more edge")}` : "";
}

/** The heading, whose buttons sort. */
function tableHead(row, sorting, changed) {
  TABLE_COLUMNS.forEach(([title, source], column) => {
    const head = html("th", { scope: "col", class: typeof source === "function" ? "" : "n" },
      html("button", { type: "button", onclick: () => {
        sorting.down = sorting.column === column ? !sorting.down : typeof source !== "function";
        sorting.column = column;
        [...row.cells].forEach((cell) => cell.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", sorting.down ? "descending" : "ascending");
        changed();
      } }, title));
    if (column === sorting.column) head.setAttribute("aria-sort", "descending");
    row.append(head);
  });
}
