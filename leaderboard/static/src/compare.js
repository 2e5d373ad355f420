// Two methods side by side, from the data files of this page; which two stands in the address.
"use strict";
{
  const data = window.touchstone?.compare;
  const root = document.getElementById("compare");
  const STEP = 50;
  const VIEWS = {
    won: "only the first is right",
    lost: "only the second is right",
    wrong: "neither is right",
    right: "both are right",
    logged: "logged in full",
  };

  const el = (tag, props = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return made;
  };
  const name = (text) => el("bdi", {}, text);
  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
  const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
  const whole = new Intl.NumberFormat("en");
  const number = (value, unit) =>
    !isNumber(value) ? "–" : unit === "s" && value !== 0 && Math.abs(value) < 0.001 ? "< 1 ms" : unit === "fraction" ? (100 * value).toFixed(1) : (Number.isInteger(value) ? whole : plain).format(value) + (unit === "s" ? " s" : "");
  const signed = (value, unit) => {
    if (!isNumber(value)) return "–";
    const text = number(Math.abs(value), unit);
    return /[1-9]/.test(text) && !text.startsWith("<") ? (value > 0 ? "+" : "−") + text : text;
  };
  const pValue = (p) => (!isNumber(p) ? "–" : p < 0.001 ? "< 0.001" : p < 0.1 ? p.toFixed(3) : p.toFixed(2));
  const unitName = (unit) => (unit === "fraction" ? "%" : unit === "s" || unit === "count" ? "" : unit);

  // ---- what the address asks for -------------------------------------------------------------
  const state = { profile: 0, a: 0, b: 1, seed: "all", show: "won", notes: [] };

  // The values of a side stand in the order of the profile's seeds.
  for (const profile of data?.profiles ?? []) {
    for (const side of profile.sides) {
      side.seeds = Object.fromEntries(profile.seeds.map((seed, i) => [seed, side.values[i]]).filter(([, value]) => value !== null));
    }
  }

  function read() {
    const asked = new URLSearchParams(location.search);
    const at = data.profiles.findIndex((p) => p.profile === asked.get("profile"));
    const usable = data.profiles.findIndex((p) => p.sides.length > 1);
    state.profile = at >= 0 && data.profiles[at].sides.length > 1 ? at : usable;
    const sides = data.profiles[state.profile].sides;
    const find = (label) => sides.findIndex((side) => side.label === label);
    const ranked = sides.map((side, i) => (side.role ? -1 : i)).filter((i) => i >= 0);
    const [first, second] = ranked.length > 1 ? ranked : [0, 1];
    state.a = find(asked.get("a")) >= 0 ? find(asked.get("a")) : first;
    state.b = find(asked.get("b")) >= 0 ? find(asked.get("b")) : state.a === second ? first : second;
    const used = { profile: data.profiles[state.profile].profile, a: sides[state.a].label, b: sides[state.b].label };
    state.notes = Object.keys(used).filter((key) => asked.has(key) && asked.get(key) !== used[key])
      .map((key) => `There is no "${asked.get(key).slice(0, 80)}" to compare here: ${used[key]} is shown.`);
    state.seed = asked.get("seed") ?? "all";
    state.show = asked.get("show") in VIEWS ? asked.get("show") : "won";
  }

  function write() {
    const profile = data.profiles[state.profile];
    const address = new URL(location.href);
    const set = (key, value) => address.searchParams.set(key, value);
    set("profile", profile.profile);
    set("a", profile.sides[state.a].label);
    set("b", profile.sides[state.b].label);
    for (const [key, usual] of [["seed", "all"], ["show", "won"]]) {
      if (state[key] === usual) address.searchParams.delete(key);
      else set(key, state[key]);
    }
    history.replaceState(null, "", address);
  }

  // ---- the examples, loaded when two methods are picked ---------------------------------------
  const loading = new Map();
  function load(file) {
    if (!loading.has(file)) {
      loading.set(
        file,
        new Promise((done) => {
          document.head.append(el("script", { src: data.samples + file, onload: () => done(true), onerror: () => done(false) }));
        }),
      );
    }
    return loading.get(file);
  }

  /** Example number to how right it was, 0 to 1; missing where nobody said. */
  function verdicts(seed) {
    const found = new Map();
    const index = (i) => (seed.index ? seed.index[i] : i);
    if (seed.bits !== undefined) {
      const bytes = atob(seed.bits);
      for (let i = 0; i < seed.n; i++) found.set(index(i), (bytes.charCodeAt(i >> 3) >> (i & 7)) & 1);
    } else {
      seed.grades.forEach((grade, i) => grade >= 0 && found.set(index(i), grade / 255));
    }
    return found;
  }

  function textsOf(samples, seed) {
    const found = new Map();
    for (const [index, shared, said] of samples.seeds[seed].texts) {
      const [input, target] = touchstone.texts[shared];
      found.set(index, { input, target, output: said === -1 ? target : said === -2 ? null : samples.outputs[said] });
    }
    return found;
  }

  /** A text, or a picture where it is one and nothing else. */
  function shown(text) {
    if (text === null || text === undefined) return el("span", { class: "none" }, "–");
    if (/^data:image\/png;base64,iVBORw0KGgo[A-Za-z0-9+/]*={0,2}$/.test(text)) {
      return el("img", { class: "sample", src: text, alt: "logged picture" });
    }
    return name(text);
  }

  // ---- tables ----------------------------------------------------------------------------------
  function table(label, heads, rows, kind = "compact") {
    const head = heads.map(([text, numeric]) => el("th", { scope: "col", class: numeric ? "num" : null }, text));
    return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
      el("table", { class: kind }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)));
  }
  const cell = (text) => el("td", { class: "num" }, text);
  const key = (side, which) => el("span", { class: `key-${which}` }, name(side.label));

  function pairOf(profile) {
    for (const [i, j, difference, low, high, p, holm, effect, seeds, wins, over] of profile.pairs) {
      if (i === state.a && j === state.b) return { difference, low, high, p, holm, effect, seeds, wins, over };
      if (i === state.b && j === state.a) {
        const turn = (value) => (isNumber(value) ? -value : value);
        const [won, lost, tied] = wins ?? [];
        return { difference: turn(difference), low: turn(high), high: turn(low), p, holm, effect: turn(effect), seeds, wins: wins && [lost, won, tied], over };
      }
    }
    return null;
  }

  function headline(profile, a, b, pair) {
    const points = profile.unit === "fraction" ? "points" : unitName(profile.unit);
    if (!pair) {
      return [
        el("p", { class: "headline" }, "Statistics of this pair are not on the page; a terminal has them:"),
        el("pre", {}, `suite compare ${quoted(a.method)} ${quoted(b.method)} --task ${quoted(data.task)} --profile ${quoted(profile.profile)}`),
      ];
    }
    if (!isNumber(pair.difference)) return [el("p", { class: "headline" }, "The two have no seed in common.")];
    const decided = isNumber(pair.low) && (pair.low > 0 || pair.high < 0);
    const aBetter = pair.difference > 0 === profile.higher;
    // Neither varies over its seeds: they are one run each, and say nothing of chance.
    const fixed = !isNumber(pair.low) && pair.seeds > 1;
    const neutral = fixed || profile.higher === null || profile.higher === undefined;
    const words = neutral
      ? [name(a.label), " less ", name(b.label), ": "]
      : !decided
      ? [name(a.label), " and ", name(b.label), " are ", el("b", {}, "not told apart"), ": "]
      : [name(aBetter ? a.label : b.label), " is ", el("b", {}, "better"), " than ", name(aBetter ? b.label : a.label), ": "];
    const size = `${signed(pair.difference, profile.unit)} ${points}`.trim();
    const ends = isNumber(pair.low)
      ? `, 95 % interval ${signed(pair.low, profile.unit)} to ${signed(pair.high, profile.unit)}`
      : fixed ? ", the same for all seeds" : ", no interval from one seed";
    const facts = [];
    if (isNumber(pair.p)) facts.push(`Sign-flip p ${pValue(pair.p)}${isNumber(pair.holm) ? `, Holm's p ${pValue(pair.holm)}` : ""}`);
    if (isNumber(pair.effect)) {
      const told = Math.abs(pair.effect) >= 1e9 ? `${pair.effect > 0 ? "" : "−"}∞` : pair.effect.toFixed(2).replace("-", "−");
      facts.push(`effect dz ${told}`);
    }
    if (isNumber(pair.over)) facts.push(`p over examples ${pValue(pair.over)}`);
    facts.push(`${pair.seeds} shared seed${pair.seeds === 1 ? "" : "s"}`);
    return [
      el("p", { class: "headline" }, words, size, ends, "."),
      el("p", { class: "note" }, `${facts.join("; ")}. The difference is `, name(a.label), " less ", name(b.label), ", seed by seed."),
    ];
  }
  const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

  function seedTable(profile, a, b) {
    const seeds = [...new Set([...Object.keys(a.seeds), ...Object.keys(b.seeds)])].sort((x, y) => x - y);
    const value = (side, seed) => {
      const text = number(side.seeds[seed], profile.unit);
      return cell(side.runs[seed] ? el("a", { href: side.runs[seed], "aria-label": `${text}: run of ${side.label}, seed ${seed}` }, text) : text);
    };
    const rows = seeds.map((seed) => {
      const both = isNumber(a.seeds[seed]) && isNumber(b.seeds[seed]);
      return el("tr", {}, el("th", { scope: "row" }, seed), value(a, seed), value(b, seed),
        cell(both ? signed(a.seeds[seed] - b.seeds[seed], profile.unit) : "–"));
    });
    return table("By seed", [["Seed"], [key(a, "a"), true], [key(b, "b"), true], ["Difference", true]], rows);
  }

  function meanCell(mean, unit) {
    if (!mean) return cell("–");
    const ends = isNumber(mean[1]) && mean[2] > mean[1] ? el("small", {}, `${number(mean[1], unit)} to ${number(mean[2], unit)}`) : null;
    return el("td", { class: "num" }, number(mean[0], unit), ends);
  }

  function partTable(label, first, parts, a, b) {
    const rows = parts.map(({ text, unit, ofA, ofB }) =>
      el("tr", {}, el("th", { scope: "row" }, name(text)), meanCell(ofA, unit), meanCell(ofB, unit),
        cell(ofA && ofB ? signed(ofA[0] - ofB[0], unit) : "–")));
    return table(label, [[first], [key(a, "a"), true], [key(b, "b"), true], ["Difference of means", true]], rows);
  }

  function chart(place, profile, a, b, by, parts) {
    if (!window.touchstoneCharts || !parts.length || parts.length > 40) return;
    const percent = profile.unit === "fraction";
    const scale = (value) => (isNumber(value) ? (percent ? 100 * value : value) : null);
    const scaled = parts.map((part) => Object.fromEntries(Object.entries(part).map(([k, v]) => [k, k === "name" ? v : scale(v)])));
    const plot = el("div", { class: "plot" });
    place.append(plot);
    window.touchstoneCharts.pairs(plot, { a: a.label, b: b.label, metric: profile.metric, percent, by, parts: scaled });
  }

  // ---- the page ----------------------------------------------------------------------------------
  function choose(label, which, options, chosen, changed) {
    const select = el("select", { name: label, onchange: () => changed(select.value) },
      options.map(([value, text]) => el("option", { value, selected: String(value) === String(chosen) }, text)));
    return el("label", { class: which }, el("span", { class: /^[ab]$/.test(which) ? `key-${which}` : null }, label), select);
  }

  function controls(profile) {
    const sides = profile.sides.map((side, i) => [i, side.label + (side.role ? ` (${side.role})` : "")]);
    const pick = (which) => (value) => {
      const other = which === "a" ? "b" : "a";
      const was = state[which];
      state[which] = Number(value);
      state.notes = [];
      if (state.a === state.b) state[other] = was;
      draw();
    };
    const profiles = data.profiles.map((p, i) => [i, p.profile]).filter(([i]) => data.profiles[i].sides.length > 1);
    const changeProfile = (value) => {
      const labels = [profile.sides[state.a].label, profile.sides[state.b].label];
      const address = new URL(location.href);
      address.searchParams.set("profile", data.profiles[value].profile);
      address.searchParams.set("a", labels[0]);
      address.searchParams.set("b", labels[1]);
      history.replaceState(null, "", address);
      read();
      draw();
    };
    const swap = () => {
      [state.a, state.b] = [state.b, state.a];
      const turned = { won: "lost", lost: "won" };
      state.show = turned[state.show] ?? state.show;
      draw();
    };
    return el("form", { class: "versus", onsubmit: (event) => event.preventDefault() },
      profiles.length > 1 ? choose("Profile", "wide", profiles, state.profile, changeProfile) : null,
      choose("First method", "a", sides, state.a, pick("a")),
      el("button", { type: "button", onclick: swap, "aria-label": "Swap the two methods" }, "⇄"),
      choose("Second method", "b", sides, state.b, pick("b")));
  }

  // One and the same element, so that a reader of the screen hears what changes in it.
  const live = el("div", { "aria-live": "polite" });

  function draw() {
    const focused = root.contains(document.activeElement) ? document.activeElement.name || document.activeElement.textContent : null;
    write();
    const profile = data.profiles[state.profile];
    const [a, b] = [profile.sides[state.a], profile.sides[state.b]];
    const same = state.a === state.b;
    const told = same ? [el("p", { class: "headline" }, "Choose two different methods.")] : headline(profile, a, b, pairOf(profile));
    live.replaceChildren(...state.notes.map((text) => el("p", { class: "note warn" }, text)), ...told);
    root.replaceChildren(el("h2", {}, "Two methods"), controls(profile), live);
    root.hidden = false;
    if (same) return;
    const bySeed = el("div", {}, el("h3", {}, "By seed"));
    const bySlice = el("div", {}, el("h3", {}, profile.slices.length ? "By slice" : "Over seeds"));
    const examples = el("div", {});
    root.append(el("div", { class: "halves" }, bySeed, bySlice), examples);
    const seeds = Object.keys({ ...a.seeds, ...b.seeds }).sort((x, y) => x - y);
    chart(bySeed, profile, a, b, "seed", seeds.map((seed) => ({ name: `seed ${seed}`, a: a.seeds[seed], b: b.seeds[seed] })));
    bySeed.append(seedTable(profile, a, b));
    const parts = [["whole test set", a.all, b.all], ...profile.slices.map((part, i) => [part, a.slices[i], b.slices[i]])];
    const ends = (mean, at) => (mean ? mean[at] : null);
    chart(bySlice, profile, a, b, "slice", parts.map(([text, x, y]) => ({
      name: text, a: ends(x, 0), aLow: ends(x, 1), aHigh: ends(x, 2), b: ends(y, 0), bLow: ends(y, 1), bHigh: ends(y, 2),
    })));
    bySlice.append(partTable("By slice", "Slice", parts.map(([text, ofA, ofB]) => ({ text, unit: profile.unit, ofA, ofB })), a, b));
    const others = profile.others
      .map(([text, unit], i) => ({ text, unit, ofA: a.others[i], ofB: b.others[i] }))
      .filter((part) => part.ofA || part.ofB);
    if (others.length) bySeed.append(el("h3", {}, "Other metrics"), partTable("Other metrics", "Metric", others, a, b));
    if (focused) [...root.querySelectorAll("select, button")].find((e) => (e.name || e.textContent) === focused)?.focus();
    drawExamples(examples, a, b);
  }

  async function drawExamples(place, a, b) {
    if (!a.samples || !b.samples) return;
    const files = [`${a.samples}.js`, `${b.samples}.js`, ...(data.texts ? ["texts.js"] : [])];
    const loaded = await Promise.all(files.map(load));
    if (!place.isConnected) return;
    if (loaded.includes(false)) {
      place.append(el("h3", {}, "Examples"), el("p", { class: "note" }, "The files of the logged examples are not beside this page."));
      return;
    }
    const [x, y] = [a, b].map((side) => touchstone.samples[side.samples]);
    const seeds = Object.keys(x.seeds).filter((seed) => seed in y.seeds);
    if (!seeds.length) return;
    if (!seeds.includes(state.seed)) state.seed = "all";
    const all = compared(x, y, seeds);
    const list = el("div", {});
    const again = () => {
      write();
      examplesList(list, all, a, b);
    };
    place.replaceChildren(
      el("h3", {}, "Examples where they differ"),
      el("form", { class: "versus two", onsubmit: (event) => event.preventDefault() },
        choose("Seed", "seed", [["all", "all shared seeds"], ...seeds.map((s) => [s, `seed ${s}`])], state.seed, (value) => {
          state.seed = value;
          again();
        }),
        choose("Examples", "show", Object.entries(VIEWS), state.show, (value) => {
          state.show = value;
          again();
        })),
      list);
    again();
  }

  /** One row a seed and example that both logged. */
  function compared(x, y, seeds) {
    const rows = [];
    for (const seed of seeds) {
      const [ofA, ofB] = [verdicts(x.seeds[seed]), verdicts(y.seeds[seed])];
      const [textA, textB] = [textsOf(x, seed), textsOf(y, seed)];
      for (const [index, a] of ofA) {
        const b = ofB.get(index);
        if (b !== undefined) rows.push({ seed, index, a, b, said: textA.get(index), other: textB.get(index) });
      }
    }
    return rows;
  }

  const TESTS = {
    won: (row) => row.a > row.b,
    lost: (row) => row.a < row.b,
    wrong: (row) => row.a < 1 && row.a === row.b,
    right: (row) => row.a >= 1 && row.a === row.b,
    logged: (row) => row.said || row.other,
  };

  function examplesList(place, all, a, b) {
    const ofSeed = state.seed === "all" ? all : all.filter((row) => row.seed === state.seed);
    const count = (test) => whole.format(ofSeed.filter(test).length);
    const kept = ofSeed.filter(TESTS[state.show]);
    // Those with texts first: they are what can be looked at.
    kept.sort((x, y) => !!(y.said || y.other) - !!(x.said || x.other) || x.seed - y.seed || x.index - y.index);
    const body = el("tbody", {});
    const more = el("button", { type: "button", class: "show-more", onclick: () => add() });
    let done = 0;
    const word = (grade) => (grade >= 1 ? "right" : grade > 0 ? `${Math.round(100 * grade)} %` : "wrong");
    const verdict = (grade) => el("span", { class: `answer ${grade >= 1 ? "right" : "wrong"}` }, word(grade));
    const numbered = ({ said, seed, index }) =>
      said && a.runs[seed] ? el("a", { href: `${a.runs[seed]}#example-${index}` }, index) : `${index}`;
    const answer = (grade, text) => el("td", {}, verdict(grade), " ", text ? shown(text.output) : null);
    const add = () => {
      for (const row of kept.slice(done, done + STEP)) {
        const text = row.said ?? row.other;
        body.append(el("tr", {}, el("th", { scope: "row", class: "num" }, numbered(row)), el("td", { class: "num" }, row.seed),
          ...(text ? [el("td", {}, shown(text.input)), el("td", {}, shown(text.target))] : [el("td", { colspan: "2", class: "none" }, "text not logged")]),
          answer(row.a, row.said), answer(row.b, row.other)));
      }
      done = Math.min(done + STEP, kept.length);
      more.textContent = `Show ${Math.min(STEP, kept.length - done)} more of ${whole.format(kept.length - done)}`;
      more.hidden = done >= kept.length;
    };
    add();
    const heads = [["Example", true], ["Seed", true], ["Input"], ["Target"], [key(a, "a")], [key(b, "b")]];
    const head = heads.map(([text, numeric]) => el("th", { scope: "col", class: numeric ? "num" : null }, text));
    place.replaceChildren(
      el("p", { class: "counts", role: "status" },
        el("b", {}, count(TESTS.won)), " only ", name(a.label), " ", el("b", {}, count(TESTS.lost)), " only ", name(b.label), " ",
        el("b", {}, count(TESTS.right)), " both right ", el("b", {}, count(TESTS.wrong)), " neither"),
      kept.length
        ? el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Examples" },
            el("table", { class: "samples versus-samples" }, el("thead", {}, el("tr", {}, head)), body))
        : el("p", { class: "empty" }, "There are none."),
      more);
  }

  if (data && root && data.profiles.some((p) => p.sides.length > 1)) {
    read();
    draw();
    addEventListener("popstate", () => {
      read();
      draw();
    });
  }
}
