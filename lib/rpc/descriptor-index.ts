import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** The files of some services with all that they import, and what stands in them by its full name. */
export class DescriptorIndex {
  /** Full names, in their order. */
  readonly services: readonly string[];
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  /** Of every message, whether or not it has any; by their numbers. */
  readonly #extensions = new Map<string, Map<number, DescFile>>();
  readonly #encoded = new Map<DescFile, Uint8Array>();

  constructor(services: readonly DescService[]) {
    this.services = services.map(({ typeName }) => typeName).sort();
    for (const file of withImports(services.map((service) => service.file))) this.#add(file);
  }

  /** @param name such as `telemetry/v1/batch.proto` */
  fileNamed(name: string): DescFile | undefined {
    return this.#files.get(name);
  }

  /** Where a service, method, message, field, oneof, enum, value of an enum, or extension stands. */
  fileOfSymbol(name: string): DescFile | undefined {
    return this.#symbols.get(name);
  }

  fileOfExtension(message: string, number: number): DescFile | undefined {
    return this.#extensions.get(message)?.get(number);
  }

  /** @returns undefined when there is no such message */
  extensionNumbers(message: string): number[] | undefined {
    const extensions = this.#extensions.get(message);
    return extensions && [...extensions.keys()].sort((a, b) => a - b);
  }

  /** A file and all that it imports, each as a `google.protobuf.FileDescriptorProto`. */
  encodeWithImports(file: DescFile): Uint8Array[] {
    return [...withImports([file])].map((each) => this.#encode(each));
  }

  #encode(file: DescFile): Uint8Array {
    const encoded = this.#encoded.get(file) ?? toBinary(FileDescriptorProtoSchema, file.proto);
    this.#encoded.set(file, encoded);
    return encoded;
  }

  #add(file: DescFile): void {
    this.#files.set(file.proto.name, file);
    for (const symbol of symbolsOf(file)) this.#symbols.set(symbol, file);
    for (const type of nestedTypes(file)) {
      if (type.kind === "message") this.#extensionsOf(type.typeName);
      else if (type.kind === "extension") this.#extensionsOf(type.extendee.typeName).set(type.number, file);
    }
  }

  #extensionsOf(message: string): Map<number, DescFile> {
    const extensions = this.#extensions.get(message) ?? new Map<number, DescFile>();
    this.#extensions.set(message, extensions);
    return extensions;
  }
}

/** Each file once. */
function withImports(files: Iterable<DescFile>): Set<DescFile> {
  const all = new Set(files);
  // Going through a set comes to what is added to it meanwhile.
  for (const file of all) for (const imported of file.dependencies) all.add(imported);
  return all;
}

/** Full names of all that stands in a file. */
function* symbolsOf(file: DescFile): Iterable<string> {
  for (const type of nestedTypes(file)) {
    yield type.typeName;
    if (type.kind === "message") {
      for (const { name } of [...type.fields, ...type.oneofs]) yield `${type.typeName}.${name}`;
    } else if (type.kind === "service") {
      for (const { name } of type.methods) yield `${type.typeName}.${name}`;
    } else if (type.kind === "enum") {
      // Values stand beside their enum, not in it.
      const scope = type.typeName.slice(0, type.typeName.length - type.name.length);
      for (const { name } of type.values) yield `${scope}${name}`;
    }
  }
}
