import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { summaryMarkdown } from "../../../../bench/report/markdown.ts";
import { writeReports } from "../../../../bench/report/write-reports.ts";
import type { Results } from "../../../../bench/results.ts";
import { benchResults } from "../../support/results.ts";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const isMissing = executablePath === undefined && process.env["CI"] !== "true";
// biome-ignore lint/suspicious/noConsole: whoever runs the tests must see it
if (isMissing) console.warn("skipped: the report is not looked at in a browser, chromium is not installed");

/** Whether each chart has been drawn: its canvas has a size, and pixels of each of its lines' colours. */
const drawnCharts = `[...document.querySelectorAll("[data-chart]")].map((place) => {
  const canvas = place.querySelector("canvas");
  if (canvas === null || canvas.clientWidth < 100 || canvas.clientHeight < 100) return false;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const pixels = new Set();
  for (let i = 0; i < data.length; i += 4) pixels.add("rgb(" + [data[i], data[i + 1], data[i + 2]].join(", ") + ")");
  const lines = [...place.parentElement.querySelectorAll(".legend svg")];
  return lines.length > 0 && lines.every((line) => pixels.has(getComputedStyle(line).stroke));
})`;
const drawnBars = `[...document.querySelectorAll(".fill")].map((bar) => bar.getBoundingClientRect().width)`;
const background = "getComputedStyle(document.body).backgroundColor";
const ink = "getComputedStyle(document.body).color";

describe.skipIf(isMissing)("report.html in a browser", () => {
  let browser: Browser;
  /** One for all tests, since a new one takes longer than most of them: `open` sets all that they change. */
  let page: Page;
  let dir: string;
  /** Of `results`. */
  let file: string;
  /** Of the report that is open. */
  let url: string;
  let complaints: string[] = [];
  const results = benchResults();

  beforeAll(async () => {
    if (executablePath === undefined) throw new Error("chromium is not installed: apt-get install chromium");
    // Without the sandbox it runs as root too; it opens nothing but the page of this test.
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    page = await browser.newPage();
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", ({ message }) => complaints.push(message));
    page.on("request", (request) => {
      if (request.url() !== url && !request.url().startsWith("data:")) complaints.push(request.url());
    });
    dir = await mkdtemp(join(tmpdir(), "report-"));
    file = reportOf(results, "whole");
  });
  afterAll(async () => {
    await browser?.close();
    if (dir !== undefined) await rm(dir, { recursive: true });
  });

  function reportOf(of: Results, name: string): string {
    const [, , file] = writeReports(of, join(dir, name));
    return file;
  }

  /** Loads a report anew, in a window of its own size: whatever the page complains of or asks for is in `complaints`. */
  async function open(report = file, [width, height] = [1_200, 900]): Promise<void> {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: "light", media: "screen" });
    await page.mouse.move(0, 0);
    complaints = [];
    url = pathToFileURL(report).href;
    await page.goto(url);
  }

  const isTooWide = () => page.evaluate("document.documentElement.scrollWidth > innerWidth");

  it("draws every chart, complains of nothing and asks for nothing", async () => {
    await open();
    const charts = (await page.evaluate(drawnCharts)) as boolean[];
    // Two by batch size, one of latency, three over time.
    expect(charts).toEqual(Array(6).fill(true));
    const bars = (await page.evaluate(drawnBars)) as number[];
    expect(bars.length).toBeGreaterThan(40);
    expect(Math.min(...bars)).toBeGreaterThan(0);
    expect(complaints).toEqual([]);
  });

  it("has the figures of the summary", async () => {
    await open();
    await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })");
    const text = (await page.innerText("body")).replaceAll(/\s+/g, " ");
    const figures = [...new Set(summaryMarkdown(results).match(/\d[\d.,]* \(\d[\d.,]* to \d[\d.,]*\)/g))];
    expect(figures.length).toBeGreaterThan(100);
    expect(figures.filter((figure) => !text.includes(figure))).toEqual([]);
  });

  it("shows values where the pointer is", async () => {
    await open();
    await page.locator(".u-over").first().hover();
    const outputs = await page.locator("[data-legend='0'] output").allInnerTexts();
    expect(outputs.filter((text) => /^[\d.]+[KM]?$/.test(text)).length).toBeGreaterThan(5);
  });

  it("can be read on a phone without scrolling sideways", async () => {
    await open(file, [380, 800]);
    expect(await isTooWide()).toBe(false);
    expect(await page.evaluate(drawnCharts)).toEqual(Array(6).fill(true));
    await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })");
    expect(await isTooWide()).toBe(false);
    expect(complaints).toEqual([]);
  });

  it("follows the window's width", async () => {
    await open();
    await page.setViewportSize({ width: 500, height: 800 });
    await page.waitForFunction("document.querySelector('.uplot').clientWidth < 500");
    expect(await isTooWide()).toBe(false);
  });

  it("is dark where that is preferred, and light on paper", async () => {
    await open();
    const pixels = () => page.evaluate("document.querySelector('canvas').toDataURL()");
    const [lightPaper, lightInk, lightChart] = [
      await page.evaluate(background),
      await page.evaluate(ink),
      await pixels(),
    ];
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await page.evaluate(background)).not.toBe(lightPaper);
    expect(await page.evaluate(ink)).not.toBe(lightInk);
    await page.waitForFunction(`document.querySelector("canvas").toDataURL() !== ${JSON.stringify(lightChart)}`);
    await page.emulateMedia({ colorScheme: "dark", media: "print" });
    expect(await page.evaluate(background)).toBe(lightPaper);
    await page.waitForFunction(`document.querySelector("canvas").toDataURL() === ${JSON.stringify(lightChart)}`);
  });

  it.each<[string, Results]>([
    ["nothing", benchResults({ scenarios: [] })],
    ["one trial of each cell", benchResults({ rounds: 1 })],
    ["the headline only", benchResults({ scenarios: ["headline"] })],
    [
      "invalid trials only",
      { ...results, trials: results.trials.map((trial) => ({ ...trial, invalid: "<b>no</b>" })) },
    ],
  ])("is whole with %s", async (name, of) => {
    await open(reportOf(of, name));
    expect(((await page.evaluate(drawnCharts)) as boolean[]).every(Boolean)).toBe(true);
    expect(await page.innerText("h1")).not.toBe("");
    expect(await isTooWide()).toBe(false);
    expect(complaints).toEqual([]);
  });
});
