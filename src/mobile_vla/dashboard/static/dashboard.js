"use strict";
// What pages do beyond showing: local times, live progress, curves with a cursor, playing an episode.
(() => {
  const language = document.documentElement.lang;
  const main = document.querySelector("main");
  const connection = document.getElementById("connection");
  const curves = new Map();

  function localTimes(root) {
    const format = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
    for (const time of root.querySelectorAll("time[datetime]"))
      time.textContent = format.format(new Date(time.dateTime));
  }

  // Live: a row of progress is put in place; after any other change the content is fetched again.
  function showProgress(row) {
    for (const live of document.querySelectorAll(".live")) {
      if (live.dataset.run !== row.run) continue;
      live.querySelector(".live-text").textContent = row.text;
      const bar = live.querySelector("progress");
      if (bar && row.share !== null) bar.value = row.share;
    }
    for (const plot of document.querySelectorAll("[data-curves]"))
      if (plot.dataset.curves === row.run) follow(plot);
  }

  function place(element) {
    const steps = [];
    for (let at = element; at && at !== main; at = at.parentElement)
      steps.unshift([...at.parentElement.children].indexOf(at));
    return steps;
  }

  function at(steps) {
    return steps.reduce((element, step) => element && element.children[step], main);
  }

  let fetching = false, again = false;
  async function refresh() {
    if (fetching) { again = true; return; }
    fetching = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const after = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
      const editing = main.contains(document.activeElement) && document.activeElement.matches("input, select");
      if (after && !editing) replace(after);
    } catch { /* the server is away; the stream says so */ }
    fetching = false;
    if (again) { again = false; refresh(); }
  }

  // Its section and its place there: the numbers in its summary change.
  function nameOf(details) {
    const section = details.closest("section") || main;
    return section.id + " " + [...section.querySelectorAll("details")].indexOf(details);
  }

  function replace(after) {
    const focus = main.contains(document.activeElement) ? place(document.activeElement) : null;
    const open = [...main.querySelectorAll("details")].filter((details) => details.open).map(nameOf);
    const across = [...main.querySelectorAll(".scroll")].map((table) => table.scrollLeft);
    for (const plot of after.querySelectorAll("[data-curves]")) {
      const state = curves.get(plot.dataset.curves);
      if (state) plot.replaceWith(state.plot);
    }
    main.replaceChildren(...after.childNodes);
    for (const details of main.querySelectorAll("details"))
      if (open.includes(nameOf(details))) details.open = true;
    main.querySelectorAll(".scroll").forEach((table, index) => { table.scrollLeft = across[index] || 0; });
    if (focus) at(focus)?.focus({ preventScroll: true });
    start(main);
  }

  function listen() {
    const stream = new EventSource("/live?lang=" + language);
    stream.addEventListener("progress", (event) => showProgress(JSON.parse(event.data)));
    stream.addEventListener("changed", refresh);
    stream.onopen = () => { connection.textContent = "●"; };
    stream.onerror = () => { connection.textContent = "○"; };
    addEventListener("pagehide", () => stream.close());
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }

  // Curves: buckets [step, min, max] since a cursor; a browser holds no more than the server sends.
  function merge(before, part) {
    return before.slice(0, part.from).concat(part.buckets);
  }

  async function follow(plot) {
    const run = plot.dataset.curves;
    const state = curves.get(run) || { plot, cursor: "", train: [], val: [], busy: false };
    if (state.busy || typeof uPlot === "undefined") return;
    curves.set(run, state);
    state.busy = true;
    try {
      const address = "/curves/" + run.split("/").map(encodeURIComponent).join("/");
      const answer = await fetch(address + "?after=" + encodeURIComponent(state.cursor));
      if (answer.ok) {
        const news = await answer.json();
        if (news.cursor !== state.cursor || !state.chart) {
          state.train = merge(state.train, news.train_loss);
          state.val = merge(state.val, news.val_loss);
          state.cursor = news.cursor;
          draw(state);
        }
      }
    } catch { /* the next event tries again */ }
    state.busy = false;
  }

  function columns(state) {
    const steps = [...new Set([...state.train, ...state.val].map((bucket) => bucket[0]))].sort((a, b) => a - b);
    const train = new Map(state.train.map((bucket) => [bucket[0], bucket]));
    const val = new Map(state.val.map((bucket) => [bucket[0], bucket[1]]));
    const positive = (value) => (value > 0 ? value : null);
    return [steps, steps.map((x) => (train.has(x) ? positive(train.get(x)[1]) : undefined)),
      steps.map((x) => (train.has(x) ? positive(train.get(x)[2]) : undefined)),
      steps.map((x) => (val.has(x) ? positive(val.get(x)) : undefined))];
  }

  function draw(state) {
    const data = columns(state);
    if (!data[0].length) return;
    if (state.chart) { state.chart.setData(data); return; }
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue("--" + name).trim();
    const words = state.plot.dataset;
    const axis = { stroke: colour("soft"), grid: { stroke: colour("rule"), width: 1 } };
    const drawing = state.plot.querySelector("svg");
    const size = () => ({ width: Math.max(260, state.plot.clientWidth), height: 280 });
    state.chart = new uPlot({
      ...size(),
      scales: { x: { time: false }, y: { distr: 3 } },
      axes: [axis, { ...axis, size: 60 }],
      series: [{ label: words.step },
        { label: words.train + " min", stroke: colour("busy"), width: 1.2, spanGaps: true },
        { label: words.train + " max", stroke: colour("busy"), width: 1.2, spanGaps: true },
        { label: words.validation, stroke: colour("unsure"), width: 0, points: { show: true, size: 7, fill: colour("unsure") } }],
      bands: [{ series: [2, 1], fill: colour("busy") + "40" }],
    }, data, state.plot);
    if (drawing) drawing.remove();
    new ResizeObserver(() => state.chart.setSize(size())).observe(state.plot);
  }

  // An episode: the slider, the arrow keys and play move through frames; the address follows.
  function play(player) {
    const slider = player.querySelector("#frame-slider");
    const { base, id, last, width } = player.dataset;
    const show = (frame) => {
      const shown = Math.min(Math.max(0, frame), Number(last));
      player.querySelector("img").src = base + shown + "/" + id;
      slider.value = shown;
      player.querySelector("output").textContent = shown;
      for (const line of player.querySelectorAll(".cursor")) {
        const x = (width * shown) / Math.max(1, Number(last));
        line.setAttribute("x1", x); line.setAttribute("x2", x);
      }
      history.replaceState(null, "", "?frame=" + shown);
    };
    slider.hidden = false;
    slider.addEventListener("input", () => show(Number(slider.value)));
    player.querySelector("[rel=prev]").addEventListener("click", (event) => { event.preventDefault(); show(Number(slider.value) - 1); });
    player.querySelector("[rel=next]").addEventListener("click", (event) => { event.preventDefault(); show(Number(slider.value) + 1); });
  }

  function start(root) {
    localTimes(root);
    for (const plot of root.querySelectorAll("[data-curves]")) follow(plot);
    for (const player of root.querySelectorAll(".player")) play(player);
  }

  start(document);
  listen();
})();
