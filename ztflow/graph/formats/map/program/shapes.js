// Shapes as descriptions, and a group of the canvas that shows them. What is as it was is left alone: laying out anew
// what did not change is most of what a step of a slider would cost.

/** An SVG element to be: attributes, and children that are shapes or texts. */
function shape(tag, attributes = {}, ...children) {
  return { tag, attributes, children: children.filter((child) => child !== null), element: null };
}

/** Makes its element. */
function drawn(one) {
  one.element = svg(one.tag, one.attributes, ...one.children.map((child) => (typeof child === "string" ? child : drawn(child))));
  return one.element;
}

/** The element of `before` as `now` describes it; another one where they are not built alike. */
function redrawn(before, now) {
  const alike = before.tag === now.tag && before.children.length === now.children.length
    && before.children.every((child, i) => typeof child === typeof now.children[i]);
  if (!alike) { before.element.replaceWith(drawn(now)); return now.element; }
  const element = now.element = before.element;
  for (const [name, value] of Object.entries(now.attributes)) if (before.attributes[name] !== value) element.setAttribute(name, value);
  now.children.forEach((child, i) => {
    if (typeof child !== "string") redrawn(before.children[i], child);
    else if (child !== before.children[i]) element.childNodes[i].data = child;
  });
  return element;
}

/** Makes a group hold these shapes in this order: pairs of a key, by which one is known again, and a shape. */
function show(group, pairs) {
  const before = group.shapes || new Map(), now = group.shapes = new Map(pairs);
  for (const [key, one] of before) if (!now.has(key)) one.element.remove();
  let next = group.firstChild;
  for (const [key, one] of now) {
    const old = before.get(key), first = old !== undefined && old.element === next;
    const element = old === undefined ? drawn(one) : redrawn(old, one);
    if (first) next = element.nextSibling;
    else group.insertBefore(element, next);
  }
}
