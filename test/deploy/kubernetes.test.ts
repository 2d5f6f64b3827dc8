import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { at, checkout, entriesAt, isPinned, listAt, ownImage, packageJson, read, yamlOf } from "./deployed.ts";
import { commandProblems, configProblems, variableProblems } from "./program.ts";

const place = "deploy/kubernetes";

/** What is wrong with manifests that belong together. @param made names of the ConfigMaps that are made of files */
function manifestProblems(manifests: readonly unknown[], made: readonly string[]): string[] {
  const named = (kind: string) =>
    manifests.filter((each) => at(each, "kind") === kind).map((each) => at(each, "metadata.name"));
  const sets = manifests.filter((each) => at(each, "kind") === "StatefulSet");
  const pods = sets.map((each) => at(each, "spec.template"));
  const isSelected = (labels: unknown) => pods.some((pod) => hasLabels(pod, labels as object | undefined));
  const problems: string[] = [];
  for (const manifest of manifests) {
    const own: string[] = [];
    if (at(manifest, "metadata.namespace") !== undefined) own.push("it names its namespace");
    if (at(manifest, "kind") === "Service") {
      if (!isSelected(at(manifest, "spec.selector"))) own.push("it selects nothing");
      own.push(...portProblems(manifest, pods));
    }
    if (["NetworkPolicy", "PodDisruptionBudget"].includes(String(at(manifest, "kind")))) {
      if (!isSelected(at(manifest, "spec.podSelector.matchLabels") ?? at(manifest, "spec.selector.matchLabels"))) {
        own.push("it selects nothing");
      }
    }
    problems.push(...own.map((problem) => `${at(manifest, "kind")} ${at(manifest, "metadata.name")}: ${problem}`));
  }
  for (const set of sets) {
    const own: string[] = [];
    if (at(set, "spec.replicas") !== 1) own.push("it has not one replica");
    if (!hasLabels(at(set, "spec.template"), at(set, "spec.selector.matchLabels") as object)) {
      own.push("it does not select its pods");
    }
    if (!named("Service").includes(at(set, "spec.serviceName"))) own.push("its Service is not there");
    const account = at(set, "spec.template.spec.serviceAccountName");
    if (!named("ServiceAccount").includes(account)) own.push("its ServiceAccount is not there");
    const claims = listAt(set, "spec.volumeClaimTemplates").map((claim) => at(claim, "metadata.name"));
    own.push(...podProblems(at(set, "spec.template.spec"), claims, made));
    problems.push(...own.map((problem) => `StatefulSet ${at(set, "metadata.name")}: ${problem}`));
  }
  return problems;
}

function hasLabels(pod: unknown, labels: object | undefined): boolean {
  const own = Object.fromEntries(entriesAt(pod, "metadata.labels"));
  const wanted = Object.entries(labels ?? {});
  return wanted.length > 0 && wanted.every(([name, value]) => own[name] === value);
}

function portProblems(service: unknown, pods: readonly unknown[]): string[] {
  const containers = pods.flatMap((pod) => listAt(pod, "spec.containers"));
  const ports = containers.flatMap((container) => listAt(container, "ports").map((port) => at(port, "name")));
  const targets = listAt(service, "spec.ports").map((port) => at(port, "targetPort"));
  return targets.filter((target) => !ports.includes(target)).map((target) => `no container has the port ${target}`);
}

/** @param claims names of the volumes that are claimed */
function podProblems(pod: unknown, claims: readonly unknown[], made: readonly string[]): string[] {
  const problems: string[] = [];
  if (at(pod, "automountServiceAccountToken") !== false) problems.push("it has a token of the cluster");
  if (at(pod, "securityContext.runAsNonRoot") !== true) problems.push("it may be root");
  if (!(Number(at(pod, "securityContext.runAsUser")) > 0)) problems.push("its user is no number");
  if (at(pod, "securityContext.seccompProfile.type") !== "RuntimeDefault") problems.push("it may make any system call");
  if (!(Number(at(pod, "terminationGracePeriodSeconds")) >= 15)) problems.push("it is killed while it drains");
  for (const name of ["hostNetwork", "hostPID", "hostIPC"]) {
    if (at(pod, name) !== undefined) problems.push(`it has ${name}`);
  }
  const volumes = listAt(pod, "volumes");
  for (const volume of volumes) {
    const map = at(volume, "configMap.name");
    if (map !== undefined && !made.includes(String(map))) problems.push(`there is no ConfigMap ${map}`);
    if (at(volume, "hostPath") !== undefined) problems.push("it has a directory of its node");
  }
  const mountable = [...claims, ...volumes.map((volume) => at(volume, "name"))];
  for (const container of listAt(pod, "containers")) problems.push(...containerProblems(container, mountable));
  return problems;
}

function containerProblems(container: unknown, mountable: readonly unknown[]): string[] {
  const problems: string[] = [];
  const ports = listAt(container, "ports").flatMap((port) => [at(port, "name"), at(port, "containerPort")]);
  if (!isPinned(at(container, "image"))) problems.push(`${at(container, "image")} is not pinned`);
  if (at(container, "securityContext.allowPrivilegeEscalation") !== false) problems.push("it can gain privileges");
  if (at(container, "securityContext.readOnlyRootFilesystem") !== true) problems.push("it can write its own files");
  if (at(container, "securityContext.privileged") !== undefined) problems.push("it is privileged");
  if (!listAt(container, "securityContext.capabilities.drop").includes("ALL")) problems.push("it keeps capabilities");
  for (const path of ["requests.cpu", "requests.memory", "limits.memory"]) {
    if (at(container, `resources.${path}`) === undefined) problems.push(`it has no ${path}`);
  }
  // By name: what is alive, and what is ready.
  const probes = { startupProbe: "live", livenessProbe: "live", readinessProbe: "" };
  const paths = { startupProbe: "/livez", livenessProbe: "/livez", readinessProbe: "/readyz" };
  for (const name of Object.keys(probes) as (keyof typeof probes)[]) {
    const way = at(container, `${name}.grpc`) ?? at(container, `${name}.httpGet`);
    const asked = at(container, `${name}.grpc.service`) === probes[name];
    const fetched = at(container, `${name}.httpGet.path`) === paths[name];
    if (asked === fetched || !ports.includes(at(way, "port"))) problems.push(`its ${name} asks for something else`);
  }
  for (const mount of listAt(container, "volumeMounts")) {
    if (!mountable.includes(at(mount, "name"))) problems.push(`there is no volume ${at(mount, "name")}`);
  }
  problems.push(...listAt(container, "env").flatMap((variable) => variableProblems(String(at(variable, "name")))));
  return [...problems, ...commandProblems(listAt(container, "args").map(String))];
}

/** What a patch makes of a manifest: objects are merged, named lists too, null takes away. */
function merged(value: unknown, patch: unknown): unknown {
  if (Array.isArray(patch) && Array.isArray(value) && patch.every((each) => at(each, "name") !== undefined)) {
    const isSame = (one: unknown) => (other: unknown) => at(one, "name") === at(other, "name");
    const kept = value.map((each) => merged(each, patch.find(isSame(each)) ?? {}));
    return [...kept, ...patch.filter((each) => !value.some(isSame(each)))];
  }
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = { ...(value as object | undefined) };
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) delete result[key];
    else result[key] = merged(result[key], change);
  }
  return result;
}

const base = yamlOf(read(`${place}/base/tidemark.yaml`));
const [patch] = yamlOf(read(`${place}/tls/statefulset.yaml`));
const withTls = base.map((each) => (at(each, "kind") === "StatefulSet" ? merged(each, patch) : each));

describe("deploy/kubernetes", () => {
  it.each([
    ["by itself", base],
    ["with TLS", withTls],
  ])("keeps to the rules %s", (_, manifests) => expect(manifestProblems(manifests, ["tidemark"])).toEqual([]));

  it("has what it takes to run", () => {
    const kinds = ["ServiceAccount", "StatefulSet", "Service", "Service", "NetworkPolicy", "PodDisruptionBudget"];
    expect(base.map((each) => at(each, "kind"))).toEqual(kinds);
  });

  it.each([`${place}/base`, `${place}/tls`])(
    "%s is put together of files that there are, in this version",
    (directory) => {
      const [kustomization] = yamlOf(read(`${directory}/kustomization.yaml`));
      const patches = listAt(kustomization, "patches").map((each) => at(each, "path"));
      const files = [
        ...listAt(kustomization, "resources"),
        ...listAt(kustomization, "configMapGenerator.0.files"),
        ...patches.filter((path) => path !== undefined),
      ];
      expect(files.length).toBeGreaterThan(1);
      for (const file of files) {
        expect(existsSync(join(checkout, directory, String(file))), String(file)).toBe(true);
        // What contains it would be a cycle.
        expect(file).not.toMatch(/^[./]+$/);
      }
      for (const image of listAt(kustomization, "images")) expect(at(image, "newTag")).toBe(packageJson.version);
      expect(at(kustomization, "configMapGenerator.0.name")).toBe("tidemark");
    },
  );

  it.each([
    ["by itself", `${place}/base`, base],
    ["with TLS", `${place}/tls`, withTls],
  ])("configures the server %s, with files that are mounted", (_, directory, manifests) => {
    const file = join(checkout, directory, "tidemark.json");
    expect(configProblems(file)).toEqual([]);
    const { serve } = JSON.parse(read(`${directory}/tidemark.json`)) as { serve: Record<string, unknown> };
    const container = at(manifests[1], "spec.template.spec.containers.0");
    const [config, path] = listAt(container, "args");
    expect({ config, path }).toEqual({ config: "--config", path: "/etc/tidemark/config/tidemark.json" });
    const [secret] = yamlOf(read(`${place}/tls/secret.example.yaml`));
    const secrets = entriesAt(secret, "stringData").map(([name]) => name);
    const mounts = listAt(container, "volumeMounts").map((mount) => String(at(mount, "mountPath")));
    const environment = listAt(container, "env").map((variable) => at(variable, "value"));
    for (const value of [serve["tls-cert"], serve["tls-key"], serve["access"], ...environment]) {
      if (value === undefined) continue;
      const [, directoryOf = "", name = ""] = /^(.*)\/(.*)$/.exec(String(value)) ?? [];
      expect(mounts).toContain(directoryOf);
      expect(secrets).toContain(name);
    }
    const ports = listAt(container, "ports").map((port) => at(port, "containerPort"));
    for (const flag of ["grpc", "http"]) expect(ports).toContain(Number(String(serve[flag]).split(":")[1]));
    expect(at(container, "image")).toBe(ownImage);
  });
});

describe("the rules for Kubernetes find", () => {
  const set = "spec.template.spec";
  const container = `${set}.containers.0`;
  /** The base with something else at a path of its StatefulSet. */
  const changed = (path: string, value: unknown) => {
    const copy = structuredClone(base);
    const keys = path.split(".");
    const last = keys.pop() ?? "";
    const parent = at(copy[1], keys.join(".")) as Record<string, unknown>;
    parent[last] = value;
    return manifestProblems(copy, ["tidemark"]);
  };

  it.each<[string, string, unknown, string]>([
    ["two replicas", "spec.replicas", 2, "it has not one replica"],
    ["another service", "spec.serviceName", "other", "its Service is not there"],
    ["another account", `${set}.serviceAccountName`, "other", "its ServiceAccount is not there"],
    ["other pods", "spec.selector.matchLabels", { app: "other" }, "it does not select its pods"],
    ["a token", `${set}.automountServiceAccountToken`, true, "it has a token of the cluster"],
    ["root", `${set}.securityContext.runAsNonRoot`, false, "it may be root"],
    ["no filter of calls", `${set}.securityContext.seccompProfile`, undefined, "it may make any system call"],
    ["no time to drain", `${set}.terminationGracePeriodSeconds`, 2, "it is killed while it drains"],
    ["the network of the host", `${set}.hostNetwork`, true, "it has hostNetwork"],
    ["an image that moves", `${container}.image`, "tidemark:latest", "tidemark:latest is not pinned"],
    [
      "files that can be written",
      `${container}.securityContext.readOnlyRootFilesystem`,
      false,
      "it can write its own files",
    ],
    ["capabilities", `${container}.securityContext.capabilities`, {}, "it keeps capabilities"],
    ["no bound on memory", `${container}.resources.limits`, {}, "it has no limits.memory"],
    ["no probe", `${container}.livenessProbe`, undefined, "its livenessProbe asks for something else"],
    [
      "a probe of something else",
      `${container}.livenessProbe`,
      { grpc: { port: 50_051, service: "" } },
      "its livenessProbe asks for something else",
    ],
    ["an unknown volume", `${container}.volumeMounts.0.name`, "dta", "there is no volume dta"],
    ["an unknown ConfigMap", `${set}.volumes.0.configMap.name`, "other", "there is no ConfigMap other"],
    ["an unknown flag", `${container}.args`, ["serve", "--dta"], "serve has no flag --dta"],
    ["an unknown variable", `${container}.env`, [{ name: "TIDEMARK_DTA" }], "no flag has the variable TIDEMARK_DTA"],
  ])("%s", (_, path, value, problem) => expect(changed(path, value)).toEqual([`StatefulSet tidemark: ${problem}`]));

  it("pods that nothing selects", () => {
    const problems = changed("spec.template.metadata.labels", { app: "other" });
    expect(problems).toContain("Service tidemark: it selects nothing");
    expect(problems).toContain("NetworkPolicy tidemark: it selects nothing");
  });

  it("a port that no container has", () => {
    expect(changed(`${container}.ports.1.name`, "web")).toContain("Service tidemark: no container has the port http");
  });
});
