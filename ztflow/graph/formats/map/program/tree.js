// Boxes in boxes: zones of nodes of pods, or namespaces of workloads of pods. A place in a tree is an *item*.

const OPEN_ITEMS = 90; // what can still be read when the page opens
const BOX_ITEMS = 60; // items a box shows; the rest is one item, which opens by as many more

/** Ways to arrange the vertices, the best first: lists of attributes, coarse to fine. */
function arrangements() {
  const values = (name) => new Set(VERTICES[name].codes.filter((code) => code >= 0)).size;
  const known = (name) => name !== BY && values(name) > 0;
  const place = values("zone") > 1 && known("zone") ? ["zone", "node"] : ["node"];
  const ways = {
    pod: [place, ["namespace", "workload"], ["namespace"], ["node"], ["zone"]],
    workload: [["namespace"], place, ["zone"]],
    service: [["namespace"], place],
    identity: [["namespace"]],
    node: [["zone"]],
    vertex: [place, ["namespace"]],
  }[BY] || [[]];
  const clusters = values("cluster") > 1 && BY !== "cluster" ? ["cluster"] : [];
  const found = new Map();
  for (const way of ways) {
    const kept = [...clusters, ...way.filter(known)];
    if (kept.length) found.set(kept.join("/"), kept);
  }
  if (!found.size) found.set("", clusters);
  // Where the node of most is not known, they are better told apart by what they are.
  const vague = (way) => way.length > 0 && 2 * VERTICES[way.at(-1)].codes.filter((code) => code >= 0).length < VERTICES.count;
  return [...found.values()].sort((a, b) => vague(a) - vague(b));
}

/** The tree of one arrangement. An item's `leaves` are numbers of vertices. */
function makeTree(levels) {
  const items = [];
  const add = (name, level, parent, leaves) => {
    const item = { id: items.length, name, level, parent, kids: [], leaves, leaf: -1, depth: parent ? parent.depth + 1 : -1, rest: false };
    items.push(item);
    if (parent) parent.kids.push(item);
    return item;
  };
  const grow = (parent, depth) => {
    if (depth === levels.length) {
      for (const leaf of parent.leaves) add(VERTICES.id[leaf], BY, parent, [leaf]).leaf = leaf;
      return;
    }
    const groups = new Map();
    for (const leaf of parent.leaves) {
      const name = VERTICES[levels[depth]].of(leaf);
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(leaf);
    }
    const names = [...groups.keys()].sort((a, b) => (a === null) - (b === null) || (a < b ? -1 : 1));
    for (const name of names) {
      const leaves = groups.get(name);
      // Nothing known of all is no box of its own, nor is a single vertex, below the first level.
      if (name === null && depth > 0 && groups.size === 1) { for (const leaf of leaves) add(VERTICES.id[leaf], BY, parent, [leaf]).leaf = leaf; }
      else if (leaves.length === 1 && depth > 0) add(VERTICES.id[leaves[0]], BY, parent, leaves).leaf = leaves[0];
      else grow(add(name === null ? `no single ${levels[depth]}` : name, levels[depth], parent, leaves), depth + 1);
    }
  };
  const root = add("", "", null, [...Array(VERTICES.count).keys()]);
  grow(root, 0);
  return { levels, root, items };
}

/** Items of a tree to open at first: level by level, as long as it can be read. */
function openLevel(tree) {
  const open = new Set([tree.root.id]);
  let level = tree.root.kids;
  for (;;) {
    const boxes = level.filter((item) => item.kids.length);
    const next = level.flatMap((item) => (item.kids.length ? item.kids : [item]));
    if (!boxes.length || next.length > OPEN_ITEMS) return open;
    for (const item of boxes) open.add(item.id);
    level = next;
  }
}

/** What is to be seen of a tree: `shown` items (pills), `boxes` around them, and the pill of each vertex. */
function unfold(tree, open, limits, weight) {
  const boxes = [], shown = [], at = new Int32Array(VERTICES.count).fill(-1);
  const total = (item) => item.leaves.reduce((sum, leaf) => sum + weight[leaf], 0);
  const pill = (item) => {
    item.box = false;
    for (const leaf of item.leaves) at[leaf] = shown.length;
    shown.push(item);
  };
  const walk = (item) => {
    if (!item.kids.length || !open.has(item.id)) { pill(item); return; }
    item.box = true;
    boxes.push(item);
    const most = limits.get(item.id) || BOX_ITEMS;
    let kids = item.kids;
    item.inside = kids;
    if (kids.length > most + 1) {
      const ranked = kids.map((kid) => [total(kid), kid]).sort((a, b) => b[0] - a[0] || a[1].id - b[1].id);
      const kept = new Set(ranked.slice(0, most).map(([, kid]) => kid));
      const left = kids.filter((kid) => !kept.has(kid) && !open.has(kid.id));
      kids = kids.filter((kid) => !left.includes(kid));
      const leaves = left.flatMap((kid) => kid.leaves);
      const rest = { id: item.id + 0.5, name: `… ${count(left.length)} more`, level: item.level, parent: item, kids: [], leaves, leaf: -1,
        depth: item.depth + 1, rest: true };
      item.inside = left.length ? [...kids, rest] : kids;
    }
    item.inside.forEach(walk);
  };
  walk(tree.root);
  return { boxes, shown, at };
}

/** The item around all of these vertices that is nearest to them. */
function itemOf(tree, leaf) {
  return tree.items.find((item) => item.leaf === leaf);
}
