// Interactive charts, drawn over the plain ones that the pages hold; made into charts.js at set-up.
import * as Plot from "@observablehq/plot";

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const tick = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** A time as people say it. */
function duration(seconds) {
  if (seconds < 60) return `${Number(seconds.toPrecision(2))} s`;
  return seconds < 3600 ? `${Number((seconds / 60).toPrecision(2))} min` : `${Number((seconds / 3600).toPrecision(2))} h`;
}

const TIMES = [0.001, 0.01, 0.1, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000, 36000, 72000, 180000, 360000];
const memory = (mib) => (mib < 1024 ? `${number.format(Math.round(mib))} MiB` : `${(mib / 1024).toFixed(1)} GiB`);
const COSTS = [
  { key: "seconds", label: "time of a run, median", short: "time", tell: duration },
  { key: "peak_mb", label: "peak memory", short: "memory", tell: memory },
  { key: "parameters", label: "parameters touched", short: "parameters", tell: compact.format },
  { key: "examples", label: "training examples", short: "examples", tell: compact.format },
];
const KINDS = { null: "floor", floor: "floor", ceiling: "ceiling", method: "method" };
const CHARACTER = 7;
const LINE = 15;
const LONGEST = 24;
const FEW = 30;
const MARGIN = 52;
const COLOURS = { ink: "--ink", soft: "--soft", line: "--line", raised: "--raised", method: "--accent", floor: "--floor", ceiling: "--ceiling" };

/** The page's own colours, as its style sheet has them in light or dark at this moment. */
function colours() {
  const probe = document.createElement("span");
  document.body.append(probe);
  const found = {};
  for (const [key, name] of Object.entries(COLOURS)) {
    probe.style.color = `var(${name})`;
    found[key] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const score = (value, unit) => (unit === "fraction" ? (100 * value).toFixed(1) : number.format(value));

/** The points that no other beats in both score and cost, cheapest first. */
function front(points, key, higher) {
  const better = (a, b) => (higher ? a > b : a < b);
  const kept = [];
  for (const p of [...points].sort((a, b) => a[key] - b[key] || (better(a.value, b.value) ? -1 : 1))) {
    if (!kept.length || better(p.value, kept.at(-1).value)) kept.push(p);
  }
  return kept;
}

function told(p, cost, data) {
  const unit = data.unit === "fraction" ? " %" : "";
  const ends = isNumber(p.low) && isNumber(p.high) ? ` (${score(p.low, data.unit)} to ${score(p.high, data.unit)})` : "";
  return `${p.label}\n${data.metric}: ${score(p.value, data.unit)}${unit}${ends}\n${cost.short}: ${cost.tell(p[cost.key])}`;
}

// Where a name may stand from its point, the best place first: right and down in pixels, and its anchor.
const NEAR = [[0, -12, "middle"], [11, 4, "start"], [-11, 4, "end"], [0, 22, "middle"]];
const FAR = [-24, 30, 46, -40, 62, 78].flatMap((dy) => [22, 40].flatMap((dx) => [[dx, dy, "start"], [-dx, dy, "end"]]));

/** Names beside the points, the front's first; of the front, or of few points, one without room stands further off with a line. */
function nameIn(svg, points, onFront, x, y, c) {
  const [ofX, ofY] = [svg.scale("x"), svg.scale("y")];
  const at = new Map(points.map((p) => [p, [ofX.apply(x(p)), ofY.apply(y(p))]]));
  const taken = [...at.values()].map(([px, py]) => [px - 6, py - 6, px + 6, py + 6]);
  const crosses = (a) => taken.some((b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]);
  const gap = (box, [px, py]) => Math.hypot(Math.max(box[0] - px, 0, px - box[2]), Math.max(box[1] - py, 0, py - box[3]));
  const width = Number(svg.getAttribute("width"));
  const [bottom] = ofY.range;
  const made = (tag, props, text = "") => {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(props)) shape.setAttribute(key, value);
    shape.textContent = text;
    return shape;
  };
  const names = made("g", { class: "names", "aria-hidden": "true", "pointer-events": "none" });
  for (const [p, [px, py]] of at) {
    const text = p.label.length > LONGEST ? `${p.label.slice(0, LONGEST - 1)}…` : p.label;
    const long = CHARACTER * text.length;
    for (const [dx, dy, anchor] of [...NEAR, ...(onFront.has(p) || points.length <= FEW ? FAR : [])]) {
      const left = px + dx - { start: 0, middle: long / 2, end: long }[anchor];
      const box = [left, py + dy - LINE + 4, left + long, py + dy + 4];
      if (box[0] < MARGIN || box[2] > width || box[1] < 0 || box[3] > bottom + 2 || crosses(box)) continue;
      const far = Math.abs(dy) > 22;
      // A name nearer to another point would read as that one's.
      if (!far && [...at.values()].some((other) => gap(box, other) < gap(box, [px, py]))) continue;
      taken.push(box);
      if (far) {
        const end = { x2: px + 0.85 * dx, y2: py + dy - (dy > 0 ? 4 : 0) };
        names.append(made("line", { x1: px, y1: py, ...end, stroke: c.soft, "stroke-opacity": 0.6 }));
      }
      names.append(made("text", {
        x: px + dx, y: py + dy, "text-anchor": anchor, fill: c.ink, stroke: c.raised, "stroke-width": 3, "paint-order": "stroke",
      }, text));
      break;
    }
  }
  svg.append(names);
}

/** The ends of the cost axis: what the competitors cost, and a little beyond. */
function ends(costs) {
  const [low, high] = [Math.log10(Math.min(...costs)), Math.log10(Math.max(...costs))];
  const beyond = Math.max(0.1 * (high - low), 0.2);
  return [10 ** (low - beyond), 10 ** (high + beyond)];
}

/** The scale of perplexities, which differ by factors: their range and 8 % beyond, five ticks; an interval may go on. */
function factors(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const beyond = high > low ? (high / low) ** 0.08 : 1.1;
  const [from, to] = [Math.max(1, low / beyond), high * beyond];
  const ticks = [0, 1, 2, 3, 4].map((k) => from * (to / from) ** (k / 4));
  return { type: "log", domain: [from, to], clamp: true, ticks, tickFormat: (value) => tick.format(value) };
}

function pareto(data, cost, width) {
  const c = colours();
  const points = data.points.filter((p) => isNumber(p.value) && isNumber(p[cost.key]) && p[cost.key] > 0);
  const kind = (p) => KINDS[p.role] ?? "method";
  const rivals = points.filter((p) => kind(p) === "method");
  const step = front(rivals, cost.key, data.higher);
  const onFront = new Set(step);
  const percent = data.unit === "fraction";
  const byFactor = data.unit === "perplexity" && points.every((p) => p.value >= 1);
  const end = (name) => (p) => (percent ? 100 * p[name] : p[name]);
  const [x, y] = [(p) => p[cost.key], end("value")];
  const bars = points.filter((p) => isNumber(p.low) && isNumber(p.high));
  const clock = cost.key === "seconds";
  // The axis fits the competitors: a floor or ceiling that costs far less or more stands at its edge.
  const domain = ends((rivals.length ? rivals : points).map(x));
  const options = {
    width,
    height: Math.max(300, Math.min(440, width * 0.6)),
    marginLeft: MARGIN,
    marginBottom: 44,
    marginTop: 30,
    marginRight: 28,
    ariaLabel: `${data.metric} against ${cost.label}`,
    style: { background: "transparent", color: c.soft, fontFamily: "inherit", fontSize: "12px", overflow: "visible" },
    x: { type: "log", label: `${cost.label} →`, domain, clamp: true, ticks: Math.max(3, width / 150), tickFormat: cost.tell, axis: clock ? null : "bottom" },
    y: { ...(byFactor ? factors(points.map(y)) : { nice: true }), label: `${data.higher ? "↑" : "↓"} ${data.metric}${percent ? ", %" : ""}`, grid: true },
    r: { type: "identity" },
    color: { domain: ["method", "floor", "ceiling"], range: [c.method, c.floor, c.ceiling] },
  };
  const times = TIMES.filter((t) => t >= domain[0] && t <= domain[1]);
  const every = Math.ceil(times.length / Math.max(2, Math.floor(width / 90)));
  const marks = [
    // A logarithmic axis of its own would name powers of ten alone: a minute is none.
    clock ? Plot.axisX(times.filter((_, i) => i % every === 0), { text: duration, label: `${cost.label} →` }) : null,
    Plot.line(step, { x, y, curve: "step-after", stroke: c.method, strokeOpacity: 0.3, strokeWidth: 4, ariaHidden: "true" }),
    Plot.ruleX(bars, { x, y1: end("low"), y2: end("high"), stroke: kind, strokeOpacity: 0.4, strokeWidth: 2, ariaHidden: "true" }),
    Plot.dot(points, {
      x, y, r: (p) => (onFront.has(p) ? 6 : 4.5), fill: kind, stroke: c.raised, strokeWidth: 1.5,
      href: "href", ariaLabel: (p) => told(p, cost, data).replaceAll("\n", ", "),
    }),
  ];
  const svg = Plot.plot({
    ...options,
    marks: [
      ...marks,
      Plot.tip(points, Plot.pointer({ x, y, title: (p) => told(p, cost, data), fill: c.raised, stroke: c.line, textPadding: 9 })),
    ],
  });
  nameIn(svg, [...step, ...points.filter((p) => !onFront.has(p))], onFront, x, y, c);
  return svg;
}

/** Links in a chart show their tip on the keyboard's focus as they do under a pointer. */
function tipsOnFocus(svg) {
  svg.addEventListener("focusin", (event) => {
    const box = event.target.getBoundingClientRect();
    const where = { clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, bubbles: true };
    svg.dispatchEvent(new PointerEvent("pointerenter", { ...where, pointerType: "mouse" }));
    svg.dispatchEvent(new PointerEvent("pointermove", { ...where, pointerType: "mouse" }));
  });
  svg.addEventListener("focusout", () => svg.dispatchEvent(new PointerEvent("pointerleave", { pointerType: "mouse" })));
}

/** The names that Plot gives to groups of shapes: readers of a screen may not get names of what has no role. */
function unnamed(svg) {
  const clear = () => svg.querySelectorAll("g[aria-label]").forEach((group) => group.removeAttribute("aria-label"));
  svg.addEventListener("input", clear);
  clear();
  return svg;
}

/** Calls `draw` now, when the place becomes wider or narrower, and when light and dark change. */
function keepDrawn(place, draw) {
  let width = 0;
  const again = (force) => {
    const now = Math.round(place.clientWidth);
    if (now < 40 || (!force && Math.abs(now - width) < 2)) return;
    width = now;
    draw(now);
  };
  new ResizeObserver(() => again(false)).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => again(true));
  new MutationObserver(() => again(true)).observe(document.documentElement, { attributes: true, attributeFilter: ["class", "data-theme"] });
  again(true);
  return () => again(true);
}

function chooser(costs, chosen, changed, name) {
  const label = document.createElement("label");
  label.className = "choice";
  label.append("Cost: ");
  const select = document.createElement("select");
  select.name = name;
  for (const cost of costs) select.append(new Option(cost.label, cost.key, false, cost === chosen));
  select.addEventListener("change", () => changed(costs.find((cost) => cost.key === select.value)));
  label.append(select);
  return label;
}

function enhance(figure) {
  const source = document.getElementById(figure.dataset.pareto);
  const plain = figure.querySelector("svg");
  if (!source || !plain) return;
  const data = JSON.parse(source.textContent);
  const has = (cost) => data.points.some((p) => isNumber(p.value) && isNumber(p[cost.key]) && p[cost.key] > 0);
  const costs = COSTS.filter(has);
  if (!costs.length) return;
  let cost = costs[0];
  const place = document.createElement("div");
  place.className = "plot";
  plain.replaceWith(place);
  // What is said of the plain chart's one cost is not true of the others.
  figure.querySelectorAll("[data-plain]").forEach((told) => (told.hidden = true));
  const draw = keepDrawn(place, (width) => {
    const svg = unnamed(pareto(data, cost, width));
    place.replaceChildren(svg);
    tipsOnFocus(svg);
  });
  if (costs.length > 1) {
    const changed = (next) => {
      cost = next;
      draw();
    };
    place.before(chooser(costs, cost, changed, `${figure.dataset.pareto}-cost`));
  }
}

/** Dots of two methods along one axis, a row each part; parts: [{name, a, b, aLow, aHigh, bLow, bHigh}], in percent where the unit is. */
function pairs(place, data) {
  keepDrawn(place, (width) => {
    const c = colours();
    const fill = { domain: [data.a, data.b], range: [c.method, c.floor] };
    const rows = data.parts.flatMap((p) => [
      { part: p.name, who: data.a, value: p.a, low: p.aLow, high: p.aHigh },
      { part: p.name, who: data.b, value: p.b, low: p.bLow, high: p.bHigh },
    ]);
    const known = rows.filter((row) => isNumber(row.value));
    const both = data.parts.filter((p) => isNumber(p.a) && isNumber(p.b));
    const left = Math.min(width * 0.35, 14 + 7 * Math.max(...data.parts.map((p) => p.name.length)));
    const svg = unnamed(
      Plot.plot({
        width,
        height: 62 + 26 * data.parts.length,
        marginLeft: left,
        marginRight: 20,
        marginBottom: 38,
        ariaLabel: `${data.metric} of ${data.a} and ${data.b} by ${data.by}; the table has the values`,
        style: { background: "transparent", color: c.soft, fontFamily: "inherit", fontSize: "12px" },
        color: fill,
        x: { label: `${data.metric}${data.percent ? ", %" : ""} →`, grid: true, nice: true, ticks: Math.max(3, width / 110) },
        y: { type: "point", domain: data.parts.map((p) => p.name), label: null, tickSize: 0 },
        marks: [
          Plot.ruleY(both, { y: "name", x1: "a", x2: "b", stroke: c.line, strokeWidth: 3 }),
          Plot.ruleY(known.filter((row) => isNumber(row.low)), { y: "part", x1: "low", x2: "high", stroke: "who", strokeOpacity: 0.35, strokeWidth: 2 }),
          Plot.dot(known, { y: "part", x: "value", r: 4.5, fill: "who", stroke: c.raised, strokeWidth: 1.5,
            symbol: (row) => (row.who === data.a ? "circle" : "diamond2") }),
          Plot.tip(known, Plot.pointer({ y: "part", x: "value", title: (row) => `${row.who}\n${row.part}: ${number.format(row.value)}${data.percent ? " %" : ""}`, fill: c.raised, stroke: c.line })),
        ],
        symbol: { type: "identity" },
      }),
    );
    svg.setAttribute("role", "img");
    place.replaceChildren(svg);
  });
}

window.touchstoneCharts = { pairs };
document.querySelectorAll("figure[data-pareto]").forEach(enhance);
