import { describe, expect, it } from "vitest";
import { at, entriesAt, listAt, read, yamlOf } from "./deployed.ts";
import { metrics, promqlProblems } from "./metrics.ts";

const operating = read("docs/operating.md");
// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana
const chosenSource = "${datasource}";

/** The anchors of a page's headings. */
function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

/** What is wrong with a file of rules. @param page where it says what to do */
function alertProblems(text: string, page: string): string[] {
  const rules = listAt(yamlOf(text)[0], "groups").flatMap((group) => listAt(group, "rules"));
  const names = rules.map((rule) => String(at(rule, "alert")));
  const problems = names.filter((name, i) => names.indexOf(name) !== i).map((name) => `${name}: it is there twice`);
  for (const [i, rule] of rules.entries()) {
    const own = [...promqlProblems(String(at(rule, "expr")))];
    if (!/^\d+[smh]$/.test(String(at(rule, "for")))) own.push("it does not say for how long");
    if (!["critical", "warning"].includes(String(at(rule, "labels.severity")))) own.push("it has no severity");
    if (typeof at(rule, "annotations.summary") !== "string") own.push("it has no summary");
    const anchor = /^docs\/operating\.md#(.+)$/.exec(String(at(rule, "annotations.runbook")))?.[1] ?? "";
    if (anchor !== names[i]?.toLowerCase() || !anchorsOf(page).includes(anchor)) own.push("nothing says what to do");
    problems.push(...own.map((problem) => `${names[i]}: ${problem}`));
  }
  return problems;
}

/** What is wrong with a dashboard. */
function dashboardProblems(text: string): string[] {
  const dashboard = JSON.parse(text) as unknown;
  const panels = listAt(dashboard, "panels");
  const problems: string[] = [];
  if (typeof at(dashboard, "uid") !== "string") problems.push("it has no uid");
  if (!(Number(at(dashboard, "schemaVersion")) >= 39)) problems.push("its schema is too old");
  const ids = panels.map((panel) => at(panel, "id"));
  if (new Set(ids).size !== ids.length) problems.push("panels have the same id");
  const variables = listAt(dashboard, "templating.list");
  const isSource = (variable: unknown) =>
    at(variable, "name") === "datasource" && at(variable, "type") === "datasource";
  if (!variables.some(isSource)) problems.push("its data source cannot be chosen");
  for (const variable of variables) {
    const metric = /^label_values\((\w+), \w+\)$/.exec(String(at(variable, "query.query")))?.[1];
    if (at(variable, "type") === "query") problems.push(...promqlProblems(metric ?? ""));
  }
  const places = new Set<string>();
  for (const panel of panels) {
    const own: string[] = [];
    if (typeof at(panel, "description") !== "string") own.push("it says nothing");
    if (listAt(panel, "targets").length === 0) own.push("it shows nothing");
    for (const each of [panel, ...listAt(panel, "targets")]) {
      if (at(each, "datasource.uid") !== chosenSource) own.push("its data source is fixed");
    }
    for (const target of listAt(panel, "targets")) own.push(...promqlProblems(String(at(target, "expr"))));
    own.push(...placeProblems(panel, places));
    problems.push(...own.map((problem) => `${at(panel, "title")}: ${problem}`));
  }
  return problems;
}

/** @param places that panels before have taken; those of this one are added */
function placeProblems(panel: unknown, places: Set<string>): string[] {
  const [x, y, w, h] = ["x", "y", "w", "h"].map((name) => Number(at(panel, `gridPos.${name}`)));
  if (!(x >= 0 && w > 0 && x + w <= 24 && h > 0)) return ["it is beside the grid"];
  const own = Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`);
  const taken = own.some((place) => places.has(place));
  for (const place of own) places.add(place);
  return taken ? ["it lies over another one"] : [];
}

describe("deploy/prometheus/alerts.yml", () => {
  const text = read("deploy/prometheus/alerts.yml");

  it("asks for metrics that there are, and each alert says what to do", () => {
    expect(alertProblems(text, operating)).toEqual([]);
  });

  it("has every alert that docs/operating.md tells of, and no other", () => {
    const told = [...operating.matchAll(/^### (Tidemark\w+)$/gm)].map(([, name]) => name);
    const rules = listAt(yamlOf(text)[0], "groups.0.rules").map((rule) => at(rule, "alert"));
    expect(told.length).toBeGreaterThan(10);
    expect(rules).toEqual(told);
  });
});

describe("deploy/grafana/dashboards/tidemark.json", () => {
  const text = read("deploy/grafana/dashboards/tidemark.json");

  it("asks for metrics that there are, by a data source that can be chosen", () => {
    expect(dashboardProblems(text)).toEqual([]);
  });

  it("shows every metric", () => {
    for (const name of Object.keys(metrics)) expect(text).toContain(name);
  });
});

describe("docs/operating.md", () => {
  it("tells every metric with its labels, and no other", () => {
    const section = operating.slice(operating.indexOf("\n## Metrics\n"));
    const rows = [...section.matchAll(/^\| `(\w+)` \| (.*?) \|/gm)].map(([, name = "", labels = ""]) => [
      name,
      [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label),
    ]);
    expect(rows).toEqual(entriesAt({ metrics }, "metrics").map(([name, metric]) => [name, listAt(metric, "labels")]));
  });

  it("links to headings that there are", () => {
    const own = [...operating.matchAll(/\]\(#([\w-]+)\)/g)].map(([, anchor]) => anchor);
    expect(own.length).toBeGreaterThan(3);
    for (const anchor of own) expect(anchorsOf(operating)).toContain(anchor);
    for (const [, file = "", anchor] of operating.matchAll(/\]\(([\w./-]+\.md)(?:#([\w-]+))?\)/g)) {
      const page = read(`docs/${file}`);
      if (anchor !== undefined) expect(anchorsOf(page)).toContain(anchor);
    }
  });
});

describe("the check of PromQL finds", () => {
  it.each([
    ["rate(tidemark_acks_total[5m])", []],
    ['sum by (hop) (tidemark_queue_bytes{hop="calls"}) > 1e9', []],
    ['up{job="tidemark"} == 0 or time() - process_start_time_seconds < 60', []],
    ["rate(tidemark_ack_total[5m])", ["there is no metric tidemark_ack_total"]],
    ["tidemark_commit_duration_seconds", ["there is no metric tidemark_commit_duration_seconds"]],
    ["tidemark_acks_total_bucket", ["there is no metric tidemark_acks_total_bucket"]],
    ["rat(tidemark_acks_total[5m])", ["there is no function rat"]],
    ['tidemark_queue_bytes{hops="calls"}', ["there is no label hops"]],
    ["sum by (reason) (tidemark_series)", ["there is no label reason"]],
    ["1 > 0", ["it asks for nothing"]],
    ["rate(tidemark_acks_total[5m]", ["its () are not even"]],
  ])("%s", (expression, problems) => expect(promqlProblems(expression)).toEqual(problems));
});

describe("the rules for alerts find", () => {
  const rule = {
    alert: "TidemarkDown",
    expr: "up == 0",
    for: "1m",
    labels: { severity: "critical" },
    annotations: { summary: "down", runbook: "docs/operating.md#tidemarkdown" },
  };
  const problemsWith = (...rules: unknown[]) =>
    alertProblems(JSON.stringify({ groups: [{ rules }] }), "### TidemarkDown");

  it("nothing in a good one", () => expect(problemsWith(rule)).toEqual([]));

  it.each([
    ["an unknown metric", { ...rule, expr: "upp == 0" }, "there is no metric upp"],
    ["no duration", { ...rule, for: undefined }, "it does not say for how long"],
    ["no severity", { ...rule, labels: {} }, "it has no severity"],
    ["no summary", { ...rule, annotations: { runbook: rule.annotations.runbook } }, "it has no summary"],
    [
      "no heading",
      { ...rule, annotations: { summary: "a", runbook: "docs/operating.md#up" } },
      "nothing says what to do",
    ],
  ])("%s", (_, changed, problem) => expect(problemsWith(changed)).toEqual([`TidemarkDown: ${problem}`]));

  it("a name twice", () => expect(problemsWith(rule, rule)).toEqual(["TidemarkDown: it is there twice"]));
});

describe("the rules for a dashboard find", () => {
  const datasource = { uid: chosenSource };
  const panel = {
    id: 1,
    title: "Up",
    description: "whether",
    datasource,
    gridPos: { x: 0, y: 0, w: 8, h: 8 },
    targets: [{ datasource, expr: "up" }],
  };
  const problemsWith = (panels: unknown[], change = {}) =>
    dashboardProblems(
      JSON.stringify({
        uid: "a",
        schemaVersion: 41,
        templating: { list: [{ name: "datasource", type: "datasource" }] },
        panels,
        ...change,
      }),
    );

  it("nothing in a good one", () => expect(problemsWith([panel])).toEqual([]));

  it.each<[string, unknown[], object, string[]]>([
    ["no uid", [panel], { uid: undefined }, ["it has no uid"]],
    ["an old schema", [panel], { schemaVersion: 38 }, ["its schema is too old"]],
    ["a fixed source", [panel], { templating: {} }, ["its data source cannot be chosen"]],
    ["a fixed source of a panel", [{ ...panel, datasource: { uid: "x" } }], {}, ["Up: its data source is fixed"]],
    ["an unknown metric", [{ ...panel, targets: [{ datasource, expr: "upp" }] }], {}, ["Up: there is no metric upp"]],
    ["nothing shown", [{ ...panel, targets: [] }], {}, ["Up: it shows nothing"]],
    [
      "a panel beside the grid",
      [{ ...panel, gridPos: { x: 20, y: 0, w: 8, h: 8 } }],
      {},
      ["Up: it is beside the grid"],
    ],
    ["one over another", [panel, { ...panel, id: 2 }], {}, ["Up: it lies over another one"]],
    ["equal ids", [panel, { ...panel, gridPos: { x: 8, y: 0, w: 8, h: 8 } }], {}, ["panels have the same id"]],
  ])("%s", (_, panels, change, problems) => expect(problemsWith(panels, change)).toEqual(problems));
});
