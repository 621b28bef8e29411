// Validates manifests (a JSON list on standard input) with the classes that @kubernetes-models generates from the
// operators' sources. Prints a JSON list: null, or the error, of each manifest.
//
// Runs in a folder with these packages: node --input-type=module --eval "$(cat validate.mjs)"

import { readFileSync } from "node:fs";

const PACKAGES = {
  "cert-manager.io": "cert-manager",
  "gateway.networking.k8s.io": "gateway-api",
  "keda.sh": "keda",
  "monitoring.coreos.com": "prometheus-operator",
  "networking.gke.io": "gke",
};

async function errorOf(manifest) {
  const [group, version] = manifest.apiVersion.split("/");
  const models = await import(`@kubernetes-models/${PACKAGES[group]}/${group}/${version}/${manifest.kind}`);
  try {
    new models[manifest.kind](manifest).validate();
    return null;
  } catch (error) {
    return error.message;
  }
}

const manifests = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(await Promise.all(manifests.map(errorOf))));
