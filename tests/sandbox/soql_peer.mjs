// Whether each query of a JSON array on standard input is SOQL, in the eyes of a parser written by others.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../sandbox/package.json", import.meta.url));
const { isQueryValid } = require("@jetstreamapp/soql-parser-js");

const queries = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(queries.map((query) => isQueryValid(query))));
