/** The host of `HOST:PORT`, of `[IPV6]:PORT` without its brackets. */
export function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
}
