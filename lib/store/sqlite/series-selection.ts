import type { Database, Statement } from "better-sqlite3";
import type { Selector } from "../selector.ts";

/**
 * Statements that find series by a selector. One for each shape of a selector, with the conditions that it has and no
 * others: SQLite then looks devices up by id, where one for all shapes would go through every device.
 */
export class SeriesSelection {
  readonly #db: Database;
  readonly #statements = new Map<string, Statement>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** @param columns of `devices` and `series` @param after what comes behind the conditions */
  statement(columns: string, selector: Selector, after = ""): Statement {
    const conditions = conditionsOf(selector);
    const sql = `SELECT ${columns} FROM devices JOIN series ON series.device = devices.id
      WHERE ${conditions.join(" AND ")} ${after}`;
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** What a statement of this selector is bound to. */
export function selectorParameters(selector: Selector): Record<string, string> {
  const { deviceIds, deviceIdPrefixes, metricNames, metricNamePrefixes, labels } = selector;
  const parameters: Record<string, string> = {};
  if (deviceIds !== undefined) parameters["deviceIds"] = JSON.stringify(deviceIds);
  if (deviceIdPrefixes !== undefined) parameters["devicePrefixes"] = JSON.stringify(deviceIdPrefixes.map(spanOf));
  if (metricNames !== undefined) parameters["names"] = JSON.stringify(metricNames);
  if (metricNamePrefixes !== undefined) parameters["namePrefixes"] = JSON.stringify(metricNamePrefixes);
  if (labels !== undefined) parameters["labels"] = JSON.stringify(labels);
  return parameters;
}

function conditionsOf(selector: Selector): string[] {
  const { deviceIds, deviceIdPrefixes, metricNames, metricNamePrefixes, labels } = selector;
  const ofDevices = [
    deviceIds && "SELECT value FROM json_each(@deviceIds)",
    deviceIdPrefixes &&
      `SELECT known.device_id FROM json_each(@devicePrefixes)
       JOIN devices AS known ON known.device_id BETWEEN value ->> 0 AND value ->> 1 AND known.deleted_at_ms IS NULL`,
  ].filter((part) => part !== undefined);
  const ofMetrics = [
    metricNames && "name IN (SELECT value FROM json_each(@names))",
    metricNamePrefixes &&
      "EXISTS (SELECT 1 FROM json_each(@namePrefixes) WHERE substr(name, 1, length(value)) = value)",
  ].filter((part) => part !== undefined);
  const conditions = ["devices.deleted_at_ms IS NULL"];
  if (ofDevices.length > 0) conditions.push(`devices.device_id IN (${ofDevices.join(" UNION ")})`);
  if (ofMetrics.length > 0) conditions.push(`(${ofMetrics.join(" OR ")})`);
  if (labels !== undefined) {
    conditions.push(`NOT EXISTS (
      SELECT 1 FROM json_each(@labels) AS wanted
      WHERE wanted.value IS NOT (SELECT value FROM json_each(devices.labels) WHERE key = wanted.key)
    )`);
  }
  return conditions;
}

/** The first and the last text that begin with a prefix: no id is as long as this one. */
function spanOf(prefix: string): readonly [string, string] {
  return [prefix, prefix + "\u{10ffff}".repeat(64)];
}
