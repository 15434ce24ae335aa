// Validates Kubernetes objects, YAML on standard input, without a cluster: against the schemas of
// Kubernetes and of the Prometheus operator, which find missing fields and wrong values, and, as
// literals of the TypeScript types made from these, which find fields that do not exist. Prints what
// is wrong, and exits 1 then; else prints what there is.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import yaml from "js-yaml";
import ts from "typescript";

const require = createRequire(import.meta.url);
const packages = { "monitoring.coreos.com": "@kubernetes-models/prometheus-operator" };

const objects = yaml.loadAll(readFileSync(0, "utf8")).filter((object) => object);
const errors = objects.length > 0 ? [] : ["There are no objects."];
const source = [];
for (const [i, object] of objects.entries()) {
  const { apiVersion, kind, metadata } = object;
  const name = `${kind} ${metadata?.name}`;
  const path = `${packages[apiVersion?.split("/")[0]] ?? "kubernetes-models"}/${apiVersion}/${kind}`;
  try {
    const Model = require(path)[kind];
    new Model(object).validate();
  } catch (error) {
    errors.push(`${name}: ${error.message}`);
    continue;
  }
  source.push(`import type { I${kind} as Type${i} } from "${path}";`);
  source.push(`export const object${i}: Type${i} = ${JSON.stringify(object, null, 1)};`);
}

const file = new URL("objects.ts", import.meta.url).pathname;
writeFileSync(file, source.join("\n"));
const program = ts.createProgram([file], {
  noEmit: true,
  strict: true,
  skipLibCheck: true,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  target: ts.ScriptTarget.ES2022,
  lib: ["lib.es2022.d.ts"],
  types: [],
});
for (const diagnostic of ts.getPreEmitDiagnostics(program)) {
  errors.push(ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"));
}

console.log(
  (errors.length > 0 ? errors : objects.map((o) => `${o.kind} ${o.metadata.name}`)).join("\n")
);
process.exitCode = errors.length > 0 ? 1 : 0;
