// Draws the line charts of a report. It runs in the browser, where uPlot is a global, as a module of the page itself.

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const dashes = [undefined, [8, 5], [2, 4]];
const charts = JSON.parse(document.getElementById("charts").textContent);
const places = [...document.querySelectorAll("[data-chart]")];
const plots = new Map();

for (const place of places) new ResizeObserver(() => resize(place)).observe(place);
// Colours are drawn, not styled: whatever changes them has to draw again.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
matchMedia("print").addEventListener("change", ({ matches }) => setPrinting(matches));
addEventListener("beforeprint", () => setPrinting(true));
addEventListener("afterprint", () => setPrinting(false));
drawAll();

function drawAll() {
  for (const place of places) draw(place);
}

function setPrinting(isPrinting) {
  document.documentElement.classList.toggle("printing", isPrinting);
  for (const details of document.querySelectorAll("details")) details.open = isPrinting || details.dataset.open === "";
  drawAll();
}

function draw(place) {
  const chart = charts[Number(place.dataset.chart)];
  plots.get(place)?.destroy();
  const data = [chart.xs, ...chart.lines.map(({ values }) => values)];
  plots.set(place, new uPlot(optionsOf(chart, place), data, place));
}

function resize(place) {
  const plot = plots.get(place);
  if (plot !== undefined && plot.width !== place.clientWidth) plot.setSize(sizeOf(place));
}

function sizeOf(place) {
  return { width: Math.max(200, place.clientWidth), height: place.clientWidth < 500 ? 260 : 340 };
}

function optionsOf(chart, place) {
  return {
    ...sizeOf(place),
    legend: { show: false },
    // Charts over time share their cursor.
    cursor: { drag: { x: false, y: false }, ...(chart.x.label === "seconds" && { sync: { key: "seconds" } }) },
    scales: {
      x: { time: false, ...scaleOf(chart.x), ...(!chart.x.isLog && { range: fromZero }) },
      y: { ...scaleOf(chart.y), range: rangeOf(chart) },
    },
    axes: [axisOf(chart.x, chart.xs), axisOf(chart.y)],
    series: [{}, ...chart.lines.map((line) => seriesOf(line, chart.xs))],
    hooks: { draw: [(plot) => drawIntervals(plot, chart)], setCursor: [(plot) => showValues(plot, chart, place)] },
  };
}

function scaleOf({ isLog }) {
  return isLog ? { distr: 3, log: 10 } : {};
}

function fromZero(_, __, most) {
  return [0, most * 1.02 || 1];
}

/** Intervals are in it; from zero where the axis is linear. */
function rangeOf({ y, lines }) {
  const all = lines
    .flatMap(({ values, lows, highs }) => [...values, ...lows, ...highs])
    .filter((each) => each !== null);
  const least = all.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = all.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (all.length === 0) return [y.isLog ? 1 : 0, 10];
  return y.isLog ? [least / 1.3, most * 1.3] : [Math.min(0, least), most * 1.05 || 1];
}

function axisOf({ label, isLog }, values) {
  return {
    label,
    stroke: () => color("--ink-soft"),
    grid: { stroke: () => color("--grid"), width: 1 },
    ticks: { stroke: () => color("--grid"), width: 1 },
    font: "12px system-ui, sans-serif",
    labelFont: "12px system-ui, sans-serif",
    labelSize: 20,
    size: values === undefined ? 58 : 34,
    ...(isLog && {
      splits: (_, __, least, most) => (values?.length <= 8 ? values : logarithmic(least, most)),
      filter: all,
    }),
    values: (_, splits) => splits.map((each) => (each === null ? "" : compact.format(each))),
  };
}

/** Powers of ten, and 2 and 5 of them where there are few. */
function logarithmic(least, most) {
  const steps = most / least > 1_000 ? [1] : [1, 2, 5];
  const decades = Array.from({ length: 40 }, (_, i) => 10 ** (i - 15));
  return decades.flatMap((decade) => steps.map((step) => step * decade)).filter((at) => at >= least && at <= most);
}

function all(_, splits) {
  return splits;
}

function seriesOf(line, xs) {
  const stroke = () => color(`--c${line.color}`);
  const points = { show: xs.length <= 20, size: 7, fill: stroke, stroke };
  return { stroke, width: 2, spanGaps: true, points, ...(line.dash > 0 && { dash: dashes[line.dash] }) };
}

function drawIntervals(plot, { lines, xs }) {
  const { ctx } = plot;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  for (const line of lines) {
    ctx.strokeStyle = color(`--c${line.color}`);
    for (const [i, x] of xs.entries()) {
      if (line.lows[i] === null || line.highs[i] === null) continue;
      const at = plot.valToPos(x, "x", true);
      const cap = 3 * devicePixelRatio;
      const ends = [plot.valToPos(line.lows[i], "y", true), plot.valToPos(line.highs[i], "y", true)];
      ctx.beginPath();
      for (const end of ends) {
        ctx.moveTo(at - cap, end);
        ctx.lineTo(at + cap, end);
      }
      ctx.moveTo(at, ends[0]);
      ctx.lineTo(at, ends[1]);
      ctx.stroke();
    }
  }
  ctx.restore();
}

/** Beside the names, where the pointer is. */
function showValues(plot, { lines }, place) {
  const outputs = place.parentElement.querySelectorAll("output");
  const { idx } = plot.cursor;
  for (const [i, { values }] of lines.entries()) {
    const value = idx === null || idx === undefined ? null : values[idx];
    outputs[i].textContent = value === null ? "" : compact.format(value);
  }
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
