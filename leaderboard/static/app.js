// Sorting, filtering, search, theme and copying. Without this script the pages are complete as they are.
"use strict";

// What a reader chose lives in the address, so that a view can be linked: KEY.sort, KEY.q and so on.
const state = {
  read: () => new URLSearchParams(location.search),
  write(changes) {
    const now = state.read();
    for (const [name, value] of Object.entries(changes)) value ? now.set(name, value) : now.delete(name);
    const text = now.toString();
    try {
      history.replaceState(null, "", (text ? "?" + text : location.pathname.split("/").pop()) + location.hash);
    } catch {
      // A page that may not change its address works without doing so.
    }
  },
};

const named = (key, name) => (key ? `${key}.${name}` : name);
const AT_ONCE = 20;
const collator = new Intl.Collator("en", { numeric: true });

class DataTable {
  constructor(table) {
    this.key = table.dataset.table;
    this.table = table;
    this.body = table.tBodies[0];
    this.heads = [...table.tHead.rows[0].cells];
    this.rows = [...this.body.rows].map((row, place) => ({ row, place, data: row.dataset, keys: [], shown: true }));
    this.beats = this.ranking();
    this.form = document.querySelector(`form.tools[data-for="${CSS.escape(this.key)}"]`);
    this.heads.forEach((head, i) => this.sortable(head, i));
    if (this.form) this.filterable();
    this.restore();
  }

  ranking() {
    const source = document.getElementById(this.table.dataset.beats || "");
    return source ? JSON.parse(source.textContent) : null;
  }

  sortable(head, i) {
    if ("fixed" in head.dataset) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const first = head.matches(".num") && i > 0 ? "descending" : "ascending";
      this.sort(i, now ? (now === "ascending" ? "descending" : "ascending") : first);
      state.write({ [named(this.key, "sort")]: (head.getAttribute("aria-sort") === "descending" ? "-" : "") + i });
    });
  }

  // The keys of a column are read once: reading the page is what takes time.
  keysOf(i) {
    for (const item of this.rows) {
      if (item.keys[i] !== undefined) continue;
      const cell = item.row.cells[i];
      const given = cell.dataset.value;
      item.keys[i] = given === undefined ? cell.textContent.trim() : given === "" ? null : Number(given);
    }
  }

  sort(i, direction) {
    this.keysOf(i);
    const sign = direction === "ascending" ? 1 : -1;
    // Missing values stay at the end whichever way the column is sorted.
    this.rows.sort((a, b) => {
      const [x, y] = [a.keys[i], b.keys[i]];
      if (x === null || y === null) return (x === null) - (y === null) || a.place - b.place;
      return sign * (typeof x === "number" ? x - y : collator.compare(x, y)) || a.place - b.place;
    });
    for (const head of this.heads) head.removeAttribute("aria-sort");
    this.heads[i].setAttribute("aria-sort", direction);
    this.arrange();
  }

  // Moving and laying out hundreds of rows takes longer than a reader should wait: those that will be seen
  // first are put in place at once, the others a few at a time in the frames after.
  arrange() {
    const rows = this.rows.map((item) => item.row);
    if (rows.length <= 2 * AT_ONCE) {
      this.body.append(...rows);
      return;
    }
    const first = new Set(rows.filter((row) => !row.hidden).slice(0, AT_ONCE));
    for (const row of rows) row.classList.toggle("later", !first.has(row));
    this.body.prepend(...first);
    this.afterwards(rows, (some) => {
      this.body.append(...some);
      some.forEach((row) => row.classList.remove("later"));
    });
  }

  // Rows that a filter lets in again: likewise.
  reveal(rows) {
    for (const row of rows.slice(AT_ONCE)) row.classList.add("later");
    this.afterwards(rows.slice(AT_ONCE), (some) => some.forEach((row) => row.classList.remove("later")));
  }

  // Work on some rows a frame, begun in the frame after the one being drawn; what was begun before is done first.
  afterwards(rows, work) {
    this.finish?.();
    const left = [...rows];
    let frame = 0;
    const step = () => {
      work(left.splice(0, AT_ONCE));
      if (left.length) frame = requestAnimationFrame(step);
      else this.finish = null;
    };
    this.finish = () => {
      cancelAnimationFrame(frame);
      work(left);
    };
    if (left.length) frame = requestAnimationFrame(() => (frame = requestAnimationFrame(step)));
    else this.finish = null;
  }

  filterable() {
    this.form.hidden = false;
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", () => {
      this.filter();
      const chosen = {};
      for (const field of this.fields()) {
        chosen[named(this.key, field.name)] = field.type === "checkbox" ? (field.checked ? "1" : "") : field.value;
      }
      state.write(chosen);
    });
  }

  fields() {
    return [...this.form.elements].filter((field) => field.name);
  }

  filter() {
    const value = Object.fromEntries(this.fields().map((f) => [f.name, f.type === "checkbox" ? f.checked : f.value]));
    const words = (value.q || "").toLowerCase().split(/\s+/).filter(Boolean);
    const most = value.cost && value.max ? amount(value.max) : null;
    const same = ["role", "verdict", "family", "source"].filter((name) => value[name]);
    let shown = 0;
    const fresh = [];
    for (const item of this.rows) {
      item.kept = !(value.clean && "marked" in item.data) && this.within(item, value.cost, most);
      if (words.length) item.text ??= searchable(item.row);
      const found = words.every((word) => item.text.includes(word)) && same.every((n) => item.data[n] === value[n]);
      if ((item.kept && found) !== item.shown) {
        item.row.hidden = item.shown;
        if (!item.shown) fresh.push(item.row);
      }
      item.shown = item.kept && found;
      shown += item.shown;
    }
    this.reveal(fresh);
    const fewer = value.clean || most !== null;
    if (this.beats) this.rank(fewer);
    this.say(shown, fewer);
  }

  within(item, cost, most) {
    if (most === null) return true;
    const spent = Number(item.data[cost] ?? NaN);
    return spent <= most;
  }

  // Ranks among the rows that are kept: 1 + how many beat it, to how many it does not beat.
  rank(fewer) {
    if (!fewer && !this.reranked) return;
    this.reranked = fewer;
    const rivals = this.rows.filter((item) => "place" in item.data && this.given(item) !== "");
    const kept = new Set(rivals.filter((item) => item.kept).map((item) => Number(item.data.place)));
    const beating = new Map([...kept].map((place) => [place, 0]));
    for (const place of kept) {
      for (const other of this.beats[place]) if (kept.has(other)) beating.set(other, beating.get(other) + 1);
    }
    for (const item of rivals) {
      const place = Number(item.data.place);
      const cell = item.row.cells[0];
      if (fewer && kept.has(place)) {
        const best = 1 + beating.get(place);
        const worst = kept.size - this.beats[place].filter((other) => kept.has(other)).length;
        const range = best === worst ? "" : `<small>${best}–${worst}</small>`;
        cell.innerHTML = `<span class="place${best === 1 ? " first" : ""}">${best}</span>${range}`;
        cell.dataset.value = best;
      } else {
        cell.innerHTML = item.html;
        cell.dataset.value = item.value;
      }
      item.keys[0] = Number(cell.dataset.value);
    }
  }

  // The rank of a row among all, "" where it has none; kept before it is ever replaced.
  given(item) {
    const cell = item.row.cells[0];
    item.html ??= cell.innerHTML;
    item.value ??= cell.dataset.value;
    return item.value;
  }

  say(shown, fewer) {
    const count = this.form.querySelector(".count");
    const all = this.rows.length;
    const text = shown === all ? `${all} rows` : `${shown} of ${all} rows`;
    count.textContent = this.beats && fewer ? `${text}, ranked among those kept` : text;
  }

  restore() {
    const chosen = state.read();
    if (this.form) {
      for (const field of this.fields()) {
        const value = chosen.get(named(this.key, field.name));
        if (value === null) continue;
        if (field.type === "checkbox") field.checked = value === "1";
        else field.value = value;
      }
      this.filter();
    }
    const sort = /^(-?)(\d+)$/.exec(chosen.get(named(this.key, "sort")) || "");
    const head = sort && this.heads[+sort[2]];
    if (head && !("fixed" in head.dataset)) this.sort(+sort[2], sort[1] ? "descending" : "ascending");
  }
}

function searchable(row) {
  return [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
}

// A number as people write it: 1e6, 20k, 1.5M.
function amount(text) {
  const found = /^\s*([\d.,]+(?:e[+-]?\d+)?)\s*([kmg]?)\s*$/i.exec(text);
  if (!found) return null;
  const size = { "": 1, k: 1e3, m: 1e6, g: 1e9 }[found[2].toLowerCase()];
  const number = Number(found[1].replaceAll(",", "")) * size;
  return Number.isFinite(number) ? number : null;
}

class Search {
  constructor(form) {
    this.form = form;
    this.input = form.querySelector("input");
    this.list = form.querySelector(".hits");
    this.count = form.querySelector(".count");
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.list.querySelector("a")?.click();
    });
    this.input.addEventListener("focus", () => this.load(), { once: true });
    this.input.addEventListener("input", () => {
      state.write({ find: this.input.value });
      this.load().then(() => this.show());
    });
    form.addEventListener("keydown", (event) => this.move(event));
    const asked = state.read().get("find");
    if (asked) {
      this.input.value = asked;
      this.load().then(() => this.show());
    }
  }

  load() {
    this.loaded ??= new Promise((resolve) => {
      const script = document.createElement("script");
      script.src = "search.js";
      script.onload = script.onerror = resolve;
      document.head.append(script);
    });
    return this.loaded;
  }

  show() {
    const words = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = words.length ? window.touchstoneIndex || [] : [];
    const hits = [];
    for (const row of rows) {
      const [name, about] = [row[1].toLowerCase(), row[3].toLowerCase()];
      if (!words.every((word) => name.includes(word) || about.includes(word))) continue;
      hits.push([name.startsWith(words[0]) ? 0 : words.every((word) => name.includes(word)) ? 1 : 2, row]);
    }
    hits.sort((a, b) => a[0] - b[0]);
    this.list.replaceChildren(...hits.slice(0, 12).map(([, row]) => this.hit(row)));
    this.count.textContent = words.length ? `${hits.length} found${hits.length > 12 ? ", the first 12 are shown" : ""}` : "";
  }

  hit([kind, name, page, about]) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = page;
    const title = document.createElement("bdi");
    title.textContent = name;
    const tag = document.createElement("span");
    tag.className = "tag";
    tag.textContent = kind;
    const small = document.createElement("small");
    small.textContent = about;
    link.append(title);
    item.append(link, " ", tag, small);
    return item;
  }

  move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") {
      this.input.value = "";
      state.write({ find: "" });
      this.show();
      this.input.focus();
    }
    if (!step) return;
    const stops = [this.input, ...this.list.querySelectorAll("a")];
    const next = stops[stops.indexOf(document.activeElement) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }
}

function theme(button) {
  const root = document.documentElement;
  const order = ["system", "light", "dark"];
  const say = () => (button.querySelector("span").textContent = root.dataset.theme || "system");
  button.hidden = false;
  say();
  button.addEventListener("click", () => {
    const next = order[(order.indexOf(root.dataset.theme || "system") + 1) % order.length];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      localStorage.setItem("touchstone-theme", next);
    } catch {
      // The choice then lasts as long as the page.
    }
    say();
    document.dispatchEvent(new CustomEvent("themechange"));
  });
}

function copyable(text) {
  if (!navigator.clipboard) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "copied";
    } catch {
      button.textContent = "press Ctrl+C";
      getSelection().selectAllChildren(text);
    }
    setTimeout(() => (button.textContent = "copy"), 2000);
  });
  text.after(button);
}

document.querySelectorAll("button.theme").forEach(theme);
document.querySelectorAll("form.search").forEach((form) => new Search(form));
document.querySelectorAll("table[data-table]").forEach((table) => new DataTable(table));
// A copy button for each command is made when its row is opened: a table may hold hundreds.
document.querySelectorAll("[data-copy]").forEach((text) => {
  const folded = text.closest("details");
  if (folded && !folded.open) folded.addEventListener("toggle", () => copyable(text), { once: true });
  else copyable(text);
});

// In a long table a folded command is a button until it is asked for: fewer parts to lay out when rows move.
const LONG = 100;
document.querySelectorAll("table[data-table]").forEach((table) => {
  if (table.tBodies[0].rows.length < LONG) return;
  table.querySelectorAll("details.again").forEach((folded) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "unfold";
    button.textContent = folded.querySelector("summary").textContent;
    button.addEventListener("click", () => {
      folded.open = true;
      button.replaceWith(folded);
      folded.querySelector("summary").focus();
    });
    folded.replaceWith(button);
  });
});
document.documentElement.dataset.ready = "";
