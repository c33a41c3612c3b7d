// Moving about: the part of the picture that is seen, dragging, the wheel, and what the pointer is over.

/** The view of a canvas: a rectangle of the picture. */
function makeView(canvas) {
  const view = { x: 0, y: 0, w: 100, h: 100 };
  let wide = 1000, high = 600;
  new ResizeObserver(([{ contentRect: { width, height } }]) => {
    if (!width || !height || (width === wide && height === high)) return;
    const scale = Math.max(view.w / wide, view.h / high), [x, y] = [view.x + view.w / 2, view.y + view.h / 2];
    [wide, high] = [width, height];
    Object.assign(view, { w: wide * scale, h: high * scale, x: x - wide * scale / 2, y: y - high * scale / 2 });
    show();
  }).observe(canvas);
  const show = () => canvas.setAttribute("viewBox", `${view.x} ${view.y} ${view.w} ${view.h}`);
  return {
    now: view,
    /** Asks how big the canvas is: before a drawing, as afterwards the browser would lay it out to answer, and then again. */
    measure() { [wide, high] = [canvas.clientWidth || 1000, canvas.clientHeight || 600]; },
    /** Pixels of the picture in one of the screen. */
    scale: () => Math.max(view.w / wide, view.h / high),
    /** Shows all of a picture; one that is small at its own size. */
    fit(left, top, width, height) {
      const room = 24;
      const scale = Math.max((width + 2 * room) / wide, (height + 2 * room) / high, 0.75);
      Object.assign(view, { w: wide * scale, h: high * scale });
      view.x = left + width / 2 - view.w / 2;
      view.y = top + height / 2 - view.h / 2;
      show();
    },
    move(dx, dy) { view.x += dx; view.y += dy; show(); },
    zoom(by, x = view.x + view.w / 2, y = view.y + view.h / 2) {
      view.x = x - (x - view.x) * by;
      view.y = y - (y - view.y) * by;
      view.w *= by;
      view.h *= by;
      show();
    },
    /** Whether all of an item is to be seen. */
    holds: (item) => item.x >= view.x && item.y >= view.y && item.x + item.w <= view.x + view.w && item.y + item.h <= view.y + view.h,
    /** A point of the screen in the picture. */
    at(clientX, clientY) {
      const box = canvas.getBoundingClientRect(), k = this.scale();
      return [view.x + view.w / 2 + (clientX - box.left - box.width / 2) * k, view.y + view.h / 2 + (clientY - box.top - box.height / 2) * k];
    },
  };
}

/** Listens to pointer and wheel; `on` has select(target), open(target), drag(item, dx, dy), tip(target, x, y). */
function listenToPointer(canvas, view, on) {
  let start = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const held = event.target.closest("[data-item]");
    start = { x: event.clientX, y: event.clientY, target: event.target, item: held && (!held.dataset.box || event.target.closest(".head")) ? held.dataset.item : null, moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (start === null || !event.buttons) {
      on.tip(event.target.closest("[data-link],[data-item]"), event.clientX, event.clientY);
      return;
    }
    const dx = event.clientX - start.x, dy = event.clientY - start.y;
    if (!start.moved && Math.hypot(dx, dy) < 4) return;
    if (!start.moved) canvas.setPointerCapture(event.pointerId);
    start.moved = true;
    canvas.classList.add("moving");
    const k = view.scale();
    if (start.item !== null) on.drag(start.item, dx * k, dy * k);
    else view.move(-dx * k, -dy * k);
    start.x = event.clientX;
    start.y = event.clientY;
  });
  canvas.addEventListener("pointerup", (event) => {
    canvas.classList.remove("moving");
    const done = start;
    start = null;
    if (done === null || done.moved) return;
    if (done.target.closest(".marker,.grip,.head")) on.open(done.target);
    else if (event.detail === 2) on.open(done.target);
    else on.select(done.target);
  });
  canvas.addEventListener("pointerleave", () => on.tip(null));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, ...view.at(event.clientX, event.clientY));
  }, { passive: false });
}

/** Listens to keys anywhere on the page; `on` maps a key to what it does. */
function listenToKeys(canvas, view, on) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input[type=search],select,input[type=range],input.copy");
    if (event.key === "Escape") {
      event.preventDefault(); // the field of the search would empty itself, and the page be drawn twice
      on.Escape();
      return;
    }
    if (typing) return;
    const step = Math.min(view.now.w, view.now.h) / 8;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.key in moves && canvas.parentElement.contains(event.target)) view.move(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") view.zoom(1 / 1.25);
    else if (event.key === "-") view.zoom(1.25);
    else if ((event.key === "Enter" || event.key === " ") && canvas.contains(event.target)) on.Enter(event.target);
    else if (on[event.key.toLowerCase()] && event.key.length === 1) on[event.key.toLowerCase()]();
    else return;
    event.preventDefault();
  });
}
