const light = `
  --paper: #ffffff; --panel: #f5f6f8; --ink: #16191d; --ink-soft: #57606a; --rule: #d8dce1; --grid: #e6e9ed;
  --accent: #0072b2; --bar: #3d8fc4; --bar-other: #d99a5b; --whisker: #16191d; --worse: #b34700; --good: #00694d;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b0488a; --c4: #e69f00; --c5: #3aa0dc; --c6: #16191d; --c7: #8a7a00;
  color-scheme: light;`;

const dark = `
  --paper: #14171b; --panel: #1d2126; --ink: #eceff3; --ink-soft: #a4adb8; --rule: #363c44; --grid: #2a2f36;
  --accent: #6cb8ee; --bar: #2f78a8; --bar-other: #a8672c; --whisker: #f2f4f7; --worse: #ff9d5c; --good: #4fd0a5;
  --c0: #56b4e9; --c1: #ff8a3d; --c2: #2fc698; --c3: #e08fc2; --c4: #f0c04c; --c5: #3b82c4; --c6: #eceff3; --c7: #cfc23a;
  color-scheme: dark;`;

const colors = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => `.c${i} { stroke: var(--c${i}); fill: var(--c${i}); }`).join("\n");

/** The page's look. Colours of lines are those of Okabe and Ito (2008), which the colour-blind can tell apart. */
export const style = `
:root {${light}}
@media (prefers-color-scheme: dark) { :root {${dark}} }
:root.printing {${light}}
@media print { :root {${light}} }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.55;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
main, header, footer { max-width: 66rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
.brand { color: var(--accent); font-weight: 600; letter-spacing: .02em; margin: 0; }
h1 { font-size: clamp(1.35rem, 1rem + 1.7vw, 2.1rem); line-height: 1.25; margin: .4rem 0 .8rem; font-weight: 650;
  text-wrap: balance; }
h2 { font-size: 1.4rem; line-height: 1.3; margin: 3.5rem 0 .6rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
p { max-width: 46rem; margin: .5rem 0; overflow-wrap: anywhere; }
a { color: var(--accent); }
.meta { color: var(--ink-soft); font-size: .9rem; }
.check { display: inline-block; border-radius: .4rem; padding: .3rem .7rem; background: var(--panel); font-size: .9rem; }
.check::before { content: "\\2713  "; color: var(--good); font-weight: 700; }
.check.failed { color: var(--worse); font-weight: 600; }
.check.failed::before { content: "!  "; color: inherit; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11.5rem, 1fr)); gap: .8rem; margin: 1.4rem 0;
  padding: 0; list-style: none; }
.tiles li { background: var(--panel); border-radius: .6rem; padding: .9rem 1rem; border-left: 4px solid var(--accent); }
.tiles li.worse { border-left-color: var(--worse); }
.tiles li.level { border-left-color: var(--ink-soft); }
.tiles b { display: block; font-size: 1.9rem; line-height: 1.15; font-variant-numeric: tabular-nums; }
.tiles b small { font-size: 1rem; font-weight: 600; }
.tiles span { display: block; color: var(--ink-soft); font-size: .85rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; padding: 0; margin: 1rem 0; list-style: none; font-size: .92rem; }
.how { background: var(--panel); border-radius: .6rem; padding: .4rem 1.1rem .7rem; margin-top: 1.2rem; }
.how summary, details > summary { cursor: pointer; font-weight: 600; padding: .3rem 0; }
.how p { font-size: .93rem; max-width: none; }
figure { margin: 1.6rem 0 .6rem; }
figcaption { font-weight: 600; padding: .4rem 0; break-after: avoid; }
figcaption small { display: block; font-weight: 400; color: var(--ink-soft); }
.plot { width: 100%; min-height: 260px; overflow: hidden; }
.legend { list-style: none; padding: 0; margin: .4rem 0 0; display: flex; flex-wrap: wrap; gap: .25rem 1.2rem;
  font-size: .86rem; }
.legend li { display: flex; align-items: center; gap: .45rem; overflow-wrap: anywhere; }
.legend svg { flex: none; }
.legend path { stroke-width: 2.5; fill: none; }
.legend circle { stroke: none; }
.legend .d1 path { stroke-dasharray: 8 5; }
.legend .d2 path { stroke-dasharray: 2 4; }
.legend output { font-variant-numeric: tabular-nums; font-weight: 600; }
${colors}
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .34rem .6rem; border-bottom: 1px solid var(--grid); text-align: left; vertical-align: top; }
thead th { color: var(--ink-soft); font-weight: 600; vertical-align: bottom; border-bottom: 1px solid var(--rule); }
tbody th { font-weight: 500; }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; min-width: 4.2rem; }
td.worse { color: var(--worse); font-weight: 600; }
th, td { overflow-wrap: break-word; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.scroll tbody th { min-width: 7.5rem; }
details .scroll tbody th { min-width: 17rem; }
.scroll th, .scroll td { padding-inline: .45rem; }
.table figcaption, .table summary { font-size: .92rem; }
.bar { width: 38%; min-width: 13rem; }
.bars tbody th { width: 26%; }
td.bar span { display: block; position: relative; height: 1.05rem; margin-top: .12rem; background: var(--panel);
  border-radius: 2px; }
.bar i { position: absolute; display: block; }
.fill { left: 0; top: 0; bottom: 0; min-width: 2px; background: var(--bar); border-radius: 2px;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.fill.other { background: var(--bar-other); }
.whisker { top: 50%; height: 0; border-top: 2px solid var(--whisker); }
.whisker::before, .whisker::after { content: ""; position: absolute; top: -5px; height: 8px; border-left: 2px solid var(--whisker); }
.whisker::before { left: 0; }
.whisker::after { right: 0; }
footer { color: var(--ink-soft); font-size: .85rem; padding: 2rem 1.25rem 3rem; }
@media (max-width: 44rem) {
  .bars thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .bars table, .bars tbody { display: block; }
  .bars tr { display: grid; grid-template-columns: 1fr auto; gap: 0 .8rem; padding: .55rem 0; border-bottom: 1px solid var(--grid); }
  .bars th, .bars td { border: 0; padding: .08rem 0; width: auto; min-width: 0; }
  .bars tbody th, .bars td.bar { grid-column: 1 / -1; width: auto; }
  .bars td:not(.bar) { display: grid; grid-column: 1 / -1; grid-template-columns: 1fr auto; gap: .8rem; }
  .bars td:not(.bar)::before { content: attr(data-column); color: var(--ink-soft); font-weight: 400; text-align: left;
    white-space: normal; }
  .scroll tbody th { min-width: 6rem; }
  details .scroll tbody th { min-width: 10rem; }
  .scroll td:not(.number):last-child { min-width: 12rem; }
  .bars td.none { display: none; }
}
@media print {
  body { font-size: 10pt; }
  nav { display: none; }
  h2 { break-after: avoid; }
  .chart, tr, .tiles li { break-inside: avoid; }
  .scroll { overflow: visible; }
  table { font-size: 7.5pt; }
  details table { font-size: 6pt; }
  details .scroll tbody th { min-width: 0; }
  th, td { padding: .2rem .3rem; }
}
`;
