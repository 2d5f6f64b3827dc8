/** The years 1 to 9999, as of google.protobuf.Timestamp, so that every stored time can be told. */
export const timeMsMin = -62_135_596_800_000;
export const timeMsMax = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
