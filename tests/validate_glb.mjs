// Print the Khronos validator's report on each .glb or .gltf named on the command line, one JSON object per line.
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import validator from "gltf-validator";

for (const path of process.argv.slice(2)) {
  const beside = async (uri) => new Uint8Array(await readFile(join(dirname(path), decodeURIComponent(uri))));
  const options = { maxIssues: 100, externalResourceFunction: beside };
  const report = await validator.validateBytes(new Uint8Array(await readFile(path)), options);
  process.stdout.write(JSON.stringify(report.issues) + "\n");
}
