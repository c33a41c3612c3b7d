// Where everything stands: pills in columns, boxes on shelves; the same data gives the same picture.

const PILL = 24, PILL_GAP = 9, CHAR = 6.8, PAD = 18, HEAD = 30, COLUMN_GAP = 72, ROWS = 18;

/** The text of a pill. */
function pillText(item) {
  const name = shortName(item.name);
  return item.kids.length ? `${name}  ·  ${count(item.leaves.length)}` : name;
}

function measurePill(item) {
  item.w = Math.round(24 + pillText(item).length * CHAR + (item.kids.length ? 16 : 0));
  item.h = item.kids.length ? PILL + 6 : PILL;
}

/** Places all items; gives the size of the whole. */
function layOut(tree, links, moved) {
  const near = new Map();
  if (links.length <= 3000) {
    for (const { from, to } of links) {
      if (from === to) continue;
      (near.get(from) || near.set(from, []).get(from)).push(to);
      (near.get(to) || near.set(to, []).get(to)).push(from);
    }
  }
  const sorted = uncross(tree.root, near);
  measure(tree.root, sorted);
  tree.root.x = tree.root.y = 0;
  placeInside(tree.root, 0, 0, moved);
  return { width: tree.root.w, height: tree.root.h };
}

/** Order of the pills of each box: by the mean height of their neighbours, which uncrosses most links. */
function uncross(root, near) {
  const orders = new Map(), height = new Map();
  const boxes = [];
  const walk = (item) => {
    if (!item.box) return;
    const pills = item.inside.filter((kid) => !kid.box);
    orders.set(item, pills);
    boxes.push(pills);
    pills.forEach((kid, row) => height.set(kid, row / Math.max(pills.length - 1, 1)));
    item.inside.forEach(walk);
  };
  walk(root);
  for (let sweep = 0; sweep < 6; sweep += 1) {
    for (const pills of boxes) {
      const mean = new Map(pills.map((kid) => {
        const others = (near.get(kid) || []).filter((other) => height.has(other));
        return [kid, others.length ? others.reduce((sum, other) => sum + height.get(other), 0) / others.length : height.get(kid)];
      }));
      pills.sort((a, b) => a.rest - b.rest || mean.get(a) - mean.get(b) || (a.name < b.name ? -1 : 1));
      pills.forEach((kid, row) => height.set(kid, row / Math.max(pills.length - 1, 1)));
    }
  }
  return orders;
}

/** Size of an item, and of a box the places of its parts within it. */
function measure(item, orders) {
  if (!item.box) { measurePill(item); return; }
  const root = item.parent === null;
  const pills = orders.get(item), boxes = item.inside.filter((kid) => kid.box);
  for (const kid of item.inside) measure(kid, orders);
  const blocks = boxes.map((box) => ({ w: box.w, h: box.h, box }));
  if (pills.length) blocks.unshift(pillBlock(pills, root || pills.every((kid) => kid.kids.length)));
  const gapX = root ? 130 : 60, gapY = root ? 56 : 34;
  const { wide, high } = shelves(blocks, gapX, gapY, root ? 1.5 : 2.2);
  const head = root ? 0 : `${item.level} ${shortName(item.name)}`.length * (CHAR + 1) + 60;
  item.blocks = blocks;
  item.w = Math.max(wide + 2 * PAD + (pills.length && !root ? 30 : 0), head);
  item.h = high + 2 * PAD + (root ? 0 : HEAD);
}

/** Puts blocks on shelves, as wide as makes the whole the biggest to see where that much wider than high is; gives its size. */
function shelves(blocks, gapX, gapY, shape) {
  const put = (limit) => {
    let x = 0, y = 0, high = 0, wide = 0;
    for (const block of blocks) {
      if (x > 0 && x + block.w > limit) { x = 0; y += high + gapY; high = 0; }
      block.x = x;
      block.y = y;
      x += block.w + gapX;
      high = Math.max(high, block.h);
      wide = Math.max(wide, x - gapX);
    }
    return { wide, high: y + high };
  };
  let limit = 0, best = 0, least = Infinity;
  for (const block of blocks) {
    limit += block.w + gapX;
    const { wide, high } = put(limit), size = Math.max(wide / shape, high);
    if (size < least) [best, least] = [limit, size];
  }
  return put(best);
}

/** Pills in columns; `spread` where lines between them are to be seen rather than their names close together. */
function pillBlock(pills, spread) {
  const columns = spread ? Math.ceil(Math.sqrt(pills.length / 2.2)) : Math.ceil(pills.length / ROWS);
  const rows = Math.ceil(pills.length / Math.max(columns, 1));
  const gapX = spread ? 150 : COLUMN_GAP, gapY = spread ? 26 : PILL_GAP;
  const places = [];
  let x = 0, high = 0;
  for (let start = 0; start < pills.length; start += rows) {
    const column = pills.slice(start, start + rows);
    // Names of one length would make a grid whose lines run into each other; every other column stands half a row lower.
    let y = spread && (start / rows) % 2 ? 14 : 0;
    for (const pill of column) { places.push([pill, x, y]); y += pill.h + gapY; }
    high = Math.max(high, y - gapY);
    x += Math.max(...column.map((pill) => pill.w)) + gapX;
  }
  return { w: x - gapX, h: high, places };
}

/** Puts a box's parts where they belong; what was dragged keeps its distance from there. */
function placeInside(item, dx, dy, moved) {
  const top = item.y + PAD + (item.parent === null ? 0 : HEAD);
  const put = (kid, x, y) => {
    const [mx, my] = moved.get(kid.id) || [0, 0];
    kid.x = x + mx;
    kid.y = y + my;
    if (kid.box) placeInside(kid, mx, my, moved);
  };
  for (const block of item.blocks) {
    if (block.box) put(block.box, item.x + PAD + block.x, top + block.y);
    else for (const [pill, x, y] of block.places) put(pill, item.x + PAD + block.x + x, top + block.y + y);
  }
}

const FOCUS_ROWS = 22, FOCUS_MOST = 66;

/** An item in the middle, who calls it on the left, whom it calls on the right, each side by traffic. */
function layOutFocus(center, links) {
  const weight = { left: new Map(), right: new Map() };
  for (const link of links) {
    if (link.from === link.to) continue;
    const side = link.to === center ? weight.left : weight.right;
    const other = link.to === center ? link.from : link.to;
    side.set(other, (side.get(other) || 0) + link.flows);
  }
  for (const [item, flows] of weight.left) {
    const there = weight.right.get(item);
    if (there === undefined) continue;
    (there >= flows ? weight.left : weight.right).delete(item);
  }
  const columns = (side, kept) => {
    const found = [...side].sort((a, b) => b[1] - a[1]).map(([item]) => item).slice(0, kept);
    const made = [];
    for (let start = 0; start < found.length; start += FOCUS_ROWS) made.push(found.slice(start, start + FOCUS_ROWS));
    return made;
  };
  const left = columns(weight.left, FOCUS_MOST).reverse(), right = columns(weight.right, FOCUS_MOST);
  measurePill(center);
  const all = [...left, [center], ...right];
  for (const item of all.flat()) measurePill(item);
  const height = Math.max(...all.map((column) => column.length)) * (PILL + 6 + PILL_GAP);
  let x = 0;
  for (const column of all) {
    let y = (height - column.length * (PILL + 6 + PILL_GAP)) / 2;
    const wide = Math.max(...column.map((item) => item.w));
    for (const item of column) { item.x = x; item.y = y; y += PILL + 6 + PILL_GAP; }
    x += wide + (column[0] === center || column === left.at(-1) ? 190 : 60);
  }
  const shown = all.flat();
  return { shown, hidden: weight.left.size + weight.right.size + 1 - shown.length, width: x, height };
}
