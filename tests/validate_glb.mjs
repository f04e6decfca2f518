// Print the Khronos validator's report on each .glb named on the command line, one JSON object per line.
import { readFile } from "node:fs/promises";
import validator from "gltf-validator";

for (const path of process.argv.slice(2)) {
  const report = await validator.validateBytes(new Uint8Array(await readFile(path)), { maxIssues: 100 });
  process.stdout.write(JSON.stringify(report.issues) + "\n");
}
