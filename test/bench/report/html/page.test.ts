import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { escapeHtml, escapeJson } from "../../../../bench/report/html/escape.ts";
import { reportHtml } from "../../../../bench/report/html/page.ts";
import { benchResults } from "../../support/results.ts";

describe("report.html", () => {
  const html = reportHtml(benchResults());

  it("names no address outside of itself", () => {
    const markup = html.replaceAll(/<script(?: type="module")?>[\s\S]*?<\/script>/g, "");
    expect(markup).not.toMatch(/https?:|\/\/[a-z]|url\(|@import|\ssrc=/i);
    expect([...markup.matchAll(/href="([^"]*)"/g)].filter(([, to]) => !to.startsWith("#") && to !== "data:,")).toEqual(
      [],
    );
  });

  it("runs its own two scripts and nothing else", () => {
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? "";
    const scripts = [...html.matchAll(/<script(?: type="module")?>([\s\S]*?)<\/script>/g)].map(([, script]) => script);
    expect(scripts).toHaveLength(2);
    for (const script of scripts) {
      expect(policy).toContain(`'sha256-${createHash("sha256").update(script).digest("base64")}'`);
    }
    expect(policy).toContain("default-src 'none'");
    expect(policy.match(/script-src [^;]*/)?.[0]).not.toContain("unsafe");
    expect(html).not.toMatch(/\son[a-z]+=/i);
  });

  it("begins with the headline", () => {
    expect(html).toMatch(
      /<h1>At 10 samples per batch, a gRPC stream needs [\d.]+ times less server CPU than JSON rows/,
    );
  });

  it("calls a loss one at the top", () => {
    const results = benchResults({ scenarios: ["headline"] });
    const trials = results.trials.map((trial) => {
      const cost = trial.figures.serverCpuSecondsPerMillion * (trial.cell.way === "grpc-stream" ? 20 : 1);
      return { ...trial, figures: { ...trial.figures, serverCpuSecondsPerMillion: cost } };
    });
    const loss = reportHtml({ ...results, trials });
    expect(loss).toMatch(
      /<h1>At 10 samples per batch, a gRPC stream needs [\d.]+ times more server CPU than JSON rows/,
    );
    expect(loss).toMatch(/<li class="worse"><b>[\d.]+&times; <small>MORE CPU/);
  });

  it("is whole with nothing in it, and with one trial of each cell", () => {
    expect(reportHtml(benchResults({ scenarios: [] }))).toContain("<h1>0 trials of the set full</h1>");
    expect(reportHtml(benchResults({ rounds: 1 }))).toContain("one pair: no interval");
  });

  it("says at the top when content was wrong", () => {
    const results = benchResults({ scenarios: ["tls"], rounds: 1 });
    const [first, ...rest] = results.trials;
    const figures = { ...first.figures, digest: "deadbeef", duplicated: 3 };
    const wrong = reportHtml({ ...results, trials: [{ ...first, figures }, ...rest] });
    expect(wrong).toContain('class="check failed"');
    expect(wrong).toContain("WRONG CONTENT in 1 trials, DIGESTS DIFFER");
    expect(html).not.toContain('class="check failed"');
  });

  it("makes no markup of what comes from data", () => {
    const evil = "</script><script>alert(1)</script><img src=x onerror='alert(1)' alt=\"&\">";
    const results = benchResults({ scenarios: ["tls", "micro", "backpressure"], rounds: 1 });
    const [trial] = results.trials;
    const [timeline] = results.timelines;
    const poisoned = reportHtml({
      ...results,
      commit: evil,
      set: evil,
      limits: evil,
      startedAt: evil,
      pragmas: { [evil]: evil },
      machine: { ...results.machine, cpuModel: evil, os: evil, versions: { [evil]: evil } },
      trials: [{ ...trial, scenario: evil, invalid: evil, figures: { ...trial.figures, digest: evil } }],
      timelines: [
        {
          ...timeline,
          scenario: evil,
          columns: timeline.columns.map((name, i) => (i === 0 ? name : `${name}${evil}`)),
        },
      ],
      micro: results.micro.map((each) => ({ ...each, suite: evil, arm: `${each.arm}${evil}`, unit: evil })),
    });
    expect(poisoned).not.toContain("<img");
    expect(poisoned).not.toContain("<script>alert");
    expect(poisoned.match(/<\/script>/g)).toHaveLength(3);
    expect(poisoned).toContain("&lt;img src=x onerror=&#39;alert(1)&#39; alt=&quot;&amp;&quot;&gt;");
  });
});

describe("escaping", () => {
  it("leaves nothing that HTML reads", () => {
    expect(escapeHtml(`<a b="c" d='e'>&`)).toBe("&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
  });

  it("leaves JSON what it was", () => {
    const value = { text: "</script><!--", list: [1, null] };
    expect(escapeJson(value)).not.toContain("<");
    expect(JSON.parse(escapeJson(value))).toEqual(value);
  });
});
