import { invalidField } from "../lib/base/errors.ts";
import {
  deviceIdBytesMax,
  labelKeyBytesMax,
  labelsMax,
  labelValueBytesMax,
  metricDescriptionBytesMax,
  metricHandleMax,
  metricNameBytesMax,
  metricsPerRegistrationMax,
  metricUnitBytesMax,
  spoolIdBytes,
} from "../lib/base/limits.ts";
import type { Labels, Series } from "../lib/store/store.ts";
import type { Registration } from "../proto/gen/telemetry/v1/batch_pb.js";
import type { MetricDefinition } from "../proto/gen/telemetry/v1/metric_pb.js";
import { MetricKind } from "../proto/gen/telemetry/v1/metric_pb.js";

/**
 * Checks what a registration says by itself.
 * @throws TelemetryError INVALID_ARGUMENT that names field, value, limit and remedy
 */
export function checkRegistration(registration: Registration): void {
  if (registration.deviceHandle === 0) {
    throw invalidField("registration.device_handle", "is 0", "choose a number from 1");
  }
  checkDeviceId("registration.device_id", registration.deviceId);
  if (registration.spoolId.length !== spoolIdBytes) {
    throw invalidField(
      "registration.spool_id",
      `has ${registration.spoolId.length} bytes`,
      `send ${spoolIdBytes} random bytes, made once with the device's spool`,
    );
  }
  checkLabels("registration.labels", registration.labels);
  checkMetrics(registration.metrics);
}

export function kindOf(definition: MetricDefinition): Series["kind"] {
  return definition.kind === MetricKind.COUNTER ? "counter" : "gauge";
}

export function checkDeviceId(field: string, deviceId: string): void {
  checkText(field, deviceId, 1, deviceIdBytesMax);
}

export function checkLabels(field: string, labels: Labels): void {
  const entries = Object.entries(labels);
  if (entries.length > labelsMax) {
    throw invalidField(field, `has ${entries.length} entries, the limit is ${labelsMax}`, "send fewer");
  }
  for (const [key, value] of entries) {
    checkText(`${field} key`, key, 1, labelKeyBytesMax);
    checkText(`${field}[${JSON.stringify(key)}]`, value, 0, labelValueBytesMax);
  }
}

function checkMetrics(metrics: readonly MetricDefinition[]): void {
  if (metrics.length > metricsPerRegistrationMax) {
    throw invalidField(
      "registration.metrics",
      `has ${metrics.length} entries, the limit is ${metricsPerRegistrationMax}`,
      "send the others in further registrations",
    );
  }
  const handles = new Set<number>();
  const names = new Set<string>();
  for (const [i, metric] of metrics.entries()) {
    const path = `registration.metrics[${i}]`;
    if (metric.handle < 1 || metric.handle > metricHandleMax) {
      throw invalidField(`${path}.handle`, `is ${metric.handle}`, `choose a number from 1 to ${metricHandleMax}`);
    }
    checkText(`${path}.name`, metric.name, 1, metricNameBytesMax);
    checkText(`${path}.unit`, metric.unit, 0, metricUnitBytesMax);
    checkText(`${path}.description`, metric.description, 0, metricDescriptionBytesMax);
    if (metric.kind !== MetricKind.GAUGE && metric.kind !== MetricKind.COUNTER) {
      throw invalidField(`${path}.kind`, `is ${metric.kind}`, "send METRIC_KIND_GAUGE or METRIC_KIND_COUNTER");
    }
    if (handles.has(metric.handle)) {
      throw invalidField(`${path}.handle`, `is ${metric.handle}, as of an earlier metric`, "give each its own");
    }
    if (names.has(metric.name)) {
      throw invalidField(`${path}.name`, `is ${JSON.stringify(metric.name)}, as of an earlier metric`, "send it once");
    }
    handles.add(metric.handle);
    names.add(metric.name);
  }
}

/** Control characters would let a device's name move an operator's cursor. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controlCharacters = /[\u0000-\u001f\u007f-\u009f]/;

export function checkText(field: string, text: string, bytesMin: number, bytesMax: number): void {
  const bytes = Buffer.byteLength(text);
  if (bytes < bytesMin) throw invalidField(field, "is empty", `send ${bytesMin} to ${bytesMax} bytes`);
  if (bytes > bytesMax) {
    throw invalidField(field, `has ${bytes} bytes (${text.slice(0, 20)}...), the limit is ${bytesMax}`, "shorten it");
  }
  if (controlCharacters.test(text)) {
    throw invalidField(field, `is ${JSON.stringify(text)}`, "leave out control characters");
  }
}
