// Fills segments, settles them and has them deleted: `synced.test.ts` looks at what it asks the system for.
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";

const [, , dataDir = ""] = process.argv;
const store = openSqliteStore({ dataDir, tiers: defaultTiers, durability: "fsync" });
const large = new Uint8Array(1024 * 1024);
for (let round = 0; round < 2; round += 1) {
  for (let n = 0; n < 40; n += 1) store.append(large, undefined);
  store.settle(store.position);
  while (store.trim(0, 100) > 0);
}
store.append(large, undefined);
