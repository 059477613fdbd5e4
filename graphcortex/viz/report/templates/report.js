(function () {
  "use strict";
  const drawn = JSON.parse(document.getElementById("drawn").textContent);
  const root = document.documentElement;
  /* No bar of buttons: the files stand below each figure, a drag zooms or turns, and two clicks go back. */
  const config = { displaylogo: false, displayModeBar: false, showSendToCloud: false, doubleClick: "reset" };
  const narrow = () => root.clientWidth < 700;
  /* On a phone a drag over a flat figure scrolls the page. */
  const drag = () => (narrow() ? false : "zoom");
  const value = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  /* A colour is written var(--name) in a figure, and looked up when it is drawn. */
  function dressed(spec) {
    if (typeof spec === "string") {
      const found = /^var\((--[\w-]+)\)$/.exec(spec);
      return found ? value(found[1]) : spec === "inherit" ? getComputedStyle(document.body).fontFamily : spec;
    }
    if (Array.isArray(spec)) return spec.map(dressed);
    if (spec && typeof spec === "object" && !ArrayBuffer.isView(spec)) {
      return Object.fromEntries(Object.entries(spec).map(([key, part]) => [key, dressed(part)]));
    }
    return spec;
  }

  const looks = (height) => ({
    height: height, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", uirevision: "stay",
    font: { family: "inherit", size: 13, color: "var(--ink-2)" },
    hoverlabel: { bgcolor: "var(--paper)", bordercolor: "var(--rule)", font: { color: "var(--ink)" } },
  });
  const below = { orientation: "h", tracegroupgap: 0, x: 0, y: -0.02, yanchor: "top", font: { color: "var(--ink)" } };
  const beside = { tracegroupgap: 0, x: 1.02, y: 1, font: { color: "var(--ink)" } };

  function flat(spec) {
    const layout = Object.assign({}, spec.layout, { dragmode: drag() });
    if (layout.showlegend) {
      /* On a phone the names stand below the axes, one or two to a line, in a space of their own. */
      const axes = narrow() ? 300 : 400;
      layout.height = narrow() ? axes + 22 * spec.legend : Math.max(axes, 60 + 22 * spec.legend);
      layout.legend = narrow() ? Object.assign({}, below, { y: -56 / (axes - 56) }) : Object.assign({}, beside, { x: 1.13 });
      /* Names of levels stand beside the axes where there is room, and cover no line. */
      if (!narrow()) layout.annotations = layout.annotations.map((name) => Object.assign({}, name, { x: 1.005, xanchor: "left", yanchor: "middle" }));
    }
    return { data: spec.data, layout: layout };
  }

  /* Neurons by module and edges by colour and width, in um: one line has one width in plotly. */
  function space(spec) {
    const [x, y, z] = drawn.places[spec.place];
    const tint = (colour) => (colour < 0 ? "var(--edge)" : `var(--c${colour})`);
    const data = [];
    const lines = new Map();
    spec.colours.forEach((colour, edge) => {
      const width = Number(spec.widths[edge]), name = colour + "/" + width;
      if (!lines.has(name)) lines.set(name, { colour: colour, width: width, x: [], y: [], z: [] });
      const line = lines.get(name);
      for (const end of [spec.ends[2 * edge], spec.ends[2 * edge + 1]]) {
        line.x.push(x[end]); line.y.push(y[end]); line.z.push(z[end]);
      }
      line.x.push(null); line.y.push(null); line.z.push(null);
    });
    for (const line of [...lines.values()].sort((a, b) => a.width - b.width)) {
      data.push({
        type: "scatter3d", mode: "lines", x: line.x, y: line.y, z: line.z, hoverinfo: "skip", showlegend: false,
        opacity: line.colour < 0 ? 0.3 : 0.6, line: { color: tint(line.colour), width: [1.2, 2.2, 4][line.width] * (narrow() ? 0.6 : 1) },
      });
    }
    const modules = [...new Set(spec.neurons)].sort((a, b) => (a < 0) - (b < 0) || a - b);
    for (const module of modules) {
      const chosen = spec.neurons.flatMap((rank, neuron) => (rank === module ? [neuron] : []));
      const name = module >= 0 ? `module ${module + 1} (${chosen.length})` : modules.length > 1 ? `others (${chosen.length})` : "neurons";
      data.push({
        type: "scatter3d", mode: "markers", name: name, text: chosen.map((neuron) => `neuron ${neuron}`),
        x: chosen.map((i) => x[i]), y: chosen.map((i) => y[i]), z: chosen.map((i) => z[i]),
        marker: { size: (spec.neurons.length > 400 ? 3 : 4) * (narrow() ? 0.6 : 1), color: tint(module), line: { width: 0.5, color: "var(--paper)" } },
        hovertemplate: "%{text}<br>%{x:.0f}, %{y:.0f}, %{z:.0f} µm<extra>" + name + "</extra>",
      });
    }
    const axis = (title, more) => Object.assign({
      title: { text: title }, gridcolor: "var(--grid)", zeroline: false, showbackground: false, color: "var(--ink-2)", nticks: 5,
      tickfont: { size: 11 },
    }, more);
    const layout = Object.assign(looks(narrow() ? 380 : 560), {
      margin: { l: 0, r: 0, t: 30, b: 0 },
      title: { text: [spec.title, spec.note].filter(Boolean).join(", "), x: 0, xanchor: "left", font: { size: 14, color: "var(--ink)" } },
      legend: Object.assign({ itemsizing: "constant" }, narrow() ? below : beside, narrow() ? {} : { x: 1 }),
      /* y runs downward. Turning z as well makes that a rotation, and not a mirror image. */
      scene: {
        aspectmode: "data", dragmode: "orbit",
        xaxis: axis("x (µm)"), yaxis: axis("y (µm)", { autorange: "reversed" }), zaxis: axis("z (µm)", { autorange: "reversed" }),
        camera: { up: { x: 0, y: 1, z: 0 }, center: { x: 0, y: -0.08, z: 0 }, eye: { x: 1.05, y: 0.6, z: narrow() ? 2.7 : 1.5 } },
      },
    });
    return { data: data, layout: layout };
  }

  function matrix(spec) {
    const bytes = Int8Array.from(atob(spec.cells), (letter) => letter.charCodeAt(0) << 24 >> 24);
    const rows = [];
    for (let row = 0; row < spec.side; row++) {
      rows.push(Array.from(bytes.subarray(row * spec.side, (row + 1) * spec.side), (b) => (b === -128 ? null : b / 127 * spec.limit)));
    }
    const wide = spec.neurons / spec.side;
    const signed = [[0, "var(--negative)"], [0.5, "var(--paper)"], [1, "var(--positive)"]];
    const axis = { range: [0, spec.neurons], showgrid: false, zeroline: false, ticks: "", constrain: "domain", linecolor: "var(--rule)", mirror: true, constraintoward: "left" };
    const side = Math.min(540, root.clientWidth - 40);
    const mark = { type: "line", line: { color: "var(--ink-2)", width: 0.8 } };
    const layout = Object.assign(looks(side + (narrow() ? 70 : 20)), {
      margin: { l: 60, r: 8, t: 34, b: 48 },
      title: { text: [spec.title, spec.note].filter(Boolean).join(", "), x: 0, xanchor: "left", font: { size: 14, color: "var(--ink)" } },
      xaxis: Object.assign({ title: { text: "target neuron, by module" } }, axis),
      yaxis: Object.assign({ title: { text: "source neuron, by module" }, scaleanchor: "x" }, axis, { range: [spec.neurons, 0], constraintoward: "top" }),
      plot_bgcolor: "var(--none)", dragmode: drag(),
      shapes: spec.ends.flatMap((end) => [
        Object.assign({ x0: end, x1: end, y0: 0, y1: spec.neurons }, mark), Object.assign({ y0: end, y1: end, x0: 0, x1: spec.neurons }, mark),
      ]),
    });
    const bar = { outlinewidth: 0, thickness: 12, ticks: "", tickfont: { color: "var(--ink-2)" } };
    if (!narrow()) layout.width = side + 130;
    return {
      data: [{
        type: "heatmap", z: rows, x0: wide / 2, dx: wide, y0: wide / 2, dy: wide, zmin: spec.signed ? -spec.limit : 0, zmax: spec.limit,
        colorscale: spec.signed ? signed : [[0, "var(--paper)"], [1, "var(--positive)"]],
        colorbar: narrow() ? Object.assign({ orientation: "h", y: -0.2, yanchor: "top" }, bar) : Object.assign({ len: 0.8, title: { text: "weight", side: "top" } }, bar),
        hovertemplate: "%{y:.0f} → %{x:.0f}: %{z:.3g}<extra></extra>",
      }],
      layout: layout,
    };
  }

  const builders = { curves: flat, metrics: flat, effects: flat, space: space, matrix: matrix };
  const chosen = {};
  const seen = new Set();

  function draw(name) {
    const figure = drawn.figures[name];
    const plot = document.getElementById("figure-" + name);
    const choice = figure.axes.map((axis) => chosen[axis] || 0);
    const spec = figure.specs[choice.join("/")];
    const files = document.querySelector(`[data-figure="${name}"] .files`);
    const found = spec && (drawn.files[name][choice.join("/")] || drawn.files[name][String(choice[0])]);
    files.replaceChildren(...(found || []).map((path) => {
      const link = document.createElement("a");
      link.href = path.split("/").map(encodeURIComponent).join("/");
      link.textContent = path.split(".").pop().toUpperCase();
      return link;
    }));
    files.hidden = !found;
    if (!spec) {
      Plotly.purge(plot);
      const words = document.createElement("p");
      words.className = "empty";
      words.textContent = "Nothing to draw here: no run of this choice has the numbers.";
      plot.replaceChildren(words);
      return Promise.resolve();
    }
    if (plot.querySelector(".empty")) plot.replaceChildren();
    const built = dressed(builders[name](spec));
    return Plotly.react(plot, built.data, built.layout, config);
  }

  const redraw = () => Promise.all([...seen].map(draw));

  /* The first choice for which a figure has something to show. */
  for (const figure of Object.values(drawn.figures)) {
    const first = Object.keys(figure.specs)[0];
    if (first) first.split("/").forEach((part, place) => {
      if (!(figure.axes[place] in chosen)) chosen[figure.axes[place]] = Number(part);
    });
  }
  for (const select of document.querySelectorAll("select[data-axis]")) {
    select.value = String(chosen[select.dataset.axis] || 0);
    select.addEventListener("change", () => {
      chosen[select.dataset.axis] = Number(select.value);
      for (const other of document.querySelectorAll(`select[data-axis="${select.dataset.axis}"]`)) other.value = select.value;
      redraw();
    });
  }
  for (const part of document.querySelectorAll(".choices")) part.hidden = false;

  const figures = document.querySelectorAll("[data-figure]");
  const show = (name) => { if (!seen.has(name)) { seen.add(name); return draw(name); } return Promise.resolve(); };
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { watcher.unobserve(entry.target); show(entry.target.dataset.figure); }
  }, { rootMargin: "400px" });
  figures.forEach((figure) => watcher.observe(figure));
  const showAll = () => Promise.all([...figures].map((figure) => show(figure.dataset.figure)));
  window.addEventListener("beforeprint", showAll);

  let width = root.clientWidth, waiting = 0;
  window.addEventListener("resize", () => {
    if (root.clientWidth === width) return;
    width = root.clientWidth;
    clearTimeout(waiting);
    waiting = setTimeout(redraw, 120);
  });

  const toggle = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const keep = (theme) => { try { localStorage.setItem("graphcortex-theme", theme); } catch (error) { /* private windows keep nothing */ } };
  const kept = () => { try { return localStorage.getItem("graphcortex-theme"); } catch (error) { return null; } };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const tell = () => toggle.setAttribute("aria-pressed", String(isDark()));
  if (kept() === "dark" || kept() === "light") root.dataset.theme = kept();
  toggle.hidden = false;
  tell();
  toggle.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; keep(root.dataset.theme); tell(); redraw(); });
  system.addEventListener("change", () => { tell(); redraw(); });
}());
