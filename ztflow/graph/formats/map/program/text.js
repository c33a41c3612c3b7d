// Elements and texts. Names come from a log: they are set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with attributes and children; a text child is text. */
function html(tag, attributes = {}, ...children) {
  return made(document.createElement(tag), attributes, children);
}

/** An SVG element likewise. */
function svg(tag, attributes = {}, ...children) {
  return made(document.createElementNS(SVG, tag), attributes, children);
}

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const byId = (id) => document.getElementById(id);
const GROUPED = new Intl.NumberFormat("en-US");
const count = (number) => GROUPED.format(number);
const several = (number, what) => `${count(number)} ${number === 1 ? what : what === "vertex" ? "vertices" : `${what}s`}`;

/** Decimal units, three digits: `84 B`, `9.8 kB`, `1.2 GB`. */
function bytesText(bytes) {
  let value = bytes, power = 0;
  while (value >= 999.5 && power < 6) { value /= 1000; power += 1; }
  if (!power) return `${bytes} B`;
  return `${value < 99.95 ? value.toFixed(1) : Math.round(value)} ${["", "k", "M", "G", "T", "P", "E"][power]}B`;
}

function durationText(ms) {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 59950) return `${(ms / 1000).toFixed(1).replace(/\.0$/, "")} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${count(Math.floor(seconds / 3600))} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** A time of the log, microseconds since 1970, in UTC, with so many digits of a second's parts. */
function timeText(micros, digits) {
  const [seconds, part] = [Math.floor(micros / 1e6), String(micros % 1e6).padStart(6, "0").slice(0, digits)];
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}${part ? `.${part}` : ""}Z`;
}

/** A name that fits: the middle of a long one is left out. */
function shortName(name, most = 34) {
  if (name.length <= most) return name;
  const tail = Math.floor((most - 1) / 2);
  return `${name.slice(0, most - 1 - tail)}…${name.slice(-tail)}`;
}

/** A word of a shell command. */
function shellWord(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`;
}

/** A path of bars over time, one a step, for a box of that size. */
function bars(counts, width, height, most) {
  const wide = width / counts.length;
  return counts.map((value, i) => {
    if (!value) return "";
    const high = Math.max((value / most) * height, 1);
    return `M${(i * wide).toFixed(1)} ${height}v${-high.toFixed(1)}h${Math.max(wide - 0.5, 0.5).toFixed(1)}v${high.toFixed(1)}z`;
  }).join("");
}
