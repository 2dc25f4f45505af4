// Usage: node verify.cjs PUBLIC-KEY KEYID BUNDLE...
// Ends with status 0 if the key, which has this name, has signed every bundle.

const { createPublicKey } = require("node:crypto");
const { readFileSync } = require("node:fs");

const { bundleFromJSON } = require("@sigstore/bundle");
const { Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");

const [keyFile, keyid, ...bundles] = process.argv.slice(2);
const rawBytes = createPublicKey(readFileSync(keyFile)).export({ type: "spki", format: "der" });
const nobody = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
const trust = toTrustMaterial(nobody, { [keyid]: { rawBytes } });
const verifier = new Verifier(trust, { tlogThreshold: 0, ctlogThreshold: 0, tsaThreshold: 0 });

for (const file of bundles) {
  const bundle = bundleFromJSON(JSON.parse(readFileSync(file)));
  verifier.verify(toSignedEntity(bundle));
  console.log(`${bundle.mediaType} ${bundle.content.dsseEnvelope.payload.length}`);
}
