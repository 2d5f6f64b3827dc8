/** A fault that the tests must catch. */
export interface Fault {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly text: string;
  readonly replacement: string;
  /** Test files, at least one test of which must turn red. */
  readonly tests: readonly string[];
  /** Only tests whose names match: where a whole file takes long. */
  readonly only?: string;
}

const sequence = "test/ingest/sequence.test.ts";
const failedAppend = "test/ingest/failed-append.test.ts";
const durability = "test/store/sqlite/durability.test.ts";
const recovery = "test/ingest/recovery.test.ts";
const seriesLimit = "test/ingest/series-limit.test.ts";
const rateLimit = "test/ingest/rate-limit.test.ts";
const sqliteStore = "test/store/sqlite/sqlite-store.test.ts";
const heldWindows = "test/aggregate/held-windows.test.ts";
const rollUp = "test/ingest/roll-up.test.ts";

export const faults: readonly Fault[] = [
  {
    name: "acked though the append failed",
    file: "ingest/pipeline.ts",
    text: "      admission.rollback(group, diskFull(error));",
    replacement: "      admission.commit(journal.position, clock.elapsedMs());",
    tests: [failedAppend],
  },
  {
    name: "acked before the append",
    file: "ingest/pipeline.ts",
    text: "        journal.append(group.records, group.catalog);",
    replacement: "        setImmediate(() => journal.append(group.records, group.catalog));",
    tests: [failedAppend, "test/ingest/group.test.ts"],
  },
  {
    name: "mark not checked: any sequence is taken",
    file: "ingest/admission.ts",
    text: "    if (first === expected) return true;",
    replacement: "    if (first >= expected) return true;",
    tests: [sequence],
  },
  {
    name: "mark not checked: duplicates are applied again",
    file: "ingest/admission.ts",
    text: "    if (first === expected) return true;",
    replacement: "    if (first > 0 && first <= expected) return true;",
    tests: [sequence],
  },
  {
    name: "no rollback: marks of a group that was not stored stay in memory",
    file: "ingest/sessions.ts",
    text: "    for (const [session, mark] of this.#marks) Object.assign(session, mark);",
    replacement: "",
    tests: [failedAppend],
  },
  {
    name: "no rollback: devices and metrics of a group that was not stored stay in memory",
    file: "ingest/sessions.ts",
    text: "    for (const undo of this.#undo.reverse()) undo();",
    replacement: "",
    tests: [failedAppend],
  },
  {
    name: "no rollback in the database: position moves though the append failed",
    file: "lib/store/sqlite/sqlite-store.ts",
    text: `    // better-sqlite3 rolls back when the function throws, COMMIT included.
    this.#db.transaction(() => {`,
    replacement: `    this.#position = position;
    this.#db.transaction(() => {`,
    tests: ["test/store/sqlite/append-failure.test.ts"],
  },
  {
    name: "shard position not written: recovery applies groups twice",
    file: "lib/store/sqlite/sqlite-store.ts",
    text: "      this.#sql.writePosition.run(shard, through);",
    replacement: "",
    tests: [sqliteStore],
    only: "commit|position",
  },
  {
    name: "shard position not read: recovery brings back what was pruned",
    file: "ingest/recovery.ts",
    text: "(positions.get(shard) ?? 0) < position",
    replacement: "positions.get(shard) !== position + 0.5",
    tests: [recovery],
    only: "pruned",
  },
  {
    name: "shard position read wrong: recovery leaves a group out",
    file: "ingest/recovery.ts",
    text: "(positions.get(shard) ?? 0) < position",
    replacement: "(positions.get(shard) ?? 0) + 1 < position",
    tests: [recovery],
    only: "plain computation",
  },
  {
    name: "marks not recovered",
    file: "ingest/recovery.ts",
    text: "  store.commitSessions(sessions.values());",
    replacement: "",
    tests: [sequence],
  },
  {
    name: "marks recovered twice",
    file: "ingest/recovery.ts",
    text: "  if (record.sequence <= session.ackedSequence) return;",
    replacement: "",
    tests: [recovery],
    only: "changes nothing when it runs again|plain computation",
  },
  {
    name: "synchronous=NORMAL where fsync was asked for",
    file: "lib/store/sqlite/database.ts",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
    text: 'db.pragma(`synchronous = ${durability === "fsync" ? "FULL" : "NORMAL"}`)',
    replacement: 'db.pragma("synchronous = NORMAL")',
    tests: [durability],
  },
  {
    name: "synchronous=NORMAL claimed as fsync",
    file: "lib/store/sqlite/sqlite-store.ts",
    text: 'db.pragma("synchronous", { simple: true }) === synchronousFull ? "fsync" : "process"',
    replacement: "synchronousFull > 0 ? arguments[1].durability : arguments[1].durability",
    tests: [durability],
  },
  {
    name: "synchronous=NORMAL left behind by a flush",
    file: "lib/store/sqlite/sqlite-store.ts",
    text: '      if (this.durability === "fsync") this.#db.pragma("synchronous = FULL");',
    replacement: "",
    tests: [durability],
  },
  {
    name: "trimmed too far: groups that windows do not show yet",
    file: "ingest/flusher.ts",
    text: "    for (const { since } of this.#held.shards) needed = Math.min(needed, since);",
    replacement: "",
    tests: ["test/ingest/trim-needed.test.ts"],
  },
  {
    name: "trimmed too far: groups that marks do not show yet",
    file: "ingest/flusher.ts",
    text: "Math.min(this.#store.position + 1, this.#sessions.dirtySince)",
    replacement: "this.#store.position + 1",
    tests: ["test/ingest/trim-needed.test.ts"],
  },
  {
    name: "a batch that is refused whole adds samples",
    file: "ingest/admission.ts",
    text: "      if (!(error instanceof BatchRefused)) throw error;",
    replacement: `      if (!(error instanceof BatchRefused)) throw error;
      this.#intake.addTo(this.#windows);`,
    tests: ["test/ingest/refusal.test.ts"],
  },
  {
    name: "a batch that is refused whole does not use up its sequence",
    file: "ingest/admission.ts",
    text: '      if (call.method === "push") call.end = refusedPush(error, sequence);',
    replacement: `      if (call.method === "push") call.end = refusedPush(error, sequence);
      return;`,
    tests: ["test/ingest/refusal.test.ts"],
  },
  {
    name: "a superseded session is let in again",
    file: "ingest/sessions.ts",
    text: "    if (!state.superseded.has(spoolId) && !this.#store.isSuperseded(state.device.id, spoolId)) return;",
    replacement: "    if (state !== undefined) return;",
    tests: ["test/ingest/superseded.test.ts"],
  },
  {
    name: "a refused handle gets a series while the journal has batches that were judged without",
    file: "ingest/sessions.ts",
    text: "      if (before === noSeries && bound) continue;",
    replacement: "      void before;",
    tests: [seriesLimit],
  },
  {
    name: "a refused handle is not stored: it is unknown after a restart",
    file: "ingest/sessions.ts",
    text: "    this.#changes.handles.push([id, handle, series]);",
    replacement: "    if (series !== noSeries) this.#changes.handles.push([id, handle, series]);",
    tests: [seriesLimit],
  },
  {
    name: "the room of a group that was not stored stays taken",
    file: "ingest/sessions.ts",
    text: "          this.#budget.giveBack();",
    replacement: "",
    tests: [seriesLimit],
  },
  {
    name: "samples without a series are not counted and not told",
    file: "lib/journal/sample-check.ts",
    text: "      this.#checkSeries(decoder, table);",
    replacement: "",
    tests: [seriesLimit],
  },
  {
    name: "a device over its rate goes on by another call",
    file: "ingest/admission.ts",
    text: "      this.#checkRate(call, state);",
    replacement: "",
    tests: [rateLimit],
  },
  {
    name: "a device over its rate goes on by pushes",
    file: "ingest/admission.ts",
    text: '(call.method !== "push" && excess <= rateExcessMax)',
    replacement: "excess <= rateExcessMax",
    tests: [rateLimit],
  },
  {
    name: "a device over its rate goes on by calls that it ends",
    file: "ingest/admission.ts",
    text: '(call.method !== "push" && excess <= rateExcessMax)',
    replacement: 'call.method !== "push"',
    tests: [rateLimit],
  },
  {
    name: "what could not be stored counts against a device's rate",
    file: "ingest/admission.ts",
    text: "    this.#rates.rollback();",
    replacement: "    this.#rates.commit();",
    tests: [rateLimit],
  },
  {
    name: "a call is read though its device is over its rate",
    file: "ingest/inlet.ts",
    text: "    if (this.#quotaMs > 0)",
    replacement: "    if (this.#quotaMs === Number.POSITIVE_INFINITY)",
    tests: ["test/ingest/quota-wait.test.ts"],
  },
  {
    name: "a call is read before it is known whether its device is over its rate",
    file: "ingest/inlet.ts",
    text: "    if (this.#registering && !isRegistration(message))",
    replacement: "    if (this.#registering && message.length === 0)",
    tests: ["test/ingest/quota-wait.test.ts"],
  },
  {
    name: "revision of a window not checked: a group counts twice when a commit was split",
    file: "lib/aggregate/held-windows.ts",
    text: "        if (position <= tier.table.revisions[at]) continue;",
    replacement: "",
    tests: [heldWindows, recovery],
  },
  {
    name: "revision of a window not set: recovery counts its groups twice",
    file: "lib/aggregate/held-windows.ts",
    text: "        tier.table.revisions[at] = position;",
    replacement: "",
    tests: [rollUp],
    only: "model in memory > 10s,1m,5m,15m",
  },
  {
    name: "a shard says that it shows groups of windows that were not due",
    file: "lib/aggregate/held-windows.ts",
    text: "        if (!isDue(tier, at)) since = Math.min(since, tier.sinces[at]);",
    replacement: "        if (!isDue(tier, at)) continue;",
    tests: [rollUp],
    only: "model in memory > 10s,1m,5m,15m",
  },
  {
    name: "a shard says that it shows groups of windows for which there was no room",
    file: "lib/aggregate/held-windows.ts",
    text: "return { parts, since: held.since, more: true };",
    replacement: "return { parts, since: Number.POSITIVE_INFINITY, more: true };",
    tests: [heldWindows],
  },
  {
    name: "a late sample is not merged into a tier that is rolled up",
    file: "ingest/tier-bounds.ts",
    text: "toMs: rolledMs[t] };",
    replacement: "toMs: t === 0 ? rolledMs[t] : Number.NEGATIVE_INFINITY };",
    tests: [rollUp],
    only: "comes late",
  },
  {
    name: "a late sample is not kept by a tier whose upper one does not show it yet",
    file: "ingest/tier-bounds.ts",
    text: "fromMs: Math.min(keptFromMs(tier, nowMs), shownMs)",
    replacement: "fromMs: Math.min(keptFromMs(tier, nowMs), Number.POSITIVE_INFINITY + 0 * shownMs)",
    tests: [rollUp],
    only: "comes late",
  },
  {
    name: "recovery does not merge late samples into tiers that are rolled up",
    file: "ingest/recovery.ts",
    text: "    windows.rollUp((t, _, startMs) => startMs < store.rolledMs[t]);",
    replacement: "",
    tests: [rollUp],
    only: "model in memory > 10s,1m,5m,15m",
  },
  {
    name: "the mark moves when the first shard is merged",
    file: "ingest/roll-up.ts",
    text: "        active.shards.delete(shard);",
    replacement: "        active.shards.clear();",
    tests: [rollUp],
    only: "comes late|takes a few",
  },
  {
    name: "the mark moves though windows below are not stored",
    file: "ingest/roll-up.ts",
    text: "    const unstored = this.#unstoredShard(active);",
    replacement: "    const unstored = this.#unstoredShard(active) === -1 ? 0 : undefined;",
    tests: [rollUp],
    only: "model in memory > 10s,1m,5m,15m",
  },
  {
    name: "the mark passes windows that are not stored",
    file: "ingest/roll-up.ts",
    text: "        this.#firstHeld(t - 1, startMs),",
    replacement: "        Math.max(this.#firstHeld(t - 1, startMs), Number.POSITIVE_INFINITY),",
    tests: [rollUp],
    only: "model in memory > 10s,1m,5m,15m",
  },
  {
    name: "the mark passes a window when it is over, without the allowed lateness",
    file: "ingest/roll-up.ts",
    text: "this.#begin(nowMs - this.#latenessMs)",
    replacement: "this.#begin(nowMs)",
    tests: [rollUp],
    only: "stored once",
  },
  {
    name: "a shard that was stored meanwhile is not merged again",
    file: "ingest/roll-up.ts",
    text: "    active.shards.add(shard);",
    replacement: "",
    tests: [rollUp],
    only: "comes late",
  },
  {
    name: "the merge of a shard goes on though what it has read was stored anew",
    file: "ingest/roll-up.ts",
    text: "    if (shard === current) restart(active);",
    replacement: "    if (shard === -1 && shard === current) restart(active);",
    tests: [rollUp],
    only: "comes late",
  },
  {
    name: "prune ignores the mark: windows go that no tier above shows",
    file: "lib/store/sqlite/sqlite-store.ts",
    text: "Math.min(keptFromMs(tier, nowMs), this.rolledMs[t + 1] ?? Number.POSITIVE_INFINITY)",
    replacement: "keptFromMs(tier, nowMs)",
    tests: [rollUp],
    only: "SQLite > 10s,1m,1h",
  },
  {
    name: "a range goes by the marks as they were when it began",
    file: "lib/store/sqlite/sqlite-reader.ts",
    text: `      this.rolledMs = readMarks(this.#sql);
      const windows`,
    replacement: "      const windows",
    tests: [sqliteStore],
    only: "rolled up, or not yet",
  },
  {
    name: "a range ends where the finest tier does",
    file: "lib/store/sqlite/sqlite-reader.ts",
    text: "tiers.slice(0, this.#tier).map(",
    replacement: "tiers.slice(0, Math.min(1, this.#tier)).map(",
    tests: [sqliteStore],
    only: "rolled up, or not yet",
  },
  {
    name: "a range gives its last window twice when it ends inside of it",
    file: "lib/store/sqlite/sqlite-reader.ts",
    text: "fromMs < this.#toMs ? this.#nextMerge(Math.max(fromMs, this.#startMs)) : undefined",
    replacement: "this.#nextMerge(Math.max(fromMs, this.#startMs))",
    tests: [sqliteStore],
    only: "rolled up, or not yet",
  },
  {
    name: "replay takes the watermark of now, not that under which a batch came",
    file: "ingest/recovery.ts",
    text: "intake.addTo(windows, record.watermarkMs)",
    replacement: "intake.addTo(windows, nowMs)",
    tests: ["test/ingest/watermark.test.ts"],
  },
  {
    name: "one sample from the future moves the watermark",
    file: "lib/aggregate/watermark.ts",
    text: "Math.min(latestMs, nowMs)",
    replacement: "Math.max(latestMs, latestMs + 0 * nowMs)",
    tests: ["test/ingest/watermark.test.ts"],
  },
  {
    name: "counters of a higher tier merged in the order in which their windows came",
    file: "lib/aggregate/window-set.ts",
    text: "for (const i of byStart(below)) {",
    replacement: "for (const i of byStart(below).toSorted((a, b) => a - b)) {",
    tests: ["test/aggregate/counter.test.ts"],
  },
  {
    name: "an overlap with a reset is not marked approximate",
    file: "lib/aggregate/counter.ts",
    text: "    to.approximates[at] = 1;",
    replacement: "",
    tests: ["test/aggregate/counter.test.ts"],
  },
  {
    name: "a reset between two spans is not counted",
    file: "lib/aggregate/counter.ts",
    text: "offsetBefore + offset + fallBetween(to.lasts[at], from.firsts[index])",
    replacement: "offsetBefore + offset",
    tests: ["test/aggregate/counter.test.ts"],
  },
  {
    name: "deviations of two parts added without that of their means",
    file: "lib/aggregate/window-table.ts",
    text: "    const delta = sum / count - sumBefore / countBefore;",
    replacement: "    const delta = 0;",
    tests: ["test/aggregate/deviation.test.ts"],
  },
  {
    name: "sketches folded as they are met: the order of merging shows",
    file: "lib/aggregate/sketch-table.ts",
    text: "  foldSmallest(to, at);",
    replacement: "",
    tests: ["test/aggregate/sketch-table.test.ts"],
  },
];
