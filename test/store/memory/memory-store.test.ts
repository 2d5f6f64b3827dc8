import { MemoryStore } from "../../../lib/store/memory/memory-store.ts";
import { storeContract } from "../store-contract.ts";

storeContract("MemoryStore", (tiers, keepRaw) => {
  const store = new MemoryStore(tiers, keepRaw);
  return { store, reader: store, journal: store };
});
