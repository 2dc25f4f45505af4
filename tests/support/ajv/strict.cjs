// Prints, for each schema file that is given, what Ajv's strict mode finds. With UNIONS, a list of types is allowed.
const fs = require("node:fs");
const Ajv = require("ajv").default;

for (const file of process.argv.slice(2)) {
  try {
    new Ajv({ strict: true, allowUnionTypes: "UNIONS" in process.env }).compile(JSON.parse(fs.readFileSync(file, "utf8")));
  } catch (error) {
    console.log(`${file}: ${error.message}`);
  }
}
