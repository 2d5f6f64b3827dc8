import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { csvAnswers } from "../../cli/http-csv.ts";
import { openApi } from "./document.ts";

// Writes the OpenAPI document of the contract: node proto/openapi/main.ts FILE, in the checkout.
const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("name the file to write");
// With the comments, which the generated code does not have.
const image = execFileSync("buf", ["build", "-o", "-", "--as-file-descriptor-set"], { maxBuffer: 2 ** 26 });
const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
const document = openApi(fromBinary(FileDescriptorSetSchema, image), { version, csv: new Set(csvAnswers.keys()) });
writeFileSync(file, `${JSON.stringify(document, undefined, 2)}\n`);
