import { randomBytes } from "node:crypto";
import type { Database } from "better-sqlite3";
import { formatTiers, type Tier } from "../../aggregate/tiers.ts";
import { TelemetryError } from "../../base/errors.ts";

/** "tide" in ASCII: marks the file as ours, in the header where `file` and SQLite look for it. */
export const applicationId = 0x7469_6465;
export const schemaVersion = 4;

/**
 * Windows are ordered by tier and time, then series: a flush writes neighbours (all series of one
 * window start), and retention deletes from one end. Ordered by series first, each row of a flush
 * would dirty a page of its own. Figures: docs/decisions/0003-windows-by-time.md.
 */
const schema = `
CREATE TABLE meta (
  incarnation TEXT NOT NULL,      -- 32 hexadecimal digits: names this database
  settled     INTEGER NOT NULL,   -- every table shows the journal through here
  trimmed     INTEGER NOT NULL,   -- the journal is deleted through here
  commits     INTEGER NOT NULL    -- transactions that have changed windows or marks of tiers
) STRICT;

-- Groups of records as they were acked, until every aggregate shows them, and longer when raw samples are kept: those that
-- came with changes of the tables below, and those of a backup or an earlier version. All others lie in segments,
-- lib/store/segments. What is looked for stands before the records: SQLite finds it without reading them.
CREATE TABLE journal (
  position    INTEGER PRIMARY KEY,
  received_ms INTEGER NOT NULL,
  from_ms     INTEGER,            -- earliest time of its samples; NULL: none counts
  to_ms       INTEGER,            -- latest
  records     BLOB NOT NULL       -- lib/journal/journal-records.ts
) STRICT;

-- The tiers of this database. Windows of a tier that start before its mark are stored; later ones are the merge of the
-- tier below. The finest tier has no mark: all of its windows are stored.
CREATE TABLE tiers (
  tier_ms   INTEGER PRIMARY KEY,  -- width
  rolled_ms INTEGER
) STRICT;

-- Windows of a shard (256 neighbouring series) show the journal through here.
CREATE TABLE shards (
  shard   INTEGER PRIMARY KEY,
  applied INTEGER NOT NULL
) STRICT;

-- Ids are given once: what still names a device, a session or a series that was purged never names another one.
CREATE TABLE devices (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  device_id       TEXT NOT NULL,
  reported_labels TEXT NOT NULL,    -- JSON object, as of its latest registration
  set_labels      TEXT NOT NULL,    -- JSON object, as set in the registry
  labels          TEXT NOT NULL GENERATED ALWAYS AS (json_patch(reported_labels, set_labels)) STORED,
  description     TEXT NOT NULL,
  session         INTEGER NOT NULL, -- the newest of its sessions
  reset           INTEGER NOT NULL, -- 1: an operator lets whichever spool comes next take over
  created_at_ms   INTEGER NOT NULL,
  deleted_at_ms   INTEGER,          -- NULL: it is there; else its id is refused until it is created again
  purged          INTEGER NOT NULL DEFAULT 0  -- 1: of a deleted one, nothing is left but this row and its sessions
) STRICT;
CREATE UNIQUE INDEX live_devices ON devices (device_id) WHERE deleted_at_ms IS NULL;
CREATE INDEX deleted_devices ON devices (device_id) WHERE deleted_at_ms IS NOT NULL;
CREATE INDEX unpurged_devices ON devices (id) WHERE deleted_at_ms IS NOT NULL AND purged = 0;

-- Marks are those of the latest flush: later ones are in the journal.
CREATE TABLE sessions (
  id               INTEGER PRIMARY KEY AUTOINCREMENT,
  device           INTEGER NOT NULL,
  spool_id         TEXT NOT NULL,  -- 32 hexadecimal digits; empty: its device was created, and has not registered yet
  acked_sequence   INTEGER NOT NULL,
  samples_counted  INTEGER NOT NULL,
  samples_refused  INTEGER NOT NULL,
  samples_lost     INTEGER NOT NULL,
  batches_lost     INTEGER NOT NULL,
  last_seen_at_ms  INTEGER,
  latest_event_ms  INTEGER,
  latest_sample_ms INTEGER,
  UNIQUE (device, spool_id)
) STRICT;

CREATE TABLE series (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  device      INTEGER NOT NULL,
  name        TEXT NOT NULL,
  kind        TEXT NOT NULL CHECK (kind IN ('gauge', 'counter')),
  unit        TEXT NOT NULL,
  description TEXT NOT NULL,
  UNIQUE (device, name)
) STRICT;

CREATE TABLE handles (
  session INTEGER NOT NULL,
  handle  INTEGER NOT NULL,
  series  INTEGER NOT NULL,
  since   INTEGER NOT NULL,       -- the first journal position at which it stands for the series
  PRIMARY KEY (session, handle)
) STRICT, WITHOUT ROWID;

-- Batches that devices lost, the latest of each.
CREATE TABLE gaps (
  id             INTEGER PRIMARY KEY,
  device         INTEGER NOT NULL,
  first_sequence INTEGER NOT NULL,
  last_sequence  INTEGER NOT NULL,
  samples        INTEGER NOT NULL,  -- 0: not known
  reason         INTEGER NOT NULL,  -- GapReason in proto/telemetry/v1/batch.proto
  recorded_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX gaps_of_device ON gaps (device);

-- What was refused of each device, by reason.
CREATE TABLE refusals (
  device  INTEGER NOT NULL,
  reason  INTEGER NOT NULL,         -- RefusalReason in proto/telemetry/v1/batch.proto
  samples INTEGER NOT NULL,
  batches INTEGER NOT NULL,
  PRIMARY KEY (device, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE windows (
  tier_ms       INTEGER NOT NULL, -- width
  start_ms      INTEGER NOT NULL,
  series        INTEGER NOT NULL,
  count         INTEGER NOT NULL,
  sum           REAL NOT NULL,
  m2            REAL NOT NULL,    -- sum of the squared deviations from the mean
  min           REAL NOT NULL,
  max           REAL NOT NULL,
  first         REAL NOT NULL,
  first_time_ms INTEGER NOT NULL,
  last          REAL NOT NULL,
  last_time_ms  INTEGER NOT NULL,
  reset_offset  REAL,             -- counters: the increase is last - first + this
  approximate   INTEGER NOT NULL, -- 1: that is an estimate
  watermark_ms  INTEGER,          -- the highest watermark of the device under which a sample of it came
  revision      INTEGER NOT NULL, -- journal position of the latest group that it shows
  sketch        BLOB NOT NULL,    -- lib/aggregate/sketch-table.ts
  PRIMARY KEY (tier_ms, start_ms, series)
) STRICT, WITHOUT ROWID;

-- The highest revision of the windows of a shard with one start: finds what changed after a commit without a look at
-- windows that did not. It is written with the windows, and deleted with them.
CREATE TABLE changes (
  tier_ms  INTEGER NOT NULL,
  start_ms INTEGER NOT NULL,
  shard    INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  PRIMARY KEY (tier_ms, start_ms, shard)
) STRICT, WITHOUT ROWID;

CREATE INDEX changes_by_revision ON changes (shard, revision);

-- For people with a sqlite3 shell: the windows that are over.
CREATE VIEW aggregates AS
SELECT
  d.device_id AS device,
  s.name AS metric,
  s.kind AS kind,
  s.unit AS unit,
  w.tier_ms / 1000 AS tier_seconds,
  strftime('%Y-%m-%dT%H:%M:%SZ', w.start_ms / 1000, 'unixepoch') AS window_start,
  w.count AS count,
  w.sum AS sum,
  w.sum / w.count AS mean,
  w.m2 / w.count AS variance,
  w.min AS min,
  w.max AS max,
  w.first AS first,
  w.last AS last,
  w.last - w.first + w.reset_offset AS increase,
  w.approximate AS increase_approximate
FROM windows w
JOIN tiers t ON t.tier_ms = w.tier_ms
JOIN series s ON s.id = w.series
JOIN devices d ON d.id = s.device AND d.deleted_at_ms IS NULL
-- Above the finest tier, only what is before the mark.
WHERE w.start_ms < t.rolled_ms OR w.tier_ms = (SELECT min(tier_ms) FROM tiers);
`;

/** What brings a database of an earlier version to the next one. */
const upgrades: Readonly<Record<number, string>> = {
  // All groups lay in the table; they stay there.
  3: `ALTER TABLE meta ADD COLUMN trimmed INTEGER NOT NULL DEFAULT 0;
      UPDATE meta SET trimmed = coalesce((SELECT min(position) - 1 FROM journal), settled);`,
};

/**
 * Makes the tables, when the database is empty, and brings those of an earlier version to this one.
 * @param tiers finest first
 * @throws TelemetryError when it has other tiers
 */
export function prepareSchema(db: Database, file: string, tiers: readonly Tier[]): void {
  if (checkSchema(db, file)) {
    checkTiers(db, file, tiers);
    upgrade(db);
    return;
  }
  db.transaction(() => {
    db.exec(schema);
    db.prepare("INSERT INTO meta VALUES (?, 0, 0, 0)").run(randomBytes(16).toString("hex"));
    const insert = db.prepare("INSERT INTO tiers VALUES (?, NULL)");
    for (const { widthMs } of tiers) insert.run(widthMs);
    db.pragma(`application_id = ${applicationId}`);
    db.pragma(`user_version = ${schemaVersion}`);
  })();
}

function upgrade(db: Database): void {
  for (let version = versionOf(db); version < schemaVersion; version += 1) {
    db.transaction(() => {
      db.exec(upgrades[version]);
      db.pragma(`user_version = ${version + 1}`);
    })();
  }
}

function versionOf(db: Database): number {
  return db.pragma("user_version", { simple: true }) as number;
}

/** A tier that came later would lack the windows before it, and one that went would be missed by the tier above. */
function checkTiers(db: Database, file: string, tiers: readonly Tier[]): void {
  const found = db.prepare("SELECT tier_ms FROM tiers ORDER BY tier_ms").pluck().all() as number[];
  if (found.length === tiers.length && found.every((widthMs, i) => widthMs === tiers[i]?.widthMs)) return;
  const names = formatTiers(found.map((widthMs) => ({ widthMs })));
  throw new TelemetryError(
    "FAILED_PRECONDITION",
    "TIERS_DIFFER",
    `${file} has the tiers ${names}, not ${formatTiers(tiers)}; start with --tiers ${names}, or name an empty directory with --data`,
  );
}

/**
 * @returns whether the tables are there; false when the database is empty
 * @throws TelemetryError when it is another program's, or of another version
 */
export function checkSchema(db: Database, file: string): boolean {
  const id = db.pragma("application_id", { simple: true });
  const version = versionOf(db);
  const empty = db.prepare("SELECT count(*) FROM sqlite_schema").pluck().get() === 0;
  if (empty && version === 0 && id === 0) return false;
  if (id !== applicationId) {
    throw new TelemetryError(
      "FAILED_PRECONDITION",
      "FOREIGN_DATABASE",
      `${file} is a database of another program (application id ${id}); name another directory with --data`,
    );
  }
  if (version !== schemaVersion && !(version in upgrades)) {
    throw new TelemetryError(
      "FAILED_PRECONDITION",
      "SCHEMA_VERSION",
      `${file} has schema version ${version}, this program reads version ${schemaVersion}; use the program that wrote it`,
    );
  }
  return true;
}
