// Print what three.js' GLTFLoader makes of each .glb or .gltf named on the command line, one JSON object per line:
// scenes with their nodes, the numbers of their meshes in base64, and which picture is in which slot of a material.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

// What a browser has and node lacks: files over fetch, progress events, and pictures (known by their bytes).
globalThis.self = globalThis;
globalThis.ProgressEvent ??= class extends Event {};
const fetchFromNet = globalThis.fetch;
globalThis.fetch = async (request, options) => {
  const url = typeof request === "string" ? request : request.url;
  return url.startsWith("file:") ? new Response(await readFile(fileURLToPath(url))) : fetchFromNet(request, options);
};
globalThis.createImageBitmap = async (blob) => {
  const bytes = Buffer.from(await blob.arrayBuffer());
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), sha256, close() {} };
};

const { GLTFLoader } = await import("three/examples/jsm/loaders/GLTFLoader.js");
const { MeshoptDecoder } = await import("three/examples/jsm/libs/meshopt_decoder.module.js");
const SLOTS = ["map", "aoMap", "roughnessMap", "metalnessMap", "normalMap", "emissiveMap", "alphaMap"];

const base64 = (numbers) => Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength).toString("base64");

function texture(t) {
  const { name, image, colorSpace, flipY, channel, matrix } = t;
  t.updateMatrix();
  const size = [image.width, image.height];
  return { name, size, sha256: image.sha256, colorSpace, flipY, channel, matrix: matrix.toArray() };
}

function material(m) {
  const slots = SLOTS.filter((slot) => m[slot]).map((slot) => [slot, texture(m[slot])]);
  const { type, name, roughness, metalness, side, transparent } = m;
  return { type, name, roughness, metalness, side, transparent, slots: Object.fromEntries(slots) };
}

function node(object) {
  object.updateWorldMatrix(true, false);
  const { attributes, index } = object.geometry;
  const numbers = Object.entries(attributes).map(([name, a]) => [name, [a.itemSize, base64(Float32Array.from(a.array))]]);
  return {
    name: object.userData.name ?? object.name, // three.js takes brackets, dots and the like out of names
    extras: object.userData,
    matrix: object.matrixWorld.toArray(),
    attributes: Object.fromEntries(numbers),
    index: base64(Uint32Array.from(index.array)),
    material: material(object.material),
  };
}

for (const path of process.argv.slice(2)) {
  const loader = new GLTFLoader().setMeshoptDecoder(MeshoptDecoder);
  const folder = `${pathToFileURL(dirname(path)).href}/`;
  const content = await readFile(path);
  const gltf = await loader.parseAsync(content.buffer.slice(content.byteOffset, content.byteOffset + content.length), folder);
  const scenes = gltf.scenes.map((scene) => {
    const nodes = [];
    scene.traverse((object) => object.isMesh && nodes.push(node(object)));
    return { name: scene.name, nodes };
  });
  process.stdout.write(JSON.stringify({ scenes, shown: gltf.scenes.indexOf(gltf.scene) }) + "\n");
}
