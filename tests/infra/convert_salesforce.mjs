// The Salesforce project in the form that an org is deployed from, by Salesforce's own converter, offline.
// Takes the source folder, the folder to write to and, where only a part is to be installed, a manifest.
import { createRequire } from "node:module";

const require = createRequire(new URL("../../sandbox/package.json", import.meta.url));
const { ComponentSet, MetadataConverter } = require("@salesforce/source-deploy-retrieve");

const [source, outputDirectory, manifestPath] = process.argv.slice(2);
const components = manifestPath
  ? await ComponentSet.fromManifest({ manifestPath, resolveSourcePaths: [source] })
  : ComponentSet.fromSource(source);
const found = components.getSourceComponents().toArray();
const all = found.flatMap((component) => [component, ...component.getChildren()]);
const inSource = new Set(all.map(({ type, fullName }) => `${type.name} ${fullName}`));
const missing = components.map(({ type, fullName }) => `${type.name} ${fullName}`).filter((one) => !inSource.has(one));
if (missing.length) {
  console.error(`Named in the manifest, not in the source: ${missing.join(", ")}`);
  process.exit(1);
}
await new MetadataConverter().convert(components, "metadata", {
  type: "directory",
  outputDirectory,
  genUniqueDir: false,
});
console.log(JSON.stringify([...inSource].sort()));
