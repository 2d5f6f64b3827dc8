import { describe, expect, it } from "vitest";
import { read } from "./deployed.ts";
import { commandProblems, wordsOf } from "./program.ts";

/** Of systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.kill(5) and systemd.resource-control(5). */
const keys: Readonly<Record<string, readonly string[]>> = {
  Unit: ["Description", "Documentation", "After", "Wants", "Requires", "StartLimitIntervalSec", "StartLimitBurst"],
  Service: [
    ...["Type", "User", "Group", "DynamicUser", "ExecStart", "ExecReload", "Restart", "RestartSec"],
    ...["RestartPreventExitStatus", "TimeoutStartSec", "TimeoutStopSec", "KillMode", "KillSignal"],
    ...["StateDirectory", "StateDirectoryMode", "EnvironmentFile", "Environment", "LoadCredential", "UMask"],
    ...["LimitNOFILE", "LimitCORE", "MemoryMax", "TasksMax", "NoNewPrivileges", "CapabilityBoundingSet"],
    ...["AmbientCapabilities", "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "ProtectClock"],
    ...["ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectProc"],
    ...["ProtectKernelTunables", "LockPersonality", "RemoveIPC", "RestrictAddressFamilies", "RestrictNamespaces"],
    ...["RestrictRealtime", "RestrictSUIDSGID", "SystemCallArchitectures", "SystemCallFilter", "SystemCallErrorNumber"],
    ...["MemoryDenyWriteExecute", "ReadWritePaths"],
  ],
  Install: ["WantedBy"],
};

/** What a hardened unit says. */
const wanted: Readonly<Record<string, string>> = {
  Type: "exec",
  Restart: "on-failure",
  NoNewPrivileges: "yes",
  CapabilityBoundingSet: "",
  ProtectSystem: "strict",
  ProtectHome: "yes",
  PrivateTmp: "yes",
  PrivateDevices: "yes",
  RestrictNamespaces: "yes",
  SystemCallFilter: "@system-service",
};

/** What is wrong with a unit. */
function unitProblems(text: string): string[] {
  const problems: string[] = [];
  const values = new Map<string, string[]>();
  let section = "";
  for (const line of text.split("\n")) {
    if (line === "" || /^[#;]/.test(line)) continue;
    const named = /^\[(\w+)\]$/.exec(line)?.[1];
    if (named !== undefined) section = named;
    const [, key, value = ""] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (named !== undefined && keys[named] === undefined) problems.push(`there is no section ${named}`);
    if (named === undefined && key === undefined) problems.push(`it has the line ${line}`);
    if (key === undefined) continue;
    if (keys[section]?.includes(key) !== true) problems.push(`there is no ${key} in ${section}`);
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  for (const [key, value] of Object.entries(wanted)) {
    if (values.get(key)?.at(-1) !== value) problems.push(`${key} is not ${value === "" ? "empty" : value}`);
  }
  if ((values.get("User")?.at(-1) ?? "root") === "root" && !values.has("DynamicUser")) problems.push("it is root");
  if (!(Number(values.get("TimeoutStopSec")?.at(-1)) >= 15)) problems.push("it is killed while it drains");
  // Code is compiled as it runs.
  if (values.get("MemoryDenyWriteExecute")?.at(-1) === "yes") problems.push("JavaScript cannot run");
  const [program = "", ...words] = wordsOf(values.get("ExecStart")?.at(-1) ?? "");
  const [command = "", ...args] = program === "/usr/bin/env" ? words : [program, ...words];
  if (!program.startsWith("/")) problems.push("its program has no path");
  if (!/(^|\/)tidemark$/.test(command)) problems.push(`it runs ${command}`);
  problems.push(...commandProblems(args));
  const credentials = (values.get("LoadCredential") ?? []).map((value) => value.split(":")[0]);
  for (const [, name] of args.join(" ").matchAll(/%d\/(\S+)/g)) {
    if (!credentials.includes(name)) problems.push(`there is no credential ${name}`);
  }
  return problems;
}

const unit = read("deploy/systemd/tidemark.service");

it("deploy/systemd/tidemark.service keeps to the rules", () => expect(unitProblems(unit)).toEqual([]));

it("its configuration has the directory that it may write", () => {
  const { serve } = JSON.parse(read("deploy/tidemark.config.json")) as { serve: Record<string, string> };
  expect(unit).toMatch(/^StateDirectory=tidemark$/m);
  for (const key of ["data", "access"]) expect(serve[key]).toMatch(/^\/var\/lib\/tidemark\//);
});

describe("the rules for a unit find", () => {
  it.each([
    ["an unknown key", unit.replace("RestartSec=", "RestartSecs="), "there is no RestartSecs in Service"],
    ["a key of another section", unit.replace("[Install]", "[Install]\nUMask=0077"), "there is no UMask in Install"],
    ["an unknown section", unit.replace("[Install]", "[Instal]\n[Install]"), "there is no section Instal"],
    ["a line that is none", unit.replace("[Install]", "yes\n[Install]"), "it has the line yes"],
    ["a writable system", unit.replace("ProtectSystem=strict\n", ""), "ProtectSystem is not strict"],
    ["capabilities", unit.replace("CapabilityBoundingSet=\n", ""), "CapabilityBoundingSet is not empty"],
    ["root", unit.replace("User=tidemark", "User=root"), "it is root"],
    ["no time to drain", unit.replace("TimeoutStopSec=30", "TimeoutStopSec=2"), "it is killed while it drains"],
    [
      "what V8 cannot do with",
      unit.replace("LockPersonality=yes", "$&\nMemoryDenyWriteExecute=yes"),
      "JavaScript cannot run",
    ],
    ["an unknown flag", unit.replace("--tls-key", "--tls-kye"), "serve has no flag --tls-kye"],
    ["an unknown credential", unit.replace("%d/server.key", "%d/key"), "there is no credential key"],
    ["another program", unit.replace("/usr/bin/env tidemark", "/usr/bin/env tide"), "it runs tide"],
  ])("%s", (_, text, problem) => expect(unitProblems(text)).toEqual([problem]));
});
