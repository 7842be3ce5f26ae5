// Where does the API listen, and where are its dependencies?
//
// One JSON file says it. A file rather than arguments or the environment: both of those are visible to other
// processes, and passwords are in it. A dependency without a section is absent, which is fine.
import { readFileSync } from "node:fs";

const text = (value) => typeof value === "string";
const port = (value) => Number.isInteger(value) && value > 0 && value < 65_536;
const flag = (value) => typeof value === "boolean";
const texts = (value) => Array.isArray(value) && value.length > 0 && value.every(text);

/** What a value must be, in words; and whether it may be left out. */
const required = (check, words) => ({ check, words, required: true });
const optional = (check, words) => ({ check, words, required: false });

const DATABASE = {
    host: required(text, "text"),
    port: required(port, "a port"),
    user: required(text, "text"),
    password: required(text, "text"),
    database: required(text, "text"),
};

const SECTIONS = {
    vault: { address: required(text, "text"), token: required(text, "text") },
    postgres: DATABASE,
    mysql: DATABASE,
    mongodb: { uri: required(text, "text"), database: optional(text, "text") },
    redis: {
        nodes: required(texts, 'a list of "host:port"'),
        cluster: optional(flag, "true or false"),
        password: optional((value) => value === null || text(value), "text"),
    },
    rabbitmq: {
        host: required(text, "text"),
        port: required(port, "a port"),
        user: required(text, "text"),
        password: required(text, "text"),
        vhost: required(text, "text"),
    },
};

const TOP = {
    host: required(text, "text"),
    port: required(port, "a port"),
    aggregation: optional((value) => ["sequential", "concurrent"].includes(value), "sequential or concurrent"),
};

/** The configuration is not as it must be. The message names the place, never a value: it may be a password. */
export class ConfigurationError extends Error {}

/** The configuration in a file. */
export function readConfiguration(path) {
    let content;
    try {
        content = readFileSync(path, "utf8");
    } catch (error) {
        throw new ConfigurationError(`${path} cannot be read: ${error.code}`);
    }
    const found = parse(content);
    const problems = found === undefined ? ["  the file: expected a JSON object"] : [...complaints(found)];
    if (problems.length > 0) {
        throw new ConfigurationError(
            [`${path} is not a configuration of the reference API:`, ...problems].join("\n"),
        );
    }
    return { aggregation: "sequential", ...found };
}

/** The object in a text of JSON; undefined if it is none. */
function parse(content) {
    try {
        const found = JSON.parse(content);
        return isObject(found) ? found : undefined;
    } catch {
        // The parser's message quotes the text.
        return undefined;
    }
}

function* complaints(found) {
    const sections = Object.fromEntries(Object.entries(found).filter(([name]) => Object.hasOwn(SECTIONS, name)));
    const rest = Object.fromEntries(Object.entries(found).filter(([name]) => !Object.hasOwn(SECTIONS, name)));
    yield* complaintsOf(rest, TOP, "");
    for (const [name, section] of Object.entries(sections)) {
        if (isObject(section)) {
            yield* complaintsOf(section, SECTIONS[name], `${name}.`);
        } else if (section !== null) {
            yield `  ${name}: expected an object`;
        }
    }
}

function* complaintsOf(found, expected, prefix) {
    for (const name of Object.keys(found)) {
        if (!Object.hasOwn(expected, name)) {
            yield `  ${prefix}${name}: unknown name`;
        }
    }
    for (const [name, { check, words, required }] of Object.entries(expected)) {
        const there = Object.hasOwn(found, name);
        if (there ? !check(found[name]) : required) {
            yield `  ${prefix}${name}: expected ${words}`;
        }
    }
}

function isObject(value) {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}
