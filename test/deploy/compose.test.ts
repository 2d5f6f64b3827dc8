import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { at, checkout, entriesAt, isPinned, listAt, ownImage, read, yamlOf } from "./deployed.ts";
import { commandProblems, variableProblems } from "./program.ts";

/** What is wrong with a compose file in `deploy/`. */
function composeProblems(text: string): string[] {
  const [compose] = yamlOf(text);
  const services = entriesAt(compose, "services");
  return services.flatMap(([name, service]) =>
    [
      ...containmentProblems(service),
      ...mountProblems(service, Object.keys(at(compose, "volumes") ?? {})),
      ...entriesAt(service, "depends_on").flatMap(([other]) =>
        services.some(([each]) => each === other) ? [] : [`there is no service ${other}`],
      ),
      ...ownCommandProblems(service),
    ].map((problem) => `${name}: ${problem}`),
  );
}

function containmentProblems(service: unknown): string[] {
  const problems: string[] = [];
  if (!isPinned(at(service, "image"))) problems.push(`${at(service, "image")} is not pinned`);
  if (at(service, "privileged") !== undefined || at(service, "cap_add") !== undefined) problems.push("it has rights");
  if (!listAt(service, "cap_drop").includes("ALL")) problems.push("it keeps capabilities");
  if (!listAt(service, "security_opt").includes("no-new-privileges:true")) problems.push("it can gain privileges");
  if (at(service, "network_mode") !== undefined) problems.push("it leaves the network of the others");
  if (at(service, "restart") !== "unless-stopped") problems.push("it is not started again");
  for (const limit of ["mem_limit", "cpus", "pids_limit"]) {
    if (at(service, limit) === undefined) problems.push(`it has no ${limit}`);
  }
  const checked = listAt(service, "healthcheck.test")[0] === "CMD" || at(service, "healthcheck.disable") === true;
  if (!checked) problems.push("it has no health check, or one that needs a shell");
  for (const port of listAt(service, "ports")) {
    if (!String(port).startsWith("127.0.0.1:")) problems.push(`others can reach the port ${port}`);
  }
  return problems;
}

function mountProblems(service: unknown, volumes: readonly string[]): string[] {
  const files = ["build.dockerfile", "build.context"].flatMap((path) => {
    const file = at(service, path);
    if (file === undefined) return [];
    // The Dockerfile is found from the context.
    return [
      path === "build.context" ? `deploy/${file}` : join("deploy", String(at(service, "build.context")), `${file}`),
    ];
  });
  const problems: string[] = [];
  for (const mount of listAt(service, "volumes")) {
    const [source = "", , mode] = String(mount).split(":");
    if (!source.startsWith(".")) {
      if (!volumes.includes(source)) problems.push(`there is no volume ${source}`);
      continue;
    }
    if (mode !== "ro") problems.push(`${source} can be written`);
    files.push(join("deploy", source));
  }
  return [
    ...problems,
    ...files.filter((file) => !existsSync(join(checkout, file))).map((file) => `there is no ${file}`),
  ];
}

function ownCommandProblems(service: unknown): string[] {
  const environment = entriesAt(service, "environment").flatMap(([name]) => variableProblems(name));
  if (!String(at(service, "image")).startsWith("tidemark:")) return environment;
  const [, program, ...health] = listAt(service, "healthcheck.test").map(String);
  return [
    ...environment,
    ...(at(service, "image") === ownImage ? [] : [`it is not ${ownImage}`]),
    ...commandProblems(listAt(service, "command").map(String)),
    ...(program === undefined ? [] : commandProblems(health)),
  ];
}

describe("deploy/compose.yaml", () => {
  it("keeps to the rules", () => expect(composeProblems(read("deploy/compose.yaml"))).toEqual([]));

  it("scrapes the port that the server has", () => {
    const [compose] = yamlOf(read("deploy/compose.yaml"));
    const [prometheus] = yamlOf(read("deploy/prometheus/prometheus.yml"));
    const [target] = listAt(prometheus, "scrape_configs.0.static_configs.0.targets");
    const [host = "", port] = String(target).split(":");
    expect(listAt(compose, `services.${host}.command`)).toContain(`--http=0.0.0.0:${port}`);
    expect(at(prometheus, "scrape_configs.0.job_name")).toBe("tidemark");
    for (const file of listAt(prometheus, "rule_files")) {
      expect(existsSync(join(checkout, "deploy/prometheus", String(file)))).toBe(true);
    }
  });

  it("shows the dashboard where Grafana looks for it, by the data source that there is", () => {
    const [compose] = yamlOf(read("deploy/compose.yaml"));
    const [provider] = yamlOf(read("deploy/grafana/provisioning/dashboards/tidemark.yaml"));
    const [source] = yamlOf(read("deploy/grafana/provisioning/datasources/prometheus.yaml"));
    const path = String(at(provider, "providers.0.options.path"));
    expect(listAt(compose, "services.grafana.volumes")).toContain(`./grafana/dashboards:${path}:ro`);
    const home = at(compose, "services.grafana.environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH");
    expect(home).toBe(`${path}/tidemark.json`);
    const { hostname } = new URL(String(at(source, "datasources.0.url")));
    expect(at(compose, `services.${hostname}.image`)).toMatch(/^prom\/prometheus:/);
  });
});

describe("the rules for compose find", () => {
  const service = (change: Readonly<Record<string, unknown>>) =>
    JSON.stringify({
      services: {
        one: {
          image: "example/one:1.2.3",
          cap_drop: ["ALL"],
          security_opt: ["no-new-privileges:true"],
          restart: "unless-stopped",
          mem_limit: "1g",
          cpus: 1,
          pids_limit: 10,
          healthcheck: { test: ["CMD", "tidemark", "health"] },
          ...change,
        },
      },
      volumes: { data: null },
    });

  it("nothing in a good one", () => expect(composeProblems(service({ volumes: ["data:/data"] }))).toEqual([]));

  it.each<[string, Readonly<Record<string, unknown>>, string]>([
    ["an image that moves", { image: "example/one:latest" }, "example/one:latest is not pinned"],
    ["rights", { privileged: true }, "it has rights"],
    ["capabilities", { cap_drop: [] }, "it keeps capabilities"],
    ["privileges", { security_opt: [] }, "it can gain privileges"],
    ["the network of the host", { network_mode: "host" }, "it leaves the network of the others"],
    ["no restart", { restart: "no" }, "it is not started again"],
    ["no bound on memory", { mem_limit: undefined }, "it has no mem_limit"],
    ["no health check", { healthcheck: {} }, "it has no health check, or one that needs a shell"],
    ["an open port", { ports: ["9090:9090"] }, "others can reach the port 9090:9090"],
    ["an unknown volume", { volumes: ["dta:/data"] }, "there is no volume dta"],
    ["a file that is not there", { volumes: ["./nowhere:/data:ro"] }, "there is no deploy/nowhere"],
    ["a file that can be written", { volumes: ["./prometheus:/data"] }, "./prometheus can be written"],
    ["an unknown service", { depends_on: { two: {} } }, "there is no service two"],
    ["an unknown variable", { environment: { TIDEMARK_DTA: "x" } }, "no flag has the variable TIDEMARK_DTA"],
    ["an unknown flag", { image: ownImage, command: ["serve", "--dta"] }, "serve has no flag --dta"],
    ["another version", { image: "tidemark:0.0.1", command: ["serve"] }, `it is not ${ownImage}`],
  ])("%s", (_, change, problem) => expect(composeProblems(service(change))).toEqual([`one: ${problem}`]));
});
